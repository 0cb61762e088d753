// Package report gathers the figures of all rounds and writes them: a table for
// people, JSON for programs, a picture for the documentation.
package report

import (
	"time"

	"gatehouse/bench/measure"
	"gatehouse/bench/scenario"
)

// Report is the outcome of one comparison.
type Report struct {
	Date      time.Time      `json:"date"`
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
			c.Median = measure.Median(c.Rounds)
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

// Verdict says how the product stands to a row's target: "pass", "miss", or ""
// where there is no target or nothing to hold against it.
func (r *Report) Verdict(row Row) string {
	c := row.Cells[r.Product]
	var met bool
	switch {
	case row.Target == 0 && row.Within == 0, c == nil:
		return ""
	case len(c.Void) > 0:
		return "miss"
	case row.Within > 0:
		met = c.Median <= row.Within
	case c.Ratio == 0:
		return ""
	default:
		met = c.Ratio <= row.Target
	}
	if met {
		return "pass"
	}
	return "miss"
}
