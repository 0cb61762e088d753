package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gatehouse/bench/measure"
)

// The targets: how many times as much a delivery may cost on several nodes as on
// one, how many operations of a node a broadcast may take on Redis, and how long a
// request that is handed over may take at p99.
const (
	ratioLimit = 1.3
	callsLimit = 1.0
	hopLimit   = time.Millisecond
)

// spare is what the calls of a broadcast may be over the target: what nodes ask by
// themselves comes at moments of its own and can't be taken off to the last call.
const spare = 0.05

// Markdown returns the figures as a table, each the median of the rounds.
func (f *Figures) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s members of one room | one node | %d nodes and Redis | ratio | target | |\n|---|---|---|---|---|---|\n",
		thousands(f.Sizes.Members), f.Sizes.Nodes)
	one, several := f.One, f.Several
	f.compared(&b, "burst, CPU of all nodes per delivery, µs", one.Burst, several.Burst, perDelivery, ratioLimit)
	f.compared(&b, fmt.Sprintf("%d a second, CPU of all nodes per delivery, µs", f.Sizes.Rate), one.Paced, several.Paced, perDelivery, ratioLimit)
	f.compared(&b, "burst, deliveries per second of a core", one.Burst, several.Burst, perCore, 0)
	f.compared(&b, fmt.Sprintf("%d a second, median latency, ms", f.Sizes.Rate), one.Paced, several.Paced, p50, 0)
	f.compared(&b, fmt.Sprintf("%d a second, p99 latency, ms", f.Sizes.Rate), one.Paced, several.Paced, p99, 0)
	calls := median(several.Burst, callsOf("evalsha"))
	row(&b, "burst, operations on Redis per broadcast: the script that keeps and sends it", "", number(calls), "", "1", verdict(calls <= callsLimit+spare))
	row(&b, "... entries that it writes (`XADD`)", "", number(median(several.Burst, callsOf("xadd"))), "", "", "")
	row(&b, "... reads of all nodes (`XREAD`)", "", number(median(several.Burst, callsOf("xread"))), "", "", "")
	row(&b, "burst, CPU of Redis per broadcast, µs", "", number(median(several.Burst, redisEach)), "", "", "")
	row(&b, fmt.Sprintf("%d a second, CPU of Redis per broadcast, µs", f.Sizes.Rate), "", number(median(several.Paced, redisEach)), "", "", "")
	f.hops(&b)
	row(&b, "until a node more listens, ms", "", number(ms(f.Join.Took)), "", "", "")
	row(&b, "... highest lag of the others meanwhile, ms", "", number(ms(f.Join.Lag)), "", "", "")
	row(&b, "... p99 latency of their members, ms", "", number(ms(f.Join.Run.P99)), "", "", "")
	row(&b, "... highest latency of their members, ms", "", number(ms(f.Join.Run.Max)), "", "", "")
	return b.String()
}

// hops are the rows of requests by long-polling: served by the session's node, and
// handed over by another.
func (f *Figures) hops(b *strings.Builder) {
	for _, p := range []int{50, 99} {
		direct := time.Duration(measure.Percentile(slices.Clone(f.Direct), p))
		handed := time.Duration(measure.Percentile(slices.Clone(f.Handed), p))
		target, kept := "", ""
		if p == 99 {
			target, kept = "≤ "+number(ms(hopLimit)), verdict(handed <= hopLimit)
		}
		row(b, fmt.Sprintf("a request at its node, and handed over by another, p%d, ms", p),
			number(ms(direct)), number(ms(handed)), ratio(float64(handed)/float64(direct)), target, kept)
	}
}

// compared is a row of one node beside several. A limit of 0 is none.
func (f *Figures) compared(b *strings.Builder, title string, one, several []Section, of func(Section) float64, limit float64) {
	x, y := median(one, of), median(several, of)
	target, kept := "", ""
	if limit > 0 {
		target, kept = fmt.Sprintf("≤ %.1f×", limit), verdict(y/x <= limit)
	}
	row(b, title, number(x), number(y), ratio(y/x), target, kept)
}

func row(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func median(sections []Section, of func(Section) float64) float64 {
	values := make([]float64, 0, len(sections))
	for _, s := range sections {
		values = append(values, of(s))
	}
	return measure.Median(values)
}

func perDelivery(s Section) float64 {
	return float64(s.CPU.Nanoseconds()) / 1e3 / float64(s.Deliveries)
}
func perCore(s Section) float64   { return float64(s.Deliveries) / s.CPU.Seconds() }
func p50(s Section) float64       { return ms(s.P50) }
func p99(s Section) float64       { return ms(s.P99) }
func redisEach(s Section) float64 { return float64(s.Redis.Nanoseconds()) / 1e3 / float64(s.Messages) }

// callsOf returns how often a command is carried out per broadcast.
func callsOf(command string) func(Section) float64 {
	return func(s Section) float64 { return float64(s.Calls[command]) / float64(s.Messages) }
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func ratio(x float64) string { return fmt.Sprintf("%.2f×", x) }

// number returns three digits that count, or all of those before the point.
func number(x float64) string {
	switch {
	case x >= 1000:
		return thousands(int(x + 0.5))
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

func verdict(holds bool) string {
	if holds {
		return "holds"
	}
	return "missed"
}
