package core

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Log holds the latest operations that a node has read from a stream, each once, in the order in which it carried them
// out. A node that takes a session over finds the operations that the client has missed in it. A Log is no copy of the
// stream: only on reading can entries that were written again, or that replace lost ones, be told apart, by their
// numbers.
//
// A Log is not safe for concurrent use.
type Log[B any] struct {
	most, mostBytes int
	items           []Kept[B]
	bytes           int
	gone            int // items that were dropped since the beginning
	doubts          []doubt
	floor           string // the id of the last dropped item; everything behind it is there
}

// Kept is an operation in a log, or a mark, which has no Body.
type Kept[B any] struct {
	ID   string // of its entry in the stream
	Node string
	Seq  uint64 // 0 without a number
	Body B
	size int
}

// doubt is about operations of a node that Redis has lost. A client that goes on behind one of them has also got the
// earlier ones. A client that goes on behind a later entry may have missed them without knowing, until its node has
// read the next operation of their node, which shows the gap.
type doubt struct {
	node       string
	begin, end int // the first entry behind the lost ones, and the next one of the node; 0 while there is none
}

// doubtful reports whether a node that has carried out the operations before the next one may have missed those that
// Redis has lost.
func (l *Log[B]) doubtful(next int) bool {
	return slices.ContainsFunc(l.doubts, func(d doubt) bool { return d.begin < next && (d.end == 0 || next <= d.end) })
}

// Doubted returns the nodes whose lost operations others may lack without knowing, or may be written again.
func (l *Lane[B]) Doubted() (nodes []string) {
	nodes = slices.Collect(maps.Keys(l.unsettled))
	if l.log != nil {
		for _, d := range l.log.doubts {
			if d.end == 0 && !slices.Contains(nodes, d.node) {
				nodes = append(nodes, d.node)
			}
		}
	}
	return nodes
}

// Gone tells that a node is gone: it neither writes its lost operations again, nor shows anybody that they are missing.
func (l *Lane[B]) Gone(node string) {
	delete(l.unsettled, node)
	if l.log != nil {
		l.log.doubts = slices.DeleteFunc(l.log.doubts, func(d doubt) bool { return d.node == node && d.end == 0 })
	}
}

// settle notes the next operation of a node, which is about to be added.
func (l *Log[B]) settle(node string) {
	l.doubts = slices.DeleteFunc(l.doubts, func(d doubt) bool { return d.end > 0 && d.end < l.gone })
	for i := range l.doubts {
		if d := &l.doubts[i]; d.node == node && d.end == 0 {
			d.end = l.End()
		}
	}
}

// add appends an operation and drops the oldest above the limits.
func (l *Log[B]) add(k Kept[B]) {
	l.settle(k.Node)
	l.items = append(l.items, k)
	l.bytes += k.size
	n := 0
	for n < len(l.items) && (len(l.items)-n > l.most || l.bytes > l.mostBytes) {
		l.bytes -= l.items[n].size
		n++
	}
	if n > 0 {
		l.floor = l.items[n-1].ID
		l.gone += n
		clear(l.items[:n]) // append moves the rest to a new array when this one is full
		l.items = l.items[n:]
	}
}

// cut forgets everything, because an operation is missing after the end.
func (l *Log[B]) cut() {
	l.gone += len(l.items)
	l.items, l.bytes, l.floor = nil, 0, nowhere
}

// nowhere is not an id; no operation is known behind it.
const nowhere = "?"

// lose returns the operations of the entries with these ids, which are the newest. From now on it is doubtful whether
// other nodes have them.
func (l *Log[B]) lose(ids map[string]bool) []Kept[B] {
	i := len(l.items)
	for i > 0 && ids[l.items[i-1].ID] {
		i--
	}
	for _, k := range l.items[i:] {
		open := func(d doubt) bool { return d.node == k.Node && d.end == 0 }
		if k.Node != "" && !slices.ContainsFunc(l.doubts, open) {
			l.doubts = append(l.doubts, doubt{node: k.Node, begin: l.End()})
		}
	}
	return l.items[i:]
}

// End names the end of the log as it is now.
func (l *Log[B]) End() int { return l.gone + len(l.items) }

// behind returns the index of the first operation behind an entry, and that entry's operation; nil when it is the last one
// that was dropped. It returns false when the entry is not known, or not all later ones are kept.
func (l *Log[B]) behind(id string) (next int, at *Kept[B], ok bool) {
	for i := len(l.items) - 1; i >= 0; i-- {
		if l.items[i].ID == id {
			return l.gone + i + 1, &l.items[i], true
		}
	}
	return l.gone, nil, id == l.floor
}

// Marks say how far a session has been sent its operations: a client that has got everything up to the offset Base has
// got all operations up to the place BaseAt. The same holds for Last and Place. The record of its rooms is complete
// from the place Floor on.
type Marks struct{ Base, BaseAt, Last, Place, Floor string }

// Missed says where the operations that a client has missed begin in a log.
type Missed[B any] struct {
	Log   []Kept[B] // the log, from where it matters for the session
	Start string    // the place that the offset means
	At    *Kept[B]  // the operation that the offset names, unless the marks know it
	next  int       // the index of the first one in Log behind Start
}

// Has reports whether the client has got the i-th operation of Log, provided it was for the client.
func (m *Missed[B]) Has(i int) bool { return i < m.next || m.Log[i].Before(m.Start) }

// Missed finds the operations behind an offset, up to an end of the log. It returns false when they are not known any more, and
// when some that the client has got are still to come here.
func (l *Lane[B]) Missed(m Marks, offset string, end int) (out Missed[B], ok bool) {
	out, ok = l.log.missed(m, offset, end)
	return out, ok && !l.comes(out.Start)
}

func (l *Log[B]) missed(m Marks, offset string, end int) (out Missed[B], ok bool) {
	out.Start = offset
	switch {
	case m.Place != "" && offset == m.Last:
		out.Start = m.Place
	case offset == m.Base:
		out.Start = m.BaseAt
	}
	from, at, ok := l.behind(entryOf(out.Start))
	if !ok || l.doubtful(from) || m.Floor != "" && Compare(out.Start, m.Floor) < 0 {
		return out, false
	}
	if out.Start == offset {
		out.At = at
	}
	first := from
	if place, _, known := l.behind(entryOf(m.Place)); known {
		first = min(first, place)
	}
	out.next = from - first
	out.Log, ok = l.between(first, end)
	return out, ok
}

// between returns the operations from a place on up to an end. It returns false when some of them are not kept any more.
func (l *Log[B]) between(next, end int) ([]Kept[B], bool) {
	if next < l.gone {
		return nil, false
	}
	return slices.Clone(l.items[next-l.gone : max(next, end)-l.gone]), true
}

// Compare compares two ids of a stream: milliseconds, a dash and a count. Of a place it takes the id of the entry.
func Compare(a, b string) int {
	ams, acount := placeOf(a)
	bms, bcount := placeOf(b)
	return cmp.Or(cmp.Compare(ams, bms), cmp.Compare(acount, bcount))
}

// IsPlace reports whether a text is an id of a stream.
func IsPlace(id string) bool {
	head, tail, ok := strings.Cut(id, "-")
	return ok && head != "" && tail != "" && strings.Trim(head+tail, "0123456789") == ""
}

// placeOf reads an id of a stream.
func placeOf(id string) (ms, count uint64) {
	head, tail, _ := strings.Cut(entryOf(id), "-")
	ms, _ = strconv.ParseUint(head, 10, 64)
	count, _ = strconv.ParseUint(tail, 10, 64)
	return ms, count
}

// Forgotten tells, for a new connection that reads, which entries Redis has lost, see [Trail], and returns their
// operations. Nodes that have not read those back write them again, after other entries. Until that is over nothing is
// steady.
func (l *Lane[B]) Forgotten(ids map[string]bool) (lost []B) {
	if l.log == nil {
		return nil
	}
	for _, k := range l.log.lose(ids) {
		lost = append(lost, k.Body)
		if k.Node == "" || k.Node == l.self {
			continue
		}
		if l.unsettled == nil {
			l.unsettled = make(map[string]uint64)
		}
		l.unsettled[k.Node] = k.Seq
	}
	return lost
}
