package core_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// visit holds the promises for one session.
type visit struct {
	id      string
	sent    []*op
	got     []*op
	stays   map[string]*promise
	nodes   map[*node]bool  // that have had it
	gaps    map[number]bool // what its client was told that it may lack
	excused bool            // a failover has lost what it was told
}

// promise is a session's promise for one room, or for its own names: the client gets exactly the operations that are carried
// out between entry and leaving, whenever they were published.
type promise struct {
	past map[*op]bool    // was carried out before
	gone map[number]bool // was known to be missing before
	told bool            // the client knows that it is in
	left bool
	had  map[*op]bool // was carried out before it left
	open map[*op]bool // it is not known whether the session was in the room when this was carried out
	over bool         // the client knows that it has left

	undone bool // by a recovery elsewhere
}

// enter notes the operations that a node has carried out in a room when a session enters it.
func (v *visit) enter(n *node, room string) *promise {
	p := &promise{past: n.carriedOut(room), gone: maps.Clone(n.w.ledger.gaps[n])}
	v.stays[room] = p
	return p
}

// leave notes the operations of a room, carried out on this node or sent by nodes before it, when a session leaves it. It
// makes no promise about operations of an earlier absence that the broker was never told of.
func (v *visit) leave(n *node, room string) *promise {
	p, done := v.stays[room], n.carriedOut(room)
	if p.left {
		p.open = done
	} else {
		p.left, p.had = true, done
	}
	for _, o := range v.sent {
		p.had[o] = true
	}
	for o := range p.had {
		if o.alone { // sent before it was in the stream: it may be lost on its way, and come back when the client has left
			delete(p.had, o)
			p.doubt(o)
		}
	}
	return p
}

// doubt notes an operation of which it is not known whether it was carried out while the session was in the room.
func (p *promise) doubt(o *op) {
	if p.open == nil {
		p.open = make(map[*op]bool)
	}
	p.open[o] = true
}

// undone counts the last changes of a session at another node that are lost: its client has not been told of them either.
func (v *visit) undone(w *world, rooms map[string]string) {
	for room, p := range v.stays {
		_, in := rooms[room]
		switch {
		case p.undone || room == v.id || strings.HasPrefix(room, "@"): // counted, or always in
		case in && p.left && !p.over:
			p.undone = true
			w.ledger.moves.unleft++
		case !in && !p.left && !p.told:
			p.undone = true
			w.ledger.moves.unentered++
		}
	}
}

func (n *node) carriedOut(room string) map[*op]bool {
	done := make(map[*op]bool)
	for _, o := range n.w.ledger.got[n] {
		if o.room == room {
			done[o] = true
		}
	}
	return done
}

// arrive notes the place of a node.
func (n *node) arrive(place string) {
	if n.w.plant == "early" { // operations that it has carried out alone count as not carried out
		place, _, _ = strings.Cut(place, " ")
	}
	n.at = place
}

// placeOfEntry is the place from which on a socket is in a room that it enters.
func (n *node) placeOfEntry() string {
	if n.w.plant == "late" { // what the node has published counts as carried out
		return fmt.Sprintf("%s %s:%d", n.at, n.name, n.published)
	}
	return n.at
}

// accounted: a client got exactly its operations, each once and in the order of each node. Exceptions are that the
// client was told that it is not recovered, or that its node was told that something is missing.
func (l *ledger) accounted(w *world, c *client) {
	if !slices.ContainsFunc(w.live, func(n *node) bool { return n.alive }) {
		return
	}
	if c.visit == nil || c.socket == nil {
		l.complain("%s is nowhere", c.name)
		return
	}
	v := c.visit
	l.oneOwner(w, v)
	got, last := make(map[*op]bool), make(map[*node]int)
	for _, o := range v.got {
		p := v.stays[o.room]
		switch {
		case got[o]:
			l.complain("%s got %v twice", v.id, o)
		case p == nil:
			l.complain("%s got %v of a room that it was not in", v.id, o)
		case p.past[o] && !o.lost: // a lost one comes to some nodes later
			l.complain("%s got %v, which was carried out before it was in %q", v.id, o, o.room)
		case p.over && !p.had[o] && !p.open[o] && !v.excused:
			l.complain("%s got %v, and had left %q before", v.id, o, o.room)
		case o.number < last[o.node]:
			l.complain("%s got %v late", v.id, o)
		}
		got[o], last[o.node] = true, o.number
	}
	kept := make(map[*op]bool)
	for _, e := range w.broker.entries {
		kept[e.op] = true
	}
	for _, o := range l.ops {
		p := v.stays[o.room]
		if p == nil || !p.told || p.past[o] || p.left && !p.had[o] || got[o] || v.excused {
			continue
		}
		if (o.node.alive || kept[o]) && !p.gone[number{o.node.name, o.seq}] && !l.missing(v, o) {
			l.complain("%s misses %v of %q, published at %d, and was not told", v.id, o, o.room, l.at[o])
		}
	}
}

// oneOwner: once everything works again, each session has one node.
func (l *ledger) oneOwner(w *world, v *visit) {
	var owners []string
	for _, n := range w.live {
		if n.alive && n.sockets[v.id] != nil {
			owners = append(owners, n.name)
		}
	}
	if len(owners) > 1 {
		l.complain("%s is at %q", v.id, owners)
	}
}

// missing reports whether the client of a session was told that it may lack an operation, or nobody could know.
func (l *ledger) missing(v *visit, o *op) bool {
	for n := range v.nodes {
		if first, heard := l.first[n][o.node.name]; n != o.node && (!heard || o.seq < first) {
			return true
		}
	}
	return v.gaps[number{o.node.name, o.seq}]
}
