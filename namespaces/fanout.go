package namespaces

import (
	"context"
	"slices"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// Flags change how an operation is carried out.
type Flags uint8

const (
	// Volatile events are dropped for clients that are behind.
	Volatile Flags = 1 << iota
	// Local operations stay on this node.
	Local
)

// Selection names sockets: those in one of the rooms (all of the namespace when there are none), without those in one of
// the rooms of Except. A socket's id stands for a room of its own. A socket in several rooms counts once.
type Selection struct {
	Rooms  []string
	Except []string
	Flags  Flags
}

// Operation is a broadcast.
type Operation struct {
	Selection
	Packet packet.Packet
}

// Info describes a socket wherever it is.
type Info struct {
	ID       string
	Identity handshake.Identity
	Rooms    []string
}

// Answers are the acknowledgements of a broadcast.
type Answers struct {
	Acks    map[string]packet.Args // by socket id
	Missing []string               // ids of the sockets that did not answer: too late, or gone
}

// Adapter carries out what a namespace does to its sockets, on this node or on all. Every emit goes through it, and it gives
// each room its one order: two broadcasts to a room reach all its members in the same order. Its methods are safe for
// concurrent use; selections and packets are borrowed for the call, their slices and Args shared.
type Adapter interface {
	// Send queues a packet for one socket of this node.
	Send(s *Socket, p *packet.Packet, flags Flags) error
	// Broadcast queues a packet for all selected sockets.
	Broadcast(op *Operation) error
	// Request broadcasts a packet, which it gives an acknowledgement id, and waits for the answers until all are there or
	// ctx ends; then the error is ctx's and the answers are those that came.
	Request(ctx context.Context, op *Operation) (Answers, error)
	// Sockets describes the selected sockets.
	Sockets(ctx context.Context, sel *Selection) ([]Info, error)
	// Join, Leave and Disconnect do with all selected sockets what the methods of one do.
	Join(sel *Selection, rooms []string) error
	Leave(sel *Selection, rooms []string) error
	Disconnect(sel *Selection, closeTransport bool) error
}

// local is the adapter of one node.
type local struct{ ns *Namespace }

// Send implements Adapter.
func (l *local) Send(s *Socket, p *packet.Packet, flags Flags) error {
	return s.send(packet.Encode(p), flags)
}

// Broadcast implements Adapter.
func (l *local) Broadcast(op *Operation) error {
	frame := packet.Encode(&op.Packet)
	n := 0
	queue := func(s *Socket) {
		n++
		_ = s.conn.Send(frame) // fails only for a connection that has ended
	}
	if op.Flags&Volatile != 0 {
		queue = func(s *Socket) {
			n++
			s.conn.SendVolatile(frame)
		}
	}
	l.each(&op.Selection, queue)
	if o := l.ns.observer(); o != nil {
		o.Broadcasted(l.ns.name, op.Packet.Event, n)
	}
	return nil
}

// each visits the selected sockets, with their rooms locked: visit only queues.
func (l *local) each(sel *Selection, visit func(*Socket)) {
	if len(sel.Rooms) > 1 || len(sel.Except) > 1 {
		l.eachOf(sel, visit)
		return
	}
	var except *Socket
	if len(sel.Except) == 1 {
		if except = l.ns.sockets.find(sel.Except[0]); except == nil {
			l.eachOf(sel, visit)
			return
		}
	}
	r := l.ns.everyone
	if len(sel.Rooms) == 1 {
		r = l.ns.rooms.find(sel.Rooms[0])
		if s := l.ns.sockets.find(sel.Rooms[0]); s != nil && s != except {
			l.alone(s, r, visit)
		}
	}
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if m.socket != except {
			visit(m.socket)
		}
	}
}

// alone visits the one socket whose id was named, unless it is a member of the room of that name and will be visited as such.
func (l *local) alone(s *Socket, r *room, visit func(*Socket)) {
	if r != nil && s.Joined(r.name) {
		return
	}
	l.ns.everyone.mu.Lock() // nothing is visited that has left the index
	defer l.ns.everyone.mu.Unlock()
	if s.place.pos >= 0 {
		visit(s)
	}
}

// eachOf is each for several rooms or exceptions: all of them are locked at once, so that the broadcast has one place in the
// order of each.
func (l *local) eachOf(sel *Selection, visit func(*Socket)) {
	rooms, except := l.ns.existing(sel.Rooms), l.ns.existing(sel.Except)
	ids := l.ns.withIDs(sel.Rooms)
	if len(sel.Rooms) == 0 || len(ids) > 0 {
		except = append(except, l.ns.everyone) // locked for the sockets named by id; not an exception
	}
	locked := distinct(append(slices.Clone(rooms), except...))
	lockAll(locked)
	defer func() {
		for _, r := range locked {
			r.mu.Unlock()
		}
	}()
	seen := l.excluded(sel.Except, except)
	once := func(s *Socket) {
		if _, ok := seen[s]; !ok {
			seen[s] = struct{}{}
			visit(s)
		}
	}
	if len(sel.Rooms) == 0 {
		rooms = append(rooms, l.ns.everyone)
	}
	for _, r := range rooms {
		for _, m := range r.members {
			once(m.socket)
		}
	}
	for _, s := range ids {
		if s.place.pos >= 0 {
			once(s)
		}
	}
}

// excluded is the set of sockets that a selection leaves out. The rooms are locked.
func (l *local) excluded(names []string, rooms []*room) map[*Socket]struct{} {
	out := make(map[*Socket]struct{})
	for _, r := range rooms {
		if r == l.ns.everyone {
			continue
		}
		for _, m := range r.members {
			out[m.socket] = struct{}{}
		}
	}
	for _, s := range l.ns.withIDs(names) {
		out[s] = struct{}{}
	}
	return out
}

// existing returns the rooms of these names that there are.
func (ns *Namespace) existing(names []string) []*room {
	rooms := make([]*room, 0, len(names)+2)
	for _, name := range names {
		if r := ns.rooms.find(name); r != nil {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// withIDs returns the sockets whose id is one of these names.
func (ns *Namespace) withIDs(names []string) []*Socket {
	var sockets []*Socket
	for _, name := range names {
		if s := ns.sockets.find(name); s != nil {
			sockets = append(sockets, s)
		}
	}
	return sockets
}

// distinct returns the rooms without repetitions.
func distinct(rooms []*room) []*room {
	seen := make(map[*room]bool, len(rooms))
	return slices.DeleteFunc(rooms, func(r *room) bool {
		again := seen[r]
		seen[r] = true
		return again
	})
}

// selected collects the sockets of a selection, for what must not happen under the rooms' locks.
func (l *local) selected(sel *Selection) []*Socket {
	var sockets []*Socket
	l.each(sel, func(s *Socket) { sockets = append(sockets, s) })
	return sockets
}

// Sockets implements Adapter.
func (l *local) Sockets(_ context.Context, sel *Selection) ([]Info, error) {
	sockets := l.selected(sel)
	infos := make([]Info, len(sockets))
	for i, s := range sockets {
		infos[i] = Info{ID: s.id, Identity: s.Identity(), Rooms: s.Rooms()}
	}
	return infos, nil
}

// Join implements Adapter. Sockets that end meanwhile or are in too many rooms do not join.
func (l *local) Join(sel *Selection, rooms []string) error {
	for _, s := range l.selected(sel) {
		_ = s.Join(rooms...)
	}
	return nil
}

// Leave implements Adapter.
func (l *local) Leave(sel *Selection, rooms []string) error {
	for _, s := range l.selected(sel) {
		s.Leave(rooms...)
	}
	return nil
}

// Disconnect implements Adapter.
func (l *local) Disconnect(sel *Selection, closeTransport bool) error {
	for _, s := range l.selected(sel) {
		s.Disconnect(closeTransport)
	}
	return nil
}
