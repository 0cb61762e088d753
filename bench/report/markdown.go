package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The lines between which a page has the figures.
const (
	figuresBegin = "<!-- figures: make bench writes what follows -->\n"
	figuresEnd   = "<!-- end of the figures -->\n"
)

var errNoPlace = errors.New("the page has no place for the figures")

// WritePage puts the figures into the Markdown page at path, in the place that it
// has for them. The rest of the page stays.
func (r *Report) WritePage(path string) error {
	return WriteFigures(path, figuresBegin, r.Markdown())
}

// WriteFigures puts text into the Markdown page at path, between the line begin and
// the line that ends figures. The rest of the page stays.
func WriteFigures(path, begin, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	before, rest, begun := bytes.Cut(page, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(figuresEnd))
	if !begun || !ended {
		return fmt.Errorf("%w: %s", errNoPlace, path)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(begin + "\n")
	b.WriteString(text)
	b.WriteString("\n" + figuresEnd)
	b.Write(after)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil { // a page to be read
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

// Markdown returns the figures as a table for servers, one for the floors and the
// product's other settings, and one for what was under TLS, with what is void.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, commit `%s`, %d processors (%s, Linux %s), median of %d rounds. In brackets: the ratio to %s.\n",
		r.Date.Format("2006-01-02"), r.Commit, r.Machine.CPUs, r.Machine.Processor, r.Machine.Kernel, r.Rounds, r.title(r.Reference))
	plain := func(row Row) bool { return !secure(row) }
	r.markdownTable(&b, plain, func(p Peer) bool { return !p.Aside }, 1)
	r.markdownTable(&b, plain, func(p Peer) bool { return p.Aside || p.Name == r.Product }, 2)
	r.markdownTable(&b, secure, func(Peer) bool { return true }, 1)
	b.WriteString("\n")
	_ = r.voids(&b) // a Builder takes everything
	return b.String()
}

func secure(row Row) bool { return strings.HasPrefix(row.Scenario, "tls-") }

// markdownTable writes the rows and peers that belong to a table: rows in which so
// many of its peers have a figure.
func (r *Report) markdownTable(b *strings.Builder, rows func(Row) bool, peers func(Peer) bool, least int) {
	var lines []Row
	for _, row := range r.Rows {
		if rows(row) && r.known(row, peers) >= least {
			lines = append(lines, row)
		}
	}
	var columns []Peer
	for _, p := range r.Peers {
		if peers(p) && r.present(lines, p) {
			columns = append(columns, p)
		}
	}
	if len(lines) == 0 {
		return
	}
	b.WriteString("\n| |")
	for _, p := range columns {
		b.WriteString(" " + p.Title + " |")
	}
	b.WriteString(" to the best other | target | |\n|---|" + strings.Repeat("---|", len(columns)+3) + "\n")
	for _, row := range lines {
		fmt.Fprintf(b, "| %s, %s |", row.Title, row.Unit)
		for _, p := range columns {
			fmt.Fprintf(b, " %s |", row.Cells[p.Name])
		}
		fmt.Fprintf(b, " %s | %s | %s |\n", r.best(row), limit(row), kept[r.Verdict(row)])
	}
}

// kept says in words of a page what a verdict is.
var kept = map[string]string{"pass": "holds", "miss": "missed", "": ""}

// known counts the peers that have a figure, or a void, in a row.
func (r *Report) known(row Row, peers func(Peer) bool) int {
	n := 0
	for _, p := range r.Peers {
		if peers(p) && row.Cells[p.Name] != nil {
			n++
		}
	}
	return n
}

func (r *Report) present(rows []Row, p Peer) bool {
	for _, row := range rows {
		if row.Cells[p.Name] != nil {
			return true
		}
	}
	return false
}
