package core_test

import (
	"testing"

	"gatehouse/cluster/internal/core"
)

// A place that comes with a session is text from outside: an invalid one means nothing.
func TestWhatHadBeenCarriedOutAtAPlace(t *testing.T) {
	k := core.Kept[string]{ID: "7-1", Node: "n1", Seq: 5}
	for place, want := range map[string]bool{
		"": false, "7-0": false, "7-1": true, "8-0": true, "6-0 n1:5": true, "6-0 n2:9 n1:6": true, "6-0 n1:4": false, "6-0 n2:9": false,
		" n1:5": true, "6-0 n1": false, "6-0 n1:x": false, "6-0 n1:-1": false, "6-0  n1:5": true, "6-0 :5": false,
	} {
		if got := k.Before(place); got != want {
			t.Errorf("%q: %t", place, got)
		}
	}
	if foreign := (core.Kept[string]{ID: "7-1"}); foreign.Before("6-0 :0") {
		t.Error("an entry without a number is one of no node")
	}
	for _, c := range [][3]string{{"6-0", "7-0", "7-0"}, {"6-0 n1:5", "7-0", "7-0 n1:5"}, {"7-0 n1:5", "6-0", "7-0 n1:5"}, {"", "7-0", "7-0"}} {
		if got := core.Further(c[0], c[1]); got != c[2] {
			t.Errorf("%q further to %q is %q", c[0], c[1], got)
		}
	}
}
