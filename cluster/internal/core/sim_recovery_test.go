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
				if found != nil && here.owned {
					here.before, here.owner, here.owned = here.owner, n.owner(), false
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
		n.write(s, m.op, m.offset)
	}
	n.keep(s, true)
}

// take takes a session over at the broker, and goes on with it when all earlier entries have been read.
func (n *node) take(c *client, found *record, current func(func()) func()) {
	owner := n.owner()
	n.link("ask", func() {
		now := n.w.broker.records[c.visit.id]
		if !n.w.broker.up || now == nil || now.owner == over || now.owner != found.owner && n.w.plant != "owners" {
			n.link("answer", current(func() { n.admit(c) }))
			return
		}
		taken := &record{owner, now.holder, now.been, now.rooms, now.former, now.marks}
		if n.w.plant != "owners" {
			n.w.write(c.visit.id, taken)
		}
		place := fmt.Sprintf("%d-0", n.w.broker.placed+1)
		n.awaited[place] = current(func() { n.replay(c, taken, now.owner, place) })
		if n.w.plant == "owners" {
			n.awaited[place] = nil
			n.link("answer", current(func() { n.replay(c, taken, now.owner, place) }))
			return
		}
		n.w.append(n.name, 0, &op{node: n, taken: c.visit.id}, false)
	})
}

// replay goes on with a session of another node and sends what its client has missed, or admits the client as
// a new one.
func (n *node) replay(c *client, r *record, before, place string) {
	missed, ok := n.lane.Missed(r.marks, c.offset, n.lane.Log().End())
	s := &socket{
		id: c.visit.id, client: c, visit: c.visit, rooms: maps.Clone(r.rooms), former: slices.Clone(r.former), base: c.offset,
		baseAt: missed.Start, owner: r.owner, before: before, owned: true, stored: true, last: c.offset,
	}
	s.been = append(slices.Clone(r.been), been{nodeOf(before), place}, been{r.holder, place})
	if !ok || n.lane.IsAhead() || missed.At != nil && !n.wasIn(s, missed.At) {
		n.admit(c)
		return
	}
	n.sockets[s.id], c.socket = s, s
	c.visit.nodes[n] = true
	c.visit.undone(n.w, s.rooms)
	n.w.note("%s is recovered at %s", c.name, n.name)
	shift := n.w.plant == "shifted"
	for i := range missed.Log {
		if k := &missed.Log[i]; n.wasIn(s, k) && !missed.Has(i) {
			if shift {
				shift = false
				continue
			}
			s.tail, s.last = append(s.tail, sent{k.Body, k.ID}), k.ID
			n.write(s, k.Body, k.ID)
		}
	}
	n.keep(s, true)
}

// wasIn reports whether a socket was in the room of an operation when that was carried out.
func (n *node) wasIn(s *socket, k *core.Kept[*op]) bool {
	o := k.Body
	if o == nil || o.session != nil || o.taken != "" {
		return false
	}
	if o.gap != nil {
		return s.was(o)
	}
	if s.named(o.room) {
		return (n.w.plant != "untold" || o.room != s.id) && (n.w.plant != "unaddressed" || o.room == s.id)
	}
	if from, in := s.rooms[o.room]; in && !k.Before(from) {
		return true
	}
	return slices.ContainsFunc(s.former, func(was stay) bool {
		return was.room == o.room && !k.Before(was.from) &&
			(k.Before(was.to) || core.IsPlace(was.sent) && core.Compare(k.ID, was.sent) <= 0)
	})
}
