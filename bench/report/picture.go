package report

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
)

// Measures of the picture, in its own units.
const (
	width     = 812
	labelEnd  = 250 // where names end
	barStart  = 262
	barRoom   = 420 // for a ratio of fullRatio
	barHeight = 13
	barGap    = 4
	groupGap  = 30
	fullRatio = 1.5 // wider bars are cut
	figureEnd = 800 // where figures end, beside the bars and the target's line
)

// style suits light and dark pages: the picture has no background of its own.
//
//nolint:misspell // CSS has its own spelling
const style = `
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 13px }
.note { fill: #57606a }
.bar { fill: #9aa4af } .reference { fill: #6e7781 } .product { fill: #0b7a75 }
.target { stroke: #b3261e; stroke-width: 2; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .note { fill: #9ea7b3 }
.bar { fill: #545d68 } .reference { fill: #7d8590 } .product { fill: #2cc5bd }
.target { stroke: #ff8a80 }
}
`

// picture is an SVG in the making.
type picture struct {
	bytes.Buffer
	y int
}

// Picture writes the metrics that have a target as bars, each server's ratio to the
// reference: an SVG for light and dark pages.
func (r *Report) Picture(w io.Writer) error {
	p := &picture{y: 46}
	for _, row := range r.Rows {
		if len(row.Targets) > 0 {
			r.group(p, row)
		}
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="Server cost as a ratio to %s"><style>%s</style>
<text class="title" x="8" y="20">Server cost as a ratio to %s (shorter is better)</text>
<text class="note" x="8" y="38">%s; dashed: a target of %s</text>
%s</svg>
`, width, p.y+8, html.EscapeString(r.Reference), style, html.EscapeString(r.title(r.Reference)),
		r.Date.Format("2 January 2006"), html.EscapeString(r.title(r.Product)), p.Bytes())
	return err
}

func (r *Report) title(name string) string {
	for _, p := range r.Peers {
		if p.Name == name {
			return p.Title
		}
	}
	return name
}

// group draws one metric: its name, a bar a peer, the target across them.
func (r *Report) group(p *picture, row Row) {
	p.y += groupGap - barGap
	p.text("title", 8, p.y-8, "start", fmt.Sprintf("%s, %s", row.Title, row.Unit))
	top := p.y
	for _, peer := range r.Peers {
		if row.Cells[peer.Name] == nil {
			continue // it has nothing for this
		}
		r.bar(p, peer, row.Cells[peer.Name])
		p.y += barHeight + barGap
	}
	for _, t := range row.Targets {
		c := row.Cells[t.Peer]
		if !c.Good() || c.Ratio == 0 {
			continue
		}
		x := barStart + math.Min(t.Ratio*c.Ratio, fullRatio)/fullRatio*barRoom
		fmt.Fprintf(p, `<line class="target" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", x, x, top-2, p.y-barGap+2)
	}
}

func (r *Report) bar(p *picture, peer Peer, c *Cell) {
	base := p.y + barHeight - 3
	p.text("", labelEnd, base, "end", peer.Title)
	if c == nil || !c.Good() || c.Ratio == 0 {
		p.text("note", barStart, base, "start", c.String())
		return
	}
	length := math.Min(c.Ratio, fullRatio) / fullRatio * barRoom
	fmt.Fprintf(p, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n",
		r.class(peer.Name), barStart, p.y, length, barHeight)
	p.text("note", figureEnd, base, "end", fmt.Sprintf("%.2f× · %s", c.Ratio, figure(c.Median)))
}

func (r *Report) class(peer string) string {
	switch peer {
	case r.Product:
		return "product"
	case r.Reference:
		return "reference"
	default:
		return "bar"
	}
}

func (p *picture) text(class string, x, y int, anchor, text string) {
	fmt.Fprintf(p, `<text class="%s" x="%d" y="%d" text-anchor="%s">%s</text>`+"\n", class, x, y, anchor, html.EscapeString(text))
}
