package core_test

import (
	"fmt"
	"maps"
	"slices"

	"gatehouse/cluster/internal/core"
)

// send sends an operation to the sockets in its room, or keeps it for them.
func (n *node) send(o core.Output[*op]) {
	if o.Body.direct {
		return
	}
	offset := o.ID
	if !o.Steady {
		n.apart++
		offset = fmt.Sprintf("%s!%d", n.name, n.apart)
	}
	for _, id := range slices.Sorted(maps.Keys(n.sockets)) {
		s := n.sockets[id]
		if n.reaches(s, o.Body) {
			s.tail, s.last = append(s.tail, sent{o.Body, offset}), offset
			n.write(s, o.Body, offset)
		}
	}
}

// reaches reports whether an operation that is carried out now is for a socket.
func (n *node) reaches(s *socket, o *op) bool {
	if o.gap != nil {
		return o.node == n || n.w.plant != "late-local" && s.was(o)
	}
	_, in := s.rooms[o.room]
	return in || s.named(o.room)
}

// write sends an operation to a client. It is lost when it is under way as the connection breaks.
func (n *node) write(s *socket, o *op, offset string) {
	c := s.client
	if try := c.tries; c.socket == s {
		if o.gap == nil {
			s.visit.sent = append(s.visit.sent, o)
		}
		n.link("to "+c.name, func() {
			switch {
			case c.socket != s || c.tries != try:
				return
			case o.gap == nil:
				s.visit.got = append(s.visit.got, o)
			}
			for _, missing := range o.gap {
				s.visit.gaps[missing] = true
			}
			c.offset = offset
		})
	}
}

// was reports whether a socket was still at another node when that told its sockets of a gap.
func (s *socket) was(o *op) bool {
	return slices.ContainsFunc(s.been, func(b been) bool { return b.node == o.node.name && core.Compare(b.until, o.read) > 0 })
}
