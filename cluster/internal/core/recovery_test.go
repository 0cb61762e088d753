package core_test

import (
	"strings"
	"testing"
	"time"

	"gatehouse/cluster/internal/core"
)

// An operation that a node has carried out alone has its place in the stream when it comes back. Until then a session
// that comes would miss it; from then on a client that got the operation has also got the entry in that place.
func TestWhatWasCarriedOutAloneHasItsPlaceWhenItComesBack(t *testing.T) {
	l := core.NewLane[string]("here", core.LaneConfig{Patience: time.Second, BacklogBytes: 100, BacklogAge: time.Minute, LogLength: 10})
	now := time.UnixMilli(0)
	l.Publish(now, "op", 1)
	if l.IsAhead() {
		t.Error("an operation that waits is ahead")
	}
	l.Tick(now.Add(2 * time.Second))
	if !l.IsAhead() {
		t.Error("an operation that was carried out alone is not ahead")
	}
	out := l.Read("here", 1, "", false, "7-0", 1)
	if last := out[len(out)-1]; last.Do != core.Passed || last.ID != "7-0" || l.IsAhead() {
		t.Errorf("%+v, ahead %t", out, l.IsAhead())
	}
}

// Most clients of the simulation that come back are recovered, many at other nodes.
func TestMostClientsOfTheSimulationAreRecovered(t *testing.T) {
	anew, here, there := 0, 0, 0
	for i := range uint64(50) {
		w, _ := run(generate(i), "")
		anew += strings.Count(w.log.String(), " is c")
		here += strings.Count(w.log.String(), " goes on at ")
		there += strings.Count(w.log.String(), " is recovered at ")
	}
	t.Logf("%d as new ones, %d at their node, %d at another", anew, here, there)
	if anew -= 50 * 3; there < 2*anew || here == 0 {
		t.Errorf("%d came back as new ones, %d at their node, %d at another", anew, here, there)
	}
}
