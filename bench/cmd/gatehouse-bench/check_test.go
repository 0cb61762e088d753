package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/bench/report"
	"gatehouse/bench/scenario"
)

var paced = scenario.Scenario{Name: "paced", Metrics: []scenario.Metric{{ID: "paced_us", Title: "paced", Unit: "µs"}}}

// measured is a report of one round in which the product has the figure and Node 10.
func measured(figure float64) *report.Report {
	r := report.New("gatehouse", "node", []report.Peer{{Name: "gatehouse"}, {Name: "node"}}, []scenario.Scenario{paced})
	r.Add("gatehouse", "paced", scenario.Values{"paced_us": figure}, nil)
	r.Add("node", "paced", scenario.Values{"paced_us": 10}, nil)
	r.Rounds = 1
	r.Finish()
	return r
}

func TestTheCheckFailsWithTheRowThatRegressed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.json")
	text, err := json.Marshal(measured(5))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	earlier, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &comparison{scenarios: []scenario.Scenario{paced}, progress: io.Discard, now: time.Now}
	var out bytes.Buffer
	if err := c.checked(t.Context(), measured(5.5), earlier, &out); err != nil {
		t.Errorf("within the tolerance: %v\n%s", err, &out)
	}
	out.Reset()
	r := measured(8) // the planted regression
	if err := c.checked(t.Context(), r, earlier, &out); !errors.Is(err, errRegressed) {
		t.Errorf("error %v, want %v", err, errRegressed)
	}
	if !strings.Contains(out.String(), "regressed: paced_us: 0.80× node where it was 0.50×") {
		t.Errorf("does not say what regressed:\n%s", &out)
	}
	if r.Rounds != 1+appeals {
		t.Errorf("%d rounds, want the one and %d more for the row that seemed worse", r.Rounds, appeals)
	}
}

func TestAPartOfTheComparisonIsNotWritten(t *testing.T) {
	for args, whole := range map[string]bool{
		"": true, "-rounds 1": true, "-peers gatehouse": false, "-scenarios paced": false, "-tls": false, "-quick": false,
	} {
		o, err := parse(strings.Fields(args), io.Discard)
		if err != nil || o.whole() != whole {
			t.Errorf("%q: whole %t (%v), want %t", args, o.whole(), err, whole)
		}
	}
}
