package report_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"gatehouse/bench/report"
	"gatehouse/bench/scenario"
)

var errLost = errors.New("of 10 deliveries 1 lost")

// compared returns a report of two rounds: ours is twice as cheap as the reference,
// third lost a message in one round.
func compared() *report.Report {
	peers := []report.Peer{{Name: "ours", Title: "Ours & more"}, {Name: "node", Title: "Node"}, {Name: "third", Title: "Third"}}
	r := report.New("ours", "node", peers, []scenario.Scenario{{Name: "burst", Metrics: []scenario.Metric{
		{ID: "strict", Title: "strict", Unit: "µs", Targets: []scenario.Target{{Peer: "node", Ratio: 0.4}}},
		{ID: "loose", Title: "loose", Unit: "µs", Targets: []scenario.Target{{Peer: "node", Ratio: 0.5}}},
		{ID: "flat", Title: "flat", Unit: "×", Within: 1.2},
		{ID: "free", Title: "free", Unit: "ms"},
	}}})
	ours := scenario.Values{"strict": 5, "loose": 5, "flat": 1.1, "free": 5}
	node := scenario.Values{"strict": 10, "loose": 10, "flat": 2, "free": 10}
	r.Add("ours", "burst", ours, nil)
	r.Add("node", "burst", node, nil)
	r.Add("third", "burst", node, nil)
	r.Add("ours", "burst", ours, nil)
	r.Add("node", "burst", node, nil)
	r.Add("third", "burst", nil, errLost)
	r.Finish()
	return r
}

func TestRatiosAreHeldAgainstTargets(t *testing.T) {
	r := compared()
	want := map[string]string{"strict": "miss", "loose": "pass", "flat": "pass", "free": ""}
	for _, row := range r.Rows {
		if got := r.Verdict(row); got != want[row.ID] {
			t.Errorf("%s: %q, want %q", row.ID, got, want[row.ID])
		}
		if got := row.Cells["ours"].Ratio; row.ID != "flat" && got != 0.5 {
			t.Errorf("%s: ratio %v, want 0.5", row.ID, got)
		}
	}
}

func TestOneVoidRoundMakesAFigureVoid(t *testing.T) {
	r := compared()
	for _, row := range r.Rows {
		if c := row.Cells["third"]; c.Good() || c.Ratio != 0 || c.String() != "void" {
			t.Errorf("%s: good %t, ratio %v, shown as %s", row.ID, c.Good(), c.Ratio, c)
		}
	}
}

func TestAVoidFigureOfTheProductMissesItsTarget(t *testing.T) {
	r := compared()
	r.Add("ours", "burst", nil, errLost)
	r.Finish()
	for _, row := range r.Rows {
		if got := r.Verdict(row); len(row.Targets) > 0 && got != "miss" {
			t.Errorf("%s: %q, want a miss", row.ID, got)
		}
	}
}

func TestTheTableSaysWhatIsVoidAndWhy(t *testing.T) {
	var b strings.Builder
	if err := compared().Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"5.00 (0.50×)", "10.0 (1.00×)", "0.50× node  ≤ 0.40× node  miss", "≤ 0.50× node  pass", "void: burst of third: 1 rounds; of 10 deliveries 1 lost"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestATableWithoutTargetsJudgesNothing(t *testing.T) {
	r := compared()
	for i := range r.Rows {
		r.Rows[i].Targets, r.Rows[i].Within = nil, 0
	}
	var b strings.Builder
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"target", "pass", "miss"} {
		if strings.Contains(b.String(), word) {
			t.Errorf("says %q in\n%s", word, b.String())
		}
	}
}

func TestThePictureIsWellFormed(t *testing.T) {
	var b strings.Builder
	if err := compared().Picture(&b); err != nil {
		t.Fatal(err)
	}
	d := xml.NewDecoder(strings.NewReader(b.String()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
	for _, want := range []string{"Ours &amp; more", "0.50× · 5.00", "void", `class="product"`, `class="target"`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
