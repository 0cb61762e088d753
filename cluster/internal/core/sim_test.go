package core_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"gatehouse/cluster/internal/core"
)

var (
	seeds  = flag.Uint64("seeds", 1000, "how many seeds are simulated")
	seed   = flag.Uint64("seed", 0, "the first of them")
	replay = flag.String("script", "", "a file with the steps of a run, simulated in place of the seeds")
)

// A thousand runs, each with its faults, keep every promise.
func TestSimulationKeepsEveryPromise(t *testing.T) {
	if *replay != "" {
		text, err := os.ReadFile(*replay)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScript(string(text))
		if err != nil {
			t.Fatal(err)
		}
		w, complaints := run(s, "")
		t.Logf("%s\n%s", w.log.String(), strings.Join(complaints, "\n"))
		return
	}
	n := *seeds
	if testing.Short() {
		n = min(n, 100)
	}
	var all moves
	for i := range n {
		s := generate(*seed + i)
		w, complaints := run(s, "")
		all.add(w.ledger.moves)
		if len(complaints) > 0 {
			t.Fatalf("seed %d:\n%s\n\nthe steps, to be edited and run again with -script:\n%s\nwhat happened:\n%s",
				s.seed, strings.Join(complaints, "\n"), s, w.log.String())
		}
	}
	t.Logf("of %d entries into rooms %d were undone by a recovery elsewhere before they were told, of %d leavings %d",
		all.entered, all.unentered, all.left, all.unleft)
}

// A run is the same every time, and so is one that was printed and read.
func TestARunReplaysToTheByte(t *testing.T) {
	for i := range uint64(20) {
		s := generate(i)
		again, err := parseScript(s.String())
		if err != nil {
			t.Fatal(err)
		}
		one, _ := run(s, "")
		two, _ := run(again, "")
		if one.log.String() != two.log.String() || one.log.Len() == 0 {
			t.Fatalf("seed %d ran differently the second time", i)
		}
	}
}

// The simulation finds faults: each fault that is planted into a node shows within a thousand seeds.
func TestPlantedFaultsAreFound(t *testing.T) {
	for _, plant := range []string{
		"lost", "repeated", "reordered", "ghost", "leak", "unstored", "shifted", "owners",
		"unsent", "untold", "unaddressed", "early", "late", "left", "unaware", "late-local",
	} {
		found := false
		for i := uint64(0); i < 1000 && !found; i++ {
			_, complaints := run(generate(i), plant)
			found = len(complaints) > 0
			if found {
				t.Logf("%s is found with seed %d: %s", plant, i, complaints[0])
			}
		}
		if !found {
			t.Errorf("%s is not found", plant)
		}
	}
}

// times says how often a node carries out an output: once, except with planted faults.
func (w *world) times(o core.Output[*op]) int {
	if o.Body.direct && w.plant == "unsent" && w.chance("plant", 100) == 0 {
		return 0
	}
	if o.Own || w.chance("plant", 100) != 0 {
		return 1
	}
	switch w.plant {
	case "lost":
		return 0
	case "repeated":
		return 2
	default:
		return 1
	}
}

// disorder changes a batch of entries that a node reads, if that fault is planted.
func (w *world) disorder(batch []entry) []entry {
	if w.plant == "reordered" && len(batch) > 1 && batch[0].node != batch[1].node && w.chance("plant", 10) == 0 {
		batch[0], batch[1] = batch[1], batch[0]
	}
	return batch
}
