package namespaces

import (
	"context"
	"iter"
	"slices"

	"gatehouse/packet"
)

// Broadcast is a selection of sockets and what can be done with them. It is a value: each method that narrows or widens it
// returns another one. It is safe for concurrent use.
//
// Rooms add to each other: In("a").In("b") is everybody in a or in b, once. Without a room it is the whole namespace.
type Broadcast struct {
	ns     *Namespace
	from   *Socket         // the socket that caused the broadcast; a socket that began it gets it only when nothing else is named
	within context.Context // the context of Within; nil without
	toSelf bool            // nothing else has been named
	sel    Selection
}

// In selects the sockets in the rooms.
func (ns *Namespace) In(rooms ...string) Broadcast { return Broadcast{ns: ns}.In(rooms...) }

// To is In.
func (ns *Namespace) To(rooms ...string) Broadcast { return ns.In(rooms...) }

// Except selects all sockets that are in none of the rooms.
func (ns *Namespace) Except(rooms ...string) Broadcast { return Broadcast{ns: ns}.Except(rooms...) }

// Volatile selects all sockets, for events that may be dropped.
func (ns *Namespace) Volatile() Broadcast { return Broadcast{ns: ns}.Volatile() }

// Uncompressed selects all sockets, for events that are not compressed.
func (ns *Namespace) Uncompressed() Broadcast { return Broadcast{ns: ns}.Uncompressed() }

// Local selects all sockets of this node.
func (ns *Namespace) Local() Broadcast { return Broadcast{ns: ns}.Local() }

// Emit sends an event to all sockets of the namespace.
func (ns *Namespace) Emit(event string, args ...any) error {
	return Broadcast{ns: ns}.Emit(event, args...)
}

// EmitAck sends an event to all sockets of the namespace and waits for their answers, see [Broadcast.EmitAck].
func (ns *Namespace) EmitAck(ctx context.Context, event string, args ...any) (Answers, error) {
	return Broadcast{ns: ns}.EmitAck(ctx, event, args...)
}

// To selects the sockets in the rooms, without this one.
func (s *Socket) To(rooms ...string) Broadcast { return s.Others().In(rooms...) }

// Except selects all sockets that are in none of the rooms, without this one.
func (s *Socket) Except(rooms ...string) Broadcast { return s.Others().Except(rooms...) }

// Others selects all sockets but this one (Node's socket.broadcast).
func (s *Socket) Others() Broadcast {
	return Broadcast{ns: s.ns, from: s, sel: Selection{Except: []string{s.id}}}
}

// Volatile makes the next emit to this socket one that may be dropped; when rooms are named after it, the emit goes to them,
// without this socket.
func (s *Socket) Volatile() Broadcast {
	return Broadcast{ns: s.ns, from: s, toSelf: true, sel: Selection{Flags: Volatile}}
}

// Uncompressed makes the next emit to this socket one that is not compressed (Node's socket.compress(false)); when rooms are
// named after it, the emit goes to them, without this socket.
func (s *Socket) Uncompressed() Broadcast {
	return Broadcast{ns: s.ns, from: s, toSelf: true, sel: Selection{Flags: Uncompressed}}
}

// Local selects all other sockets of this node.
func (s *Socket) Local() Broadcast { return s.Others().Local() }

// In adds rooms.
func (b Broadcast) In(rooms ...string) Broadcast {
	b = b.others()
	b.sel.Rooms = append(slices.Clip(b.sel.Rooms), rooms...)
	return b
}

// To is In.
func (b Broadcast) To(rooms ...string) Broadcast { return b.In(rooms...) }

// Except leaves out the sockets in the rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b = b.others()
	b.sel.Except = append(slices.Clip(b.sel.Except), rooms...)
	return b
}

// Volatile lets the event be dropped for clients that are behind.
func (b Broadcast) Volatile() Broadcast {
	b.sel.Flags |= Volatile
	return b
}

// Uncompressed keeps the transports from compressing the event: for random data, and for a secret beside text that a
// stranger has written.
func (b Broadcast) Uncompressed() Broadcast {
	b.sel.Flags |= Uncompressed
	return b
}

// Local keeps the operation on this node.
func (b Broadcast) Local() Broadcast {
	b.sel.Flags |= LocalOnly
	return b
}

// By names the socket that causes what is sent, such as the one whose event a handler passes on. When a quarter of the
// receivers is behind with reading, the next event of that socket waits, so that they are not cut: the further they are
// behind, the longer it waits. A broadcast that a socket begins ([Socket.To] and the like) is by that socket already;
// nil names none.
func (b Broadcast) By(s *Socket) Broadcast {
	b = b.others()
	b.from = s
	return b
}

// Within ties a broadcast to the context of a handler or a request: in traces, the broadcast is a child of the span in
// that context. The broadcast does not end with the context. nil ties it to none.
func (b Broadcast) Within(ctx context.Context) Broadcast {
	b.within = ctx
	return b
}

// others changes the selection from the socket that began the broadcast to all other sockets.
func (b Broadcast) others() Broadcast {
	if b.toSelf {
		b.toSelf = false
		b.sel.Except = []string{b.from.id}
	}
	return b
}

// Emit sends an event. It fails when the name is reserved or an argument cannot be encoded. Sockets that end are no
// error.
func (b Broadcast) Emit(event string, args ...any) error {
	p, err := b.ns.newEvent(event, args)
	if err != nil {
		return err
	}
	if b.toSelf {
		return b.from.deliver(p, b.sel.Flags)
	}
	op := &Operation{Selection: b.sel, Packet: p, By: b.from}
	var done func(error)
	op.Within, done = b.ns.hooks.broadcast(b.within, b.ns, Broadcasting{Event: event, By: b.from, Rooms: b.sel.Rooms})
	err = b.ns.adapter.Broadcast(op)
	done(err)
	return err
}

// EmitAck sends an event and waits until all selected sockets have answered or ctx ends; ctx without a deadline gets
// [Config.AckTimeout]. An error of ctx, or a *[LostNodes], comes with the answers that have arrived by then. Sockets
// that end count as missing and are not waited for.
func (b Broadcast) EmitAck(ctx context.Context, event string, args ...any) (Answers, error) {
	p, err := b.ns.newEvent(event, args)
	if err != nil {
		return Answers{}, err
	}
	if b.toSelf {
		p.Uncompressed = b.sel.Flags&Uncompressed != 0
		return b.from.emitAckOwn(ctx, p)
	}
	ctx, cancel := b.ns.deadline(ctx)
	defer cancel()
	var c collector
	op := &Operation{Selection: b.sel, Packet: p}
	within := b.within
	if within == nil {
		within = ctx
	}
	var done func(error)
	op.Within, done = b.ns.hooks.broadcast(within, b.ns, Broadcasting{Event: event, By: b.from, Rooms: b.sel.Rooms})
	err = b.ns.adapter.BroadcastAck(ctx, op, &c)
	done(err)
	return c.answers(), err
}

// emitAckOwn is the request of a broadcast that names only the socket that began it.
func (s *Socket) emitAckOwn(ctx context.Context, p packet.Packet) (Answers, error) {
	args, err := s.emitAck(ctx, p)
	if err != nil {
		return Answers{Missing: 1}, err
	}
	return Answers{Replies: []Reply{{Socket: s.id, Args: args}}}, nil
}

// Sockets describes the selected sockets, those of other nodes included. The sequence ends early with an error: of ctx, or a
// *[LostNodes] when all others have answered.
func (b Broadcast) Sockets(ctx context.Context) iter.Seq2[Info, error] {
	return b.ns.adapter.Sockets(ctx, b.selection())
}

// Count returns how many sockets of this node are selected.
func (b Broadcast) Count() int {
	return len(Local{b.ns}.present(b.selection()))
}

// Join puts the selected sockets into rooms. Like Leave and Disconnect it does not wait for other nodes.
func (b Broadcast) Join(rooms ...string) error {
	return b.ns.adapter.Apply(b.selection(), Change{Join: rooms})
}

// Leave takes the selected sockets out of rooms.
func (b Broadcast) Leave(rooms ...string) error {
	return b.ns.adapter.Apply(b.selection(), Change{Leave: rooms})
}

// Disconnect disconnects the selected sockets, see [Socket.Disconnect].
func (b Broadcast) Disconnect(closeTransport bool) error {
	return b.ns.adapter.Apply(b.selection(), Change{Disconnect: true, CloseTransport: closeTransport})
}

// selection expresses the broadcast as a Selection.
func (b Broadcast) selection() *Selection {
	if b.toSelf {
		b.sel.Rooms = []string{b.from.id}
	}
	return &b.sel
}
