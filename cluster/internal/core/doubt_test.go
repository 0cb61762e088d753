package core_test

import (
	"testing"
	"time"

	"gatehouse/cluster/internal/core"
)

// A client of a node that may have lacked what Redis has lost is not recovered until that node must know, or nobody will tell it.
func TestWhoMayLackWhatIsLostIsNotRecovered(t *testing.T) {
	for name, settle := range map[string]func(l *core.Lane[string]) (behind string){
		"the next operation of the writer": func(l *core.Lane[string]) string { l.Read("writer", 3, "next", false, "40-0", 1); return "40-0" },
		"the end of the writer":            func(l *core.Lane[string]) string { l.Gone("writer"); return "30-0" },
	} {
		l := core.NewLane[string]("here", core.LaneConfig{Patience: time.Second, BacklogBytes: 100, BacklogAge: time.Second, LogLength: 10})
		l.Begin("0-0")
		l.Read("writer", 1, "first", false, "10-0", 1)
		l.Read("writer", 2, "lost", false, "20-0", 1)
		l.Forgotten(map[string]bool{"20-0": true})
		l.Read("other", 1, "new", false, "30-0", 1)
		recovered := func(offset string) bool {
			_, ok := l.Missed(core.Marks{}, offset, l.Log().End())
			return ok
		}
		if !recovered("10-0") || !recovered("20-0") {
			t.Errorf("%s: a client that lacks what is lost, or has it, is not recovered", name)
		}
		if recovered("30-0") {
			t.Errorf("%s: a client that may lack what is lost is recovered", name)
		}
		if nodes := l.Doubted(); len(nodes) != 1 || nodes[0] != "writer" {
			t.Errorf("%s: %q are doubted", name, nodes)
		}
		if behind := settle(l); !recovered(behind) || len(l.Doubted()) > 0 {
			t.Errorf("%s does not end the doubt", name)
		}
	}
}

// When the ids of a new primary are those of entries from before, nothing that is compared by them can be trusted: the log
// begins anew behind all of them.
func TestIDsThatGoBackEndTheLog(t *testing.T) {
	l := core.NewLane[string]("here", core.LaneConfig{Patience: time.Second, BacklogBytes: 100, BacklogAge: time.Second, LogLength: 10})
	l.Begin("0-0")
	l.Read("other", 1, "old", false, "10-0", 1)
	recovered := func(offset string) bool {
		_, ok := l.Missed(core.Marks{}, offset, l.Log().End())
		return ok
	}
	if !recovered("10-0") {
		t.Fatal("nobody is recovered before")
	}
	for i, id := range []string{"8-0", "9-0", "10-0"} {
		if out := l.Read("other", uint64(2+i), "new", false, id, 1); len(out) != 1 || out[0].ID != id {
			t.Errorf("%s: %+v", id, out)
		}
		if recovered("10-0") || recovered(id) {
			t.Errorf("somebody is recovered behind %s", id)
		}
	}
	l.Read("other", 5, "new", false, "11-0", 1)
	l.Read("other", 6, "new", false, "12-0", 1)
	if !recovered("11-0") || recovered("10-0") {
		t.Error("the log has not begun anew")
	}
}
