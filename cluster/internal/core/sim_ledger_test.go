package core_test

import (
	"fmt"
	"slices"

	"gatehouse/cluster/internal/core"
)

// ledger compares the events of a run with the promises.
type ledger struct {
	ops       []*op
	at        map[*op]int                 // when it was published
	got       map[*node][]*op             // carried out, in order
	gaps      map[*node]map[number]bool   // what a node was told it has missed
	first     map[*node]map[string]uint64 // the first number that a node has read of another
	open      map[string]int              // questions, with their deadline
	complaint []string
	lastAsk   []string
	moves     moves
}

// moves counts changes of rooms, and those that a recovery elsewhere has undone before they were stored and told.
type moves struct{ entered, left, unentered, unleft int }

func (m *moves) add(n moves) {
	m.entered, m.left = m.entered+n.entered, m.left+n.left
	m.unentered, m.unleft = m.unentered+n.unentered, m.unleft+n.unleft
}

// number names an operation as entries do.
type number struct {
	node string
	seq  uint64
}

func newLedger() *ledger {
	return &ledger{
		at: make(map[*op]int), got: make(map[*node][]*op), gaps: make(map[*node]map[number]bool),
		first: make(map[*node]map[string]uint64), open: make(map[string]int),
	}
}

func (l *ledger) published(w *world, o *op) { l.ops = append(l.ops, o); l.at[o] = w.now }

func (l *ledger) delivered(n *node, o *op) { l.got[n] = append(l.got[n], o) }

// told notes what a node was told that it misses.
func (l *ledger) told(n *node, of string, from, to uint64) (gap []number) {
	if l.gaps[n] == nil {
		l.gaps[n] = make(map[number]bool)
	}
	for seq := from; seq <= to; seq++ {
		l.gaps[n][number{of, seq}] = true
		gap = append(gap, number{of, seq})
	}
	return gap
}

// before notes an entry that was there before the node.
func (l *ledger) before(n *node, e entry) {
	if l.first[n] == nil {
		l.first[n] = make(map[string]uint64)
	}
	l.first[n][e.node] = max(l.first[n][e.node], e.seq+1)
}

func (l *ledger) read(n *node, e entry) {
	if l.first[n] == nil {
		l.first[n] = make(map[string]uint64)
	}
	if _, known := l.first[n][e.node]; !known {
		l.first[n][e.node] = e.seq
	}
}

func (l *ledger) lost(entries []entry) {
	for _, e := range entries {
		if e.op != nil {
			e.op.lost = true
		}
	}
}

func (l *ledger) asked(w *world, id string) { l.open[id] = w.now + int(asking.Milliseconds()) }

func (l *ledger) settled(w *world, s core.Settled) {
	// A paused node cannot say anything; it does so with its next tick.
	if deadline, ok := l.open[s.ID]; ok && w.now > deadline+tick && !l.anyPause(w) {
		l.complain("question %s was settled at %d, its deadline was %d", s.ID, w.now, deadline)
	}
	delete(l.open, s.ID)
	if slices.Contains(l.lastAsk, s.ID) && len(s.Lost) > 0 {
		l.complain("question %s, with everybody there, was not answered by %v", s.ID, s.Lost)
	}
}

func (l *ledger) anyPause(w *world) bool {
	return slices.ContainsFunc(w.script.steps, func(s step) bool { return s.verb == "pause" })
}

// quietAsk asks a question on every node when everything has worked for a while.
func (l *ledger) quietAsk(w *world) {
	w.after(quiet/2, func() {
		for _, n := range w.live {
			if n.alive {
				l.lastAsk = append(l.lastAsk, n.ask())
			}
		}
	})
}

func (l *ledger) complain(format string, args ...any) {
	l.complaint = append(l.complaint, fmt.Sprintf(format, args...))
}

// check returns all broken promises.
func (l *ledger) check(w *world) []string {
	for _, n := range w.nodes {
		l.once(n)
		l.inTurn(n)
		if n.alive {
			l.nothingMissing(w, n)
			l.nothingLeft(w, n)
		}
	}
	for i, n := range w.nodes {
		for _, m := range w.nodes[i+1:] {
			l.oneOrder(n, m)
		}
	}
	for _, c := range w.people {
		l.accounted(w, c)
	}
	return l.complaint
}

// once: nothing is carried out twice.
func (l *ledger) once(n *node) {
	seen := make(map[*op]bool)
	for _, o := range l.got[n] {
		if seen[o] {
			l.complain("%s carried %v out twice", n.name, o)
		}
		seen[o] = true
	}
}

// inTurn: every node carries out the operations of a node in that node's order; the node itself also its direct emits.
func (l *ledger) inTurn(n *node) {
	last := make(map[*node]*op)
	for _, o := range l.got[n] {
		if before := last[o.node]; before != nil && before.number > o.number {
			l.complain("%s carried out %v after %v", n.name, o, before)
		}
		last[o.node] = o
	}
}

// oneOrder: two nodes see one order, except operations that a node did alone, and operations that a failover lost after
// some had seen them.
func (l *ledger) oneOrder(n, m *node) {
	place := make(map[*op]int)
	for i, o := range l.got[m] {
		place[o] = i
	}
	last := -1
	var before *op
	for _, o := range l.got[n] {
		i, both := place[o]
		if !both || o.alone || o.lost {
			continue
		}
		if i < last {
			l.complain("%s saw %v before %v, %s the other way round", n.name, before, o, m.name)
		}
		last, before = i, o
	}
}

// nothingMissing: an operation that is in the stream, or of a living node, was carried out or reported missing by every
// node that had heard of its node before.
func (l *ledger) nothingMissing(w *world, n *node) {
	got := make(map[*op]bool)
	for _, o := range l.got[n] {
		got[o] = true
	}
	kept := make(map[*op]bool)
	for _, e := range w.broker.entries {
		if e.op != nil {
			kept[e.op] = true
		}
	}
	for _, o := range l.ops {
		if got[o] || !o.node.alive && !kept[o] || o.direct && o.node != n {
			continue
		}
		if o.node == n {
			l.complain("%s did not carry out its own %v", n.name, o)
			continue
		}
		first, heard := l.first[n][o.node.name]
		if !heard && l.at[o] > n.started+int(gone.Milliseconds()) || heard && o.seq >= first && !l.gaps[n][number{o.node.name, o.seq}] {
			l.complain("%s misses %v, number %d, and was not told", n.name, o, o.seq)
		}
	}
}

// nothingLeft: once everything works again, nothing waits, no node is alone, and exactly the living nodes are there.
func (l *ledger) nothingLeft(w *world, n *node) {
	if ops, bytes := n.lane.Backlog(); ops > 0 || bytes > 0 || n.lane.IsAlone() {
		l.complain("%s has %d operations of %d bytes left, alone: %t", n.name, ops, bytes, n.lane.IsAlone())
	}
	var others []string
	for _, m := range w.live {
		if m != n && m.alive {
			others = append(others, m.name)
		}
	}
	slices.Sort(others)
	if there := n.members.Nodes(); !slices.Equal(there, others) {
		l.complain("%s believes in %v, there are %v", n.name, there, others)
	}
	for id := range l.open {
		if n.questions.Open(id) {
			l.complain("question %s is still open", id)
		}
	}
}
