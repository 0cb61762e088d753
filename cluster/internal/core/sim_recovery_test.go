package core_test

import (
	"fmt"
	"maps"
	"slices"

	"gatehouse/cluster/internal/core"
)

// lookUp finds the session of a client that comes to a node, here or at the broker.
func (n *node) lookUp(c *client, current func(func()) func()) {
	here := n.sockets[c.visit.id]
	if n.lane.IsAlone() || !n.w.broker.up {
		n.resume(c, here)
		return
	}
	n.link("ask", func() {
		found := n.w.broker.records[c.visit.id]
		n.link("answer", current(func() {
			here := n.sockets[c.visit.id]
			switch {
			case here != nil && (found == nil || found.owner == here.owner):
				if found != nil && here.named {
					here.former, here.owner, here.named = here.owner, n.owner(), false
				}
				n.resume(c, here)
			case found == nil || found.owner == over:
				n.admit(c)
			default:
				n.take(c, found, current)
			}
		}))
	})
}

// resume goes on with a session of this node; without one the client is a new one.
func (n *node) resume(c *client, s *socket) {
	if s == nil {
		n.admit(c)
		return
	}
	from := 0
	if c.offset != s.base || len(s.tail) > 0 {
		from = slices.IndexFunc(s.tail, func(m sent) bool { return m.offset == c.offset }) + 1
	}
	if from == 0 && c.offset != s.base {
		n.end(s)
		n.admit(c)
		return
	}
	c.socket = s
	n.w.note("%s goes on at %s", c.name, n.name)
	for _, m := range s.tail[from:] {
		c.hear(s, m.op, m.offset)
	}
	n.keep(s, true)
}

// take takes a session over at the broker, and goes on with it when all that stands before that has been read.
func (n *node) take(c *client, found *record, current func(func()) func()) {
	owner := n.owner()
	n.link("ask", func() {
		now := n.w.broker.records[c.visit.id]
		if !n.w.broker.up || now == nil || now.owner == over || now.owner != found.owner && n.w.plant != "owners" {
			n.link("answer", current(func() { n.admit(c) }))
			return
		}
		taken := &record{owner, now.rooms, now.marks}
		if n.w.plant != "owners" {
			n.w.write(c.visit.id, taken)
		}
		place := fmt.Sprintf("%d-0", n.w.broker.placed+1)
		n.awaited[place] = current(func() { n.replay(c, taken, now.owner) })
		if n.w.plant == "owners" {
			n.awaited[place] = nil
			n.link("answer", current(func() { n.replay(c, taken, now.owner) }))
			return
		}
		n.w.append(n.name, 0, &op{node: n, taken: c.visit.id}, false)
	})
}

// replay goes on with a session of another node, with what its client has missed, or lets it in as a new one.
func (n *node) replay(c *client, r *record, former string) {
	log := n.lane.Log()
	missed, ok := log.Missed(r.marks, c.offset, log.End())
	in := func(k *core.Kept[*op]) bool {
		o := k.Body
		from, in := "", false
		if o != nil && o.session == nil && o.taken == "" {
			from, in = r.rooms[o.room]
		}
		return in && core.Compare(k.ID, from) > 0
	}
	if !ok || n.lane.IsAhead() || missed.At != nil && !in(missed.At) {
		n.admit(c)
		return
	}
	s := &socket{
		id: c.visit.id, client: c, visit: c.visit, rooms: maps.Clone(r.rooms), base: c.offset, baseAt: missed.Start, owner: r.owner,
		former: former, named: true, stored: true, last: c.offset,
	}
	n.sockets[s.id], c.socket = s, s
	c.visit.nodes[n] = true
	n.w.note("%s is recovered at %s", c.name, n.name)
	next := missed.Next
	if n.w.plant == "shifted" {
		next = min(next+1, len(missed.Log))
	}
	for i := next; i < len(missed.Log); i++ {
		if k := &missed.Log[i]; in(k) {
			s.tail, s.last = append(s.tail, sent{k.Body, k.ID}), k.ID
			c.hear(s, k.Body, k.ID)
		}
	}
	n.keep(s, true)
}

// accounted: what a client was sent in a room that it was told to be in it got once, in the order of each node, unless it was told
// that it is not recovered, or its node that something is missing.
func (l *ledger) accounted(w *world, c *client) {
	if !slices.ContainsFunc(w.live, func(n *node) bool { return n.alive }) {
		return
	}
	if c.visit == nil || c.socket == nil {
		l.complain("%s is nowhere", c.name)
		return
	}
	got, last := make(map[*op]bool), make(map[*node]int)
	for _, o := range c.visit.got {
		if got[o] {
			l.complain("%s got %v twice", c.visit.id, o)
		}
		if !c.visit.entered[o.room] {
			l.complain("%s got %v of a room that it is not in", c.visit.id, o)
		}
		if o.number < last[o.node] {
			l.complain("%s got %v late", c.visit.id, o)
		}
		got[o], last[o.node] = true, o.number
	}
	kept := make(map[*op]bool)
	for _, e := range w.broker.entries {
		kept[e.op] = true
	}
	for _, o := range l.ops {
		since, in := c.visit.since[o.room]
		if in && since < l.at[o] && !got[o] && !c.visit.excused && (o.node.alive || kept[o]) && !l.missing(c.visit, o) {
			l.complain("%s misses %v of %q, published at %d, and was not told", c.visit.id, o, o.room, l.at[o])
		}
	}
}

// missing reports whether a node of a session has been told that it misses an operation, or cannot know.
func (l *ledger) missing(v *visit, o *op) bool {
	for n := range v.nodes {
		first, heard := l.first[n][o.node.name]
		if n != o.node && (!heard || o.seq < first || l.gaps[n][number{o.node.name, o.seq}]) {
			return true
		}
	}
	return false
}
