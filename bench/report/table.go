package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Table writes the report for people: a row a metric, a column a peer with its
// median and, in brackets, its ratio to the reference; below it what is void.
func (r *Report) Table(w io.Writer) error {
	fmt.Fprintf(w, "%s · %s, %d CPUs, Linux %s · median of %d rounds · × is the ratio to %s\n\n",
		r.Date.Format("2006-01-02 15:04"), r.Machine.Processor, r.Machine.CPUs, r.Machine.Kernel, r.Rounds, r.Reference)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"figure", "unit"}
	for _, p := range r.Peers {
		head = append(head, p.Name)
	}
	head = append(head, "to the best")
	if r.judged() {
		head = append(head, "target", "")
	}
	fmt.Fprintln(tw, strings.Join(append(head, ""), "\t"))
	for _, row := range r.Rows {
		fmt.Fprintln(tw, strings.Join(r.line(row), "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	return r.voids(w)
}

func (r *Report) line(row Row) []string {
	line := []string{row.Title, row.Unit}
	for _, p := range r.Peers {
		line = append(line, row.Cells[p.Name].String())
	}
	line = append(line, r.best(row))
	if r.judged() {
		line = append(line, limit(row), r.Verdict(row))
	}
	return append(line, "")
}

// judged says whether any row has a target.
func (r *Report) judged() bool {
	return slices.ContainsFunc(r.Rows, func(row Row) bool { return limit(row) != "" })
}

// limit names the targets of a row.
func limit(row Row) string {
	var all []string
	for _, t := range row.Targets {
		all = append(all, fmt.Sprintf("≤ %.2f× %s", t.Ratio, t.Peer))
	}
	if row.Within > 0 {
		all = append(all, "≤ "+figure(row.Within))
	}
	return strings.Join(all, ", ")
}

// best says how the product stands to the best of the other servers.
func (r *Report) best(row Row) string {
	name, ratio := r.Rival(row)
	if ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f× %s", ratio, name)
}

// String returns the median with its ratio, "void", or a dash.
func (c *Cell) String() string {
	switch {
	case c == nil:
		return "–"
	case len(c.Void) > 0:
		return "void"
	case c.Ratio > 0:
		return fmt.Sprintf("%s (%.2f×)", figure(c.Median), c.Ratio)
	default:
		return figure(c.Median)
	}
}

// figure returns three significant digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// voids says why figures do not count, once a scenario and peer.
func (r *Report) voids(w io.Writer) error {
	var said []string
	for _, row := range r.Rows {
		for _, p := range r.Peers {
			c := row.Cells[p.Name]
			if c == nil || len(c.Void) == 0 {
				continue
			}
			note := fmt.Sprintf("void: %s of %s: %d rounds; %s", row.Scenario, p.Name, len(c.Void), oneLine(c.Void[0]))
			if !slices.Contains(said, note) {
				said = append(said, note)
			}
		}
	}
	if len(said) == 0 {
		_, err := fmt.Fprintln(w, "\nNo message was lost, duplicated or out of order in any run.")
		return err
	}
	_, err := fmt.Fprintln(w, "\n"+strings.Join(said, "\n"))
	return err
}

func oneLine(text string) string {
	line := strings.Join(strings.Fields(text), " ")
	return line[:min(len(line), 300)]
}
