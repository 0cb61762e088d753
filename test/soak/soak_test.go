package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNothingIsLostInTrouble is the short form of the soak. A failure says the
// seed of its run.
func TestNothingIsLostInTrouble(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "gatehouse")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", binary, "gatehouse/cmd/gatehouse").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	o := options{duration: 12 * time.Second, seed: uint64(time.Now().UnixNano()), members: 30, rooms: 4, binary: binary}
	if err := run(t.Context(), o, t.Output()); err != nil {
		t.Fatalf("seed %d: %v", o.seed, err)
	}
}

// sees is a track that gets a stay.
func (t *track) sees(test *testing.T, since id, complete bool, history []id, live ...id) {
	test.Helper()
	var answered []message
	for _, n := range history {
		answered = append(answered, message{ID: formatID(n)})
	}
	t.begin()
	if err := t.joined(since, answered, complete); err != nil {
		test.Fatal(err)
	}
	for _, n := range live {
		if err := t.came(message{ID: formatID(n)}); err != nil {
			test.Fatal(err)
		}
	}
	t.end()
}

func TestTheLedgerSeesWhatIsMissing(t *testing.T) {
	witness := &track{member: "witness", room: "r"}
	witness.sees(t, 0, true, nil, 1, 2, 3, 4, 5, 6, 7, 8)
	for name, c := range map[string]struct {
		see  func(*track)
		want int
	}{
		"everything":            {func(m *track) { m.sees(t, 0, true, []id{1, 2}, 3, 4, 5) }, 0},
		"a gap while connected": {func(m *track) { m.sees(t, 0, true, nil, 2, 3, 5, 6) }, 1},
		"two gaps":              {func(m *track) { m.sees(t, 0, true, []id{1, 3}, 6) }, 2},
		"the history closes the gap": {func(m *track) {
			m.sees(t, 0, true, nil, 1, 2)
			m.sees(t, 2, true, []id{3, 4}, 5)
		}, 0},
		"the history should have": {func(m *track) {
			m.sees(t, 0, true, nil, 1, 2)
			m.sees(t, 2, true, []id{4}, 5)
		}, 1},
		"the history says that it cannot": {func(m *track) {
			m.sees(t, 0, true, nil, 1, 2)
			m.sees(t, 2, false, []id{4}, 5)
		}, 0},
		"the first live message is missing": {func(m *track) { m.sees(t, 0, true, []id{1}, 3) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			m := &track{member: "m", room: "r"}
			c.see(m)
			var l ledger
			l.collect([]*track{witness, m})
			l.check(m)
			if l.wrong != c.want {
				t.Errorf("%d faults, want %d: %q", l.wrong, c.want, l.faults)
			}
		})
	}
}

func TestATrackSeesRepetitionsAndAnotherOrder(t *testing.T) {
	for _, bad := range [][]id{{1, 1}, {2, 1}, {1, 2, 3, 2}} {
		m := &track{member: "m", room: "r"}
		m.begin()
		err := m.joined(0, nil, true)
		for _, n := range bad {
			if err == nil {
				err = m.came(message{ID: formatID(n)})
			}
		}
		if err == nil {
			t.Errorf("%v passed", bad)
		}
	}
	if (&track{}).came(message{ID: formatID(1)}) == nil {
		t.Error("a message without a stay passed")
	}
}

func TestTheLedgerHoldsSendersToTheirWord(t *testing.T) {
	life := func(n id) int { return int(n / 100) }
	for name, c := range map[string]struct {
		letters []*letter
		want    int
	}{
		"in order":                 {[]*letter{{acked: 1, ids: []id{1}}, {acked: 2, ids: []id{2}}}, 0},
		"sent twice in a life":     {[]*letter{{acked: 1, ids: []id{1, 2}}}, 1},
		"again after a restart":    {[]*letter{{acked: 101, ids: []id{1, 101}}}, 0},
		"out of order":             {[]*letter{{acked: 2, ids: []id{2}}, {acked: 1, ids: []id{1}}}, 1},
		"acknowledged and nowhere": {[]*letter{{acked: 50}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger{life: life, orders: map[string][]id{"": {1, 2, 101}}}
			l.checkLetters("m", c.letters)
			if l.wrong != c.want {
				t.Errorf("%d faults, want %d: %q", l.wrong, c.want, l.faults)
			}
		})
	}
}

func TestEveryFaultHasAName(t *testing.T) {
	seen := map[string]bool{}
	for f := range faults {
		seen[fmt.Sprint(f)] = true
	}
	if len(seen) != int(faults) {
		t.Errorf("%d names for %d faults", len(seen), faults)
	}
}
