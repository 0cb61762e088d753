package core_test

import (
	"container/heap"
	"fmt"
	"strings"
	"time"

	"gatehouse/cluster/internal/core"
)

// world is one run: a clock that only events move, a broker, and nodes.
type world struct {
	script script
	now    int // milliseconds
	events events
	count  int // of events, which breaks ties
	drawn  map[string]uint64
	broker broker
	nodes  []*node // by number, from 1; a restarted node is appended as a new one
	live   []*node // what runs in each place of the script
	ledger *ledger
	people []*client
	plant  string // a planted fault, see plant_test
	log    strings.Builder
}

type event struct {
	at, order int
	do        func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any     { old := *e; x := old[len(old)-1]; *e = old[:len(old)-1]; return x }

// after runs a function after the given number of milliseconds.
func (w *world) after(ms int, do func()) {
	w.count++
	heap.Push(&w.events, event{w.now + ms, w.count, do})
}

// chance draws a number below n for a link. Links do not disturb each other's draws.
func (w *world) chance(link string, n int) int {
	w.drawn[link]++
	x := w.script.seed*0x100000001b3 ^ w.drawn[link]*0x9e3779b97f4a7c15
	for i := range len(link) {
		x = (x ^ uint64(link[i])) * 0x100000001b3
	}
	x ^= x >> 31
	x *= 0x9e3779b97f4a7c15
	return int((x >> 33) % uint64(n))
}

func (w *world) note(format string, args ...any) {
	fmt.Fprintf(&w.log, "%6d "+format+"\n", append([]any{w.now}, args...)...)
}

func (w *world) time() time.Time { return time.UnixMilli(int64(w.now)) }

// entry is one of the stream.
type entry struct {
	id   int
	node string
	seq  uint64
	op   *op
	mark bool
	// count of all that were ever added. The place that stands for the id elsewhere is made of it, so that no lost one comes
	// again; when the clock of a new primary is behind, only the trail may see one of those.
	count int
	place string
}

func (e entry) stamp() core.Stamp { return core.Stamp{ID: placeOf(e.id), Sum: uint64(e.count)} }

func placeOf(count int) string { return fmt.Sprintf("%d-0", count) }

// older returns the entries before an id, three at a time, the newest first.
func (w *world) older(id string) (page []core.Stamp, err error) {
	for i := len(w.broker.entries) - 1; i >= 0 && len(page) < 3; i-- {
		if s := w.broker.entries[i].stamp(); id == "" || core.Compare(s.ID, id) < 0 {
			page = append(page, s)
		}
	}
	return page, nil
}

// broker is Redis: a stream, and a channel that forgets. Its replica is a little behind it.
type broker struct {
	up         bool
	entries    []entry
	replicated int // how many entries are on the replica
	waiting    []func()
	placed     int
	records    map[string]*record // of sessions
	writes     []recordWrite
}

func (b *broker) last() int {
	if len(b.entries) == 0 {
		return 0
	}
	return b.entries[len(b.entries)-1].id
}

// add appends a batch as a whole, and answers the stores of sessions in it.
func (w *world) add(node string, batch []core.Written[*op], stores []store) (replies []int) {
	for _, st := range stores {
		replies = append(replies, w.store(st))
	}
	for _, o := range batch {
		w.append(node, o.Seq, o.Body, o.Mark)
	}
	return replies
}

// append appends an entry and returns its id.
func (w *world) append(node string, seq uint64, o *op, mark bool) string {
	w.broker.placed++
	e := entry{w.broker.last() + 1, node, seq, o, mark, w.broker.placed, placeOf(w.broker.placed)}
	w.broker.entries = append(w.broker.entries, e)
	n := len(w.broker.entries)
	w.after(1+w.chance("replica", 40), func() { w.broker.replicated = max(w.broker.replicated, min(n, len(w.broker.entries))) })
	w.wake()
	return e.place
}

// wake answers the readers that wait.
func (w *world) wake() {
	waiting := w.broker.waiting
	w.broker.waiting = nil
	for _, read := range waiting {
		read()
	}
}

// stop takes the broker away for a time. With a failover it comes back as its replica, which has not got everything.
func (w *world) stop(ms int, failover bool) {
	if !w.broker.up {
		return
	}
	w.broker.up = false
	for _, n := range w.live {
		n.cutWrite(ms + 1)
		n.cutRead(ms + 1)
		n.signal = false
	}
	if failover {
		lost := w.broker.entries[w.broker.replicated:]
		w.ledger.lost(lost)
		w.note("failover loses %d entries", len(lost))
		w.broker.entries = w.broker.entries[:w.broker.replicated]
		w.forgetRecords()
	}
	w.after(ms, func() {
		w.broker.up = true
		w.note("broker is back")
		for _, n := range w.live {
			n.signal = true
		}
		w.wake()
	})
}

// run plays the script and returns the broken promises.
func run(s script, plant string) (*world, []string) {
	w := &world{script: s, drawn: make(map[string]uint64), plant: plant, broker: broker{up: true, records: make(map[string]*record)}, ledger: newLedger()}
	for i := range s.nodes {
		w.live = append(w.live, w.start(i+1))
	}
	w.invite(3)
	for _, st := range s.steps {
		w.after(st.at, func() { w.play(st) })
	}
	w.after(busy, func() { w.ledger.quietAsk(w) })
	for len(w.events) > 0 && w.now < busy+quiet {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	return w, w.ledger.check(w)
}

// play does one step of the script. A step that makes no sense at that moment does nothing.
func (w *world) play(st step) {
	w.note("n%d %s %s", st.node, st.verb, st.arg)
	var ms int
	_, _ = fmt.Sscan(st.arg, &ms)
	if st.node == 0 {
		w.stop(ms, st.verb == "failover")
		return
	}
	if st.node > len(w.live) || w.playSession(st) {
		return
	}
	n := w.live[st.node-1]
	switch st.verb {
	case "start":
		if !n.alive {
			w.live[st.node-1] = w.start(st.node)
		}
	case "kill":
		n.kill()
	default:
		if n.alive {
			n.play(st, ms)
		}
	}
}
