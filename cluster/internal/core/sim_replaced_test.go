package core_test

import (
	"slices"
	"strings"
	"testing"
)

// When all nodes die at one moment and new ones come, the new ones read the stream back: no promise is broken, and
// hardly more clients are not recovered than when the nodes stay. Those are clients whose session was not stored yet.
func TestSimulationRecoversWhoseNodesHaveAllBeenReplaced(t *testing.T) {
	const each = 100 // seeds
	recovered := map[bool]int{}
	for _, replaced := range []bool{false, true} {
		for seed := range uint64(each) {
			s := withoutFaults(seed)
			for node := 1; replaced && node <= s.nodes; node++ {
				s.insert(step{busy / 2, node, "kill", "-"})
				s.insert(step{busy/2 + 500, node, "start", "-"})
			}
			w, complaints := run(s, "")
			if len(complaints) > 0 {
				t.Fatalf("seed %d:\n%s\n\nthe steps:\n%s\nwhat happened:\n%s", seed, strings.Join(complaints, "\n"), s, w.log.String())
			}
			for _, c := range w.people {
				if c.visits == 1 {
					recovered[replaced]++
				}
			}
		}
	}
	t.Logf("%d of %d clients are recovered where the nodes stay, %d where they are replaced", recovered[false], 3*each, recovered[true])
	if recovered[true] < recovered[false]*8/10 {
		t.Error("too many are not recovered where the nodes are replaced")
	}
}

// withoutFaults is the script of a seed without its faults.
func withoutFaults(seed uint64) script {
	s := generate(seed)
	s.steps = slices.DeleteFunc(s.steps, func(st step) bool {
		return !slices.Contains([]string{"emit", "direct", "burst", "ask", "drop", "back", "enter", "leave", "tell", "address"}, st.verb)
	})
	return s
}
