// Package report gathers the figures of all rounds and writes them: a table for
// people, JSON for programs, a picture for the documentation.
package report

import (
	"math"
	"slices"
	"time"

	"gatehouse/bench/measure"
	"gatehouse/bench/scenario"
)

// Report is the outcome of one comparison.
type Report struct {
	Date      time.Time      `json:"date"`
	Commit    string         `json:"commit"` // of the product
	Machine   Machine        `json:"machine"`
	Rounds    int            `json:"rounds"`
	Sizes     scenario.Sizes `json:"sizes"`
	Product   string         `json:"product"`   // the peer that has targets
	Reference string         `json:"reference"` // the peer that ratios refer to
	Peers     []Peer         `json:"peers"`
	Rows      []Row          `json:"rows"`
}

// Machine is where the figures come from.
type Machine struct {
	Processor string `json:"processor"`
	CPUs      int    `json:"cpus"`
	Kernel    string `json:"kernel"`
}

// Peer names one server of the comparison.
type Peer struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Aside is set for an entry that is no other server: a floor, or the
	// product itself in another setting.
	Aside bool `json:"aside,omitempty"`
}

// Row is one metric with the figures of all peers.
type Row struct {
	scenario.Metric
	Cells map[string]*Cell `json:"peers"` // by name
}

// Cell is what was measured of one metric at one peer.
type Cell struct {
	Rounds []float64 `json:"rounds"` // of the rounds that count
	Median float64   `json:"median"`
	Ratio  float64   `json:"ratio,omitempty"` // to the reference's median; 0: it has none
	Void   []string  `json:"void,omitempty"`  // why rounds do not count: one is enough to make the figure void
}

// Good says whether the cell has a figure that counts.
func (c *Cell) Good() bool { return c != nil && len(c.Void) == 0 && len(c.Rounds) > 0 }

// New makes a report without figures.
func New(product, reference string, peers []Peer, scenarios []scenario.Scenario) *Report {
	r := &Report{Product: product, Reference: reference, Peers: peers}
	for _, s := range scenarios {
		for _, m := range s.Metrics {
			m.Scenario = s.Name
			r.Rows = append(r.Rows, Row{Metric: m, Cells: map[string]*Cell{}})
		}
	}
	return r
}

// Add takes in one run of a scenario at a peer: its figures, or why it has none.
func (r *Report) Add(peer, scenario string, values scenario.Values, err error) {
	for _, row := range r.Rows {
		if row.Scenario != scenario {
			continue
		}
		c := row.Cells[peer]
		if c == nil {
			c = &Cell{}
			row.Cells[peer] = c
		}
		if err != nil {
			c.Void = append(c.Void, err.Error())
			continue
		}
		c.Rounds = append(c.Rounds, values[row.ID])
	}
}

// Finish works out the medians and ratios.
func (r *Report) Finish() {
	for _, row := range r.Rows {
		for _, c := range row.Cells {
			c.Median, c.Ratio = measure.Median(c.Rounds), 0
		}
		reference := row.Cells[r.Reference]
		if !reference.Good() || reference.Median == 0 {
			continue
		}
		for _, c := range row.Cells {
			if c.Good() {
				c.Ratio = c.Median / reference.Median
			}
		}
	}
}

// Verdict says whether the product keeps a row's targets: "pass", "miss", or ""
// for a row that has none, or none that can be held against a figure.
func (r *Report) Verdict(row Row) string {
	ours := row.Cells[r.Product]
	if ours == nil {
		return ""
	}
	judged, missed := row.Within > 0, row.Within > 0 && (!ours.Good() || ours.Median > row.Within)
	for _, t := range row.Targets {
		theirs := row.Cells[t.Peer]
		if ours.Good() && !theirs.Good() {
			continue
		}
		judged = true
		missed = missed || !ours.Good() || ours.Median > t.Ratio*theirs.Median
	}
	switch {
	case missed:
		return "miss"
	case judged:
		return "pass"
	default:
		return ""
	}
}

// Rival returns the best of the other peers in a row and the product's ratio to it.
// Floors are no peers, nor is the product in another setting. The ratio is 0 when
// there is nobody to compare with.
func (r *Report) Rival(row Row) (name string, ratio float64) {
	ours, best := row.Cells[r.Product], math.Inf(1)
	if !ours.Good() {
		return "", 0
	}
	for _, p := range r.Peers {
		c := row.Cells[p.Name]
		if p.Name == r.Product || p.Aside || !c.Good() || c.Median <= 0 || c.Median >= best {
			continue
		}
		name, best = p.Name, c.Median
	}
	if name == "" {
		return "", 0
	}
	return name, ours.Median / best
}

// Merge takes in the rounds of an earlier report of the same sizes.
func (r *Report) Merge(earlier *Report) {
	for _, p := range earlier.Peers {
		if !slices.ContainsFunc(r.Peers, func(q Peer) bool { return q.Name == p.Name }) {
			r.Peers = append(r.Peers, p)
		}
	}
	for _, old := range earlier.Rows {
		i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.ID == old.ID })
		if i < 0 {
			r.Rows = append(r.Rows, old)
			continue
		}
		for name, cell := range old.Cells {
			if c := r.Rows[i].Cells[name]; c != nil {
				c.Rounds = append(slices.Clone(cell.Rounds), c.Rounds...)
				c.Void = append(slices.Clone(cell.Void), c.Void...)
				continue
			}
			r.Rows[i].Cells[name] = cell
		}
	}
	r.Rounds += earlier.Rounds
	r.Finish()
}
