package report

import (
	"fmt"
	"math"
	"strings"
)

// Regression is a row in which the product is worse than it was.
type Regression struct {
	Row   Row
	Cause string // what it was and what it is
}

func (g Regression) String() string { return g.Row.ID + ": " + g.Cause }

// How much worse a ratio may be, by the row's unit: figures of processor time and
// memory move by a tenth from run to run, latencies by a third, and of a few
// rounds the median moves nearly as much.
const (
	costTolerance    = 1.25
	latencyTolerance = 1.75
)

// Tolerance returns the highest factor by which a row's ratio may have grown.
func Tolerance(row Row) float64 {
	if row.Unit == "ms" {
		return latencyTolerance
	}
	return costTolerance
}

// Check holds the product's ratios to the other servers against those of an
// earlier report. In a row the peer to which the ratio has grown least counts, so
// that a peer that had a good run makes no regression; a figure that is void now
// and was not is one. Rows that either report does not have are left out.
func (r *Report) Check(earlier *Report) []Regression {
	var all []Regression
	for _, row := range r.Rows {
		for _, before := range earlier.Rows {
			if before.ID != row.ID {
				continue
			}
			if cause := r.worse(row, before); cause != "" {
				all = append(all, Regression{row, cause})
			}
		}
	}
	return all
}

// worse says how a row is worse than before; "" when it is not.
func (r *Report) worse(row, before Row) string {
	ours, was := row.Cells[r.Product], before.Cells[r.Product]
	if ours == nil || !was.Good() || was.Median <= 0 {
		return ""
	}
	if !ours.Good() {
		return "void: " + oneLine(strings.Join(ours.Void, "; "))
	}
	least, cause := math.Inf(1), ""
	for _, p := range r.Peers {
		theirs, were := row.Cells[p.Name], before.Cells[p.Name]
		if p.Name == r.Product || p.Aside || !theirs.Good() || !were.Good() || theirs.Median <= 0 || were.Median <= 0 {
			continue
		}
		now, then := ours.Median/theirs.Median, was.Median/were.Median
		if growth := now / then; growth < least {
			least, cause = growth, fmt.Sprintf("%.2f× %s where it was %.2f×, which is %.2f times as much; %.2f is allowed",
				now, p.Name, then, growth, Tolerance(row))
		}
	}
	if math.IsInf(least, 1) || least <= Tolerance(row) {
		return ""
	}
	return cause
}
