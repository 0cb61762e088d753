package report_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/bench/report"
	"gatehouse/bench/scenario"
)

var errVoid = errors.New("of 10 deliveries 1 lost")

// measured is a report in which the product's figures are ours and the peers' are
// as given.
func measured(ours, node, uws float64, err error) *report.Report {
	peers := []report.Peer{{Name: "ours", Title: "Ours"}, {Name: "node", Title: "Node"}, {Name: "uws", Title: "uWS"}, {Name: "floor", Title: "Floor", Aside: true}}
	r := report.New("ours", "node", peers, []scenario.Scenario{{Name: "paced", Metrics: []scenario.Metric{
		{ID: "paced_us", Title: "paced", Unit: "µs"}, {ID: "paced_ms", Title: "latency", Unit: "ms"},
	}}})
	add := func(peer string, v float64, err error) {
		r.Add(peer, "paced", scenario.Values{"paced_us": v, "paced_ms": v}, err)
	}
	add("ours", ours, err)
	add("node", node, nil)
	add("uws", uws, nil)
	add("floor", 1, nil)
	r.Rounds = 1
	r.Finish()
	return r
}

func TestAPlantedRegressionIsFoundInItsRow(t *testing.T) {
	earlier := measured(5, 10, 8, nil)
	for _, tt := range []struct {
		name string
		now  *report.Report
		want []string // the rows that regressed
	}{
		{"as before", measured(5, 10, 8, nil), nil},
		{"a machine half as fast", measured(10, 20, 16, nil), nil},
		{"within the tolerance", measured(6, 10, 8, nil), nil},
		{"half as much again", measured(7.5, 10, 8, nil), []string{"paced_us"}},
		{"twice as much", measured(10, 10, 8, nil), []string{"paced_us", "paced_ms"}},
		{"one peer had a good run", measured(5, 5, 8, nil), nil},
		{"a message lost", measured(5, 10, 8, errVoid), []string{"paced_us", "paced_ms"}},
		{"faster", measured(2, 10, 8, nil), nil},
	} {
		var got []string
		for _, g := range tt.now.Check(earlier) {
			got = append(got, g.Row.ID)
		}
		if strings.Join(got, " ") != strings.Join(tt.want, " ") {
			t.Errorf("%s: regressions in %v, want %v: %v", tt.name, got, tt.want, tt.now.Check(earlier))
		}
	}
}

func TestARegressionSaysWhatItIs(t *testing.T) {
	all := measured(10, 10, 8, nil).Check(measured(5, 10, 8, nil))
	const want = "paced_us: 1.00× node where it was 0.50×, which is 2.00 times as much; 1.25 is allowed"
	if len(all) != 2 || all[0].String() != want {
		t.Errorf("says %v, want %s", all, want)
	}
}

func TestTheBestOtherServerIsNoFloor(t *testing.T) {
	r := measured(5, 10, 8, nil)
	if name, ratio := r.Rival(r.Rows[0]); name != "uws" || ratio != 0.625 {
		t.Errorf("the best is %s at %v", name, ratio)
	}
}

func TestRoundsAreAddedToThoseOfAnEarlierReport(t *testing.T) {
	r := measured(5, 10, 8, nil)
	r.Merge(measured(7, 10, 8, nil))
	if c := r.Rows[0].Cells["ours"]; c.Median != 6 || len(c.Rounds) != 2 || r.Rounds != 2 {
		t.Errorf("median %v of %v in %d rounds", c.Median, c.Rounds, r.Rounds)
	}
	r.Merge(measured(7, 10, 8, errVoid))
	if r.Rows[0].Cells["ours"].Good() {
		t.Error("a void round of the earlier report is forgotten")
	}
}

func TestThePageKeepsItsProse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	page := "# Title\n\n<!-- figures: make bench writes what follows -->\nold\n<!-- end of the figures -->\n\nProse.\n"
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := measured(5, 10, 8, nil).WritePage(path); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# Title\n\n<!--", "| paced, µs | 5.00 (0.50×) | 10.0 (1.00×) | 8.00 (0.80×) | 0.62× uws |", "-->\n\nProse.\n"} {
		if strings.Count(string(text), want) != 1 {
			t.Errorf("not once %q in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("the figures before are still there:\n%s", text)
	}
	if err := os.WriteFile(path, []byte("# Title\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := measured(5, 10, 8, nil).WritePage(path); err == nil {
		t.Error("no error for a page without a place for figures")
	}
}
