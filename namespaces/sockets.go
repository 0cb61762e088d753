package namespaces

import "iter"

// All iterates over the connected sockets of this node, under no lock and without a list of them. A socket that comes or goes
// meanwhile may be left out, or have ended.
func (ns *Namespace) All() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		for _, s := range ns.sockets.all() {
			if s.present() && !yield(s) {
				return
			}
		}
	}
}

// Rooms iterates over the rooms that have a member on this node and the number of their members here. Socket ids are not
// among them. A room that comes or goes meanwhile may be left out.
func (ns *Namespace) Rooms() iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		for name, r := range ns.rooms.byName.all() {
			r.mu.Lock()
			n := len(r.members)
			r.mu.Unlock()
			if n > 0 && !yield(name, n) {
				return
			}
		}
	}
}

// All iterates over the selected sockets of this node, as they are when it begins. Those of other nodes are described by
// [Broadcast.Sockets].
func (b Broadcast) All() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		for _, s := range (Local{b.ns}).present(b.selection()) {
			if !yield(s) {
				return
			}
		}
	}
}
