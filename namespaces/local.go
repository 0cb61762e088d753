package namespaces

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/packet"
)

// Local is this node's share of a namespace. It is itself an [Adapter], which a single node uses; other adapters use it
// to act on the sockets of this node. Only a namespace makes it.
type Local struct{ ns *Namespace }

// Namespace returns the namespace that the Local belongs to.
func (l Local) Namespace() *Namespace { return l.ns }

// HasRoom reports whether a broadcast to a room would find a socket of this node. A socket's id is a room too, and so is the
// name that [Namespace.User] makes.
func (l Local) HasRoom(name string) bool {
	return l.ns.rooms.find(name) != nil || len(l.ns.named(name)) > 0
}

// Rooms iterates over the rooms that have a member on this node, socket ids not among them. A room that comes or goes
// meanwhile may be left out.
func (l Local) Rooms() iter.Seq[string] { return l.ns.rooms.names() }

// WatchRooms sets f, which is called whenever a room may have got its first member or lost its last one: f then calls HasRoom,
// or has it called later. HasRoom returns the newest state, so the order of the calls of f does not matter. f is called
// concurrently, with rooms locked: it must not block and call nothing else of this package. There is one watcher; it is set
// while the adapter is made.
func (l Local) WatchRooms(f func(name string)) { l.ns.rooms.watch = f }

// Recovery is how long a client may be away ([Recovery.For]); 0 when nothing is recovered.
func (l Local) Recovery() time.Duration { return l.ns.hub.cfg.Recovery.For }

// Session describes the session of a socket of this node for the others; false when there is none. A session without a
// Key cannot be recovered there. Session, [Local.Moved] and [Local.Disown] are for adapters that are a [SessionKeeper].
func (l Local) Session(id string) (Session, bool) {
	s := l.ns.sockets.find(id)
	if s == nil {
		return Session{}, false
	}
	l.ns.beginStep()
	defer l.ns.endStep()
	return s.session()
}

// Moved ends this node's socket of a session that another node has taken over, and sends the client nothing. Its
// disconnect handlers are called with ReasonMoved.
func (l Local) Moved(id string) {
	if s := l.ns.sockets.find(id); s != nil {
		s.moveAway()
	}
}

// Disown ends a socket of this node, and its connection, because a change of its session cannot be stored. The client comes
// back by itself, as a new one.
func (l Local) Disown(id string) {
	if s := l.ns.sockets.find(id); s != nil {
		s.client.shut(closeTryAgainLater, "the session cannot be kept now", ReasonForcedServer)
		s.end(ReasonForcedServer, cutOff)
	}
}

// Keeps reports whether a packet for a socket is kept for the return of its client, on any node. An adapter that is a
// [SessionKeeper] then broadcasts the packet, with the flag Direct, to the room of the socket's id.
func (l Local) Keeps(s *Socket, p *packet.Packet, flags Flags) bool {
	if !hasOffset(p, flags) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == open || s.phase == parked || s.phase == ended && s.exit.reason == ReasonMoved
}

// Admitting reports whether a socket is being admitted: it is in no room, and packets for it follow the CONNECT reply.
func (l Local) Admitting(s *Socket) bool { return s.in(connecting) }

// Send implements Adapter. It fails with ErrClosed when the socket has ended.
func (l Local) Send(s *Socket, p *packet.Packet, flags Flags) error {
	return s.emit(p, flags)
}

// Broadcast implements Adapter.
func (l Local) Broadcast(op *Operation) error { return l.BroadcastAt(op, nil) }

// BroadcastAt is Broadcast for an adapter that is a [SessionKeeper]. placed is called when the event has been queued
// for all selected sockets; from then on [Sessions.Place] names it. In between no socket is admitted, enters a room or
// leaves one, and no session is described: each of these happens before the event or after it. placed must only note
// the place.
func (l Local) BroadcastAt(op *Operation, placed func()) error {
	p := op.Packet
	p.Uncompressed = op.Flags&Uncompressed != 0
	f := frames{packet: &p}
	n := 0
	queue := func(s *Socket) {
		n++
		_ = s.conn.Send(f.on(s.wire)) // fails only for a connection that has ended
	}
	if op.Flags&Volatile != 0 {
		queue = func(s *Socket) {
			n++
			s.conn.SendVolatile(f.on(s.wire))
		}
	}
	if l.ns.recovers() {
		l.ns.stamp(&p, op.Flags)
		queue = func(s *Socket) {
			n++
			_ = s.send(f.on(s.wire), op.Flags)
		}
	}
	if op.By == nil || op.Flags&Volatile != 0 {
		l.eachAt(placed, &op.Selection, queue)
	} else {
		l.watched(op, &f, queue, placed)
	}
	l.told(op, n)
	return nil
}

// watched is each; besides, when the receivers are behind, the socket that caused the broadcast has to wait before its
// next event.
func (l Local) watched(op *Operation, f *frames, queue func(*Socket), placed func()) {
	var c crowd
	l.eachAt(placed, &op.Selection, func(s *Socket) {
		queue(s)
		c.note(s)
	})
	if level := c.level(); level > 0 {
		l.ns.hub.pace.crowded(op.By, f.frameSize(), level)
	}
}

// told tells the listeners about a broadcast that has been queued.
func (l Local) told(op *Operation, receivers int) {
	if op.Flags&Direct == 0 && l.ns.listened() {
		l.ns.emitted(Emitted{
			Event: op.Packet.Event, Args: op.Packet.Args, Rooms: op.Rooms, Except: op.Except, Receivers: receivers,
		})
	}
}

// frames are the encodings of one packet, one for each wire that a receiver has.
type frames struct {
	packet *packet.Packet
	made   [packet.Wires]*packet.Frame
}

// on returns the frame for a wire, which all receivers on it share.
func (f *frames) on(w packet.Wire) *packet.Frame {
	if f.made[w] == nil {
		f.made[w] = packet.Encode(f.packet, w)
	}
	return f.made[w]
}

// BroadcastAck implements Adapter.
func (l Local) BroadcastAck(ctx context.Context, op *Operation, to Replies) error {
	return l.Ask(op, to)(ctx)
}

// Ask is BroadcastAck in two parts, for an adapter that must not wait where it broadcasts. When it returns, the event has
// been queued; wait returns when BroadcastAck would, and must be called. All receivers get one frame with one id, as the
// namespace counts ids for all its sockets.
func (l Local) Ask(op *Operation, to Replies) (wait func(ctx context.Context) error) {
	p := op.Packet
	p.ID, p.HasID = l.ns.ackIDs.Add(1)-1, true
	p.Uncompressed = op.Flags&Uncompressed != 0
	f := frames{packet: &p}
	q := &question{to: to, done: make(chan struct{}), left: 1}
	var asked []*Socket
	l.each(&op.Selection, func(s *Socket) {
		if s.expectAck(p.ID, q) != nil {
			return // it ends just now
		}
		asked = append(asked, s)
		_ = s.conn.Send(f.on(s.wire)) // when this fails, the socket is about to end and will count as gone
	})
	q.begin(len(asked))
	l.told(op, len(asked))
	return func(ctx context.Context) error {
		select {
		case <-q.done:
			return nil
		case <-ctx.Done():
			for _, s := range asked {
				s.forget(p.ID)
			}
			return fmt.Errorf("await acknowledgements of %q: %w", p.Event, ctx.Err())
		}
	}
}

// question waits for the acknowledgements of a broadcast on this node.
type question struct {
	to   Replies
	done chan struct{} // closed when no more answers will come

	mu    sync.Mutex // guards what follows
	begun bool       // Expect has been called
	early []Reply    // those that came before
	left  int        // how many were asked and are not settled, plus one until begin
}

// answered implements waiter.
func (q *question) answered(s *Socket, args packet.Args) { q.reply(Reply{Socket: s.id, Args: args}) }

// gone implements waiter.
func (q *question) gone(s *Socket) { q.reply(Reply{Socket: s.id, Err: ErrClosed}) }

// reply hands an answer on, or keeps it until Expect has been called.
func (q *question) reply(r Reply) {
	q.mu.Lock()
	if !q.begun {
		q.early = append(q.early, r)
		q.mu.Unlock()
		return
	}
	q.mu.Unlock()
	q.to.Reply(r)
	q.settle(1)
}

// begin reports how many have been asked, and the replies so far.
func (q *question) begin(asked int) {
	q.to.Expect(asked)
	q.mu.Lock()
	q.begun, q.left = true, q.left+asked
	early := q.early
	q.early = nil
	q.mu.Unlock()
	for _, r := range early {
		q.to.Reply(r)
	}
	q.settle(len(early) + 1)
}

// settle counts down.
func (q *question) settle(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left -= n; q.left == 0 {
		close(q.done)
	}
}

// Sockets implements Adapter.
func (l Local) Sockets(_ context.Context, sel *Selection) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		for _, s := range l.present(sel) {
			if !yield(Info{ID: s.id, Identity: s.Identity(), Rooms: s.Rooms()}, nil) {
				return
			}
		}
	}
}

// Apply implements Adapter. Sockets that end meanwhile or are in too many rooms do not join.
func (l Local) Apply(sel *Selection, c Change) error {
	for _, s := range l.selected(sel) {
		if len(c.Leave)+len(c.Join) > 0 {
			l.ns.move(s, c.Leave, c.Join)
		}
		if c.Disconnect || c.CloseTransport {
			s.Disconnect(c.CloseTransport)
		}
	}
	return nil
}

// ServerEmit implements Adapter: there is no other node.
func (l Local) ServerEmit(context.Context, string, packet.Args, Replies) error { return nil }

// Nodes implements Adapter.
func (l Local) Nodes(context.Context) (int, error) { return 1, nil }

// Close implements Adapter.
func (l Local) Close(context.Context) error { return nil }

// eachAt is each for a broadcast that has a place. placed notes the place, and may be nil.
func (l Local) eachAt(placed func(), sel *Selection, visit func(*Socket)) {
	if placed == nil {
		l.each(sel, visit)
		return
	}
	l.ns.steps.Lock()
	defer l.ns.steps.Unlock()
	l.each(sel, visit)
	placed()
}

// beginStep begins a step, which endStep ends, that changes the rooms of a socket or describes them. The caller holds
// no room's lock.
func (ns *Namespace) beginStep() {
	if ns.sessions != nil {
		ns.steps.RLock()
	}
}

func (ns *Namespace) endStep() {
	if ns.sessions != nil {
		ns.steps.RUnlock()
	}
}

// each visits the selected sockets, with their rooms locked: visit only queues.
func (l Local) each(sel *Selection, visit func(*Socket)) {
	if len(sel.Rooms) > 1 || len(sel.Except) > 1 || len(sel.Rooms) == 1 && strings.HasPrefix(sel.Rooms[0], userPrefix) {
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
			l.visitByID(s, r, visit)
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

// visitByID visits the one socket whose id was named, unless it is a member of the room of that name and will be visited as such.
func (l Local) visitByID(s *Socket, r *room, visit func(*Socket)) {
	if r != nil && s.Joined(r.name) {
		return
	}
	l.ns.everyone.mu.Lock() // a socket that has left the index is not visited
	defer l.ns.everyone.mu.Unlock()
	if s.place.pos >= 0 {
		visit(s)
	}
}

// eachOf is each for several rooms or exceptions: all of them are locked at once, so that the broadcast has one place in the
// order of each.
func (l Local) eachOf(sel *Selection, visit func(*Socket)) {
	rooms, except := l.ns.existing(sel.Rooms), l.ns.existing(sel.Except)
	ids := l.ns.withNames(sel.Rooms)
	if len(sel.Rooms) == 0 || len(ids) > 0 {
		except = append(except, l.ns.everyone) // locked for the sockets that are named by id; not an exception
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
func (l Local) excluded(names []string, rooms []*room) map[*Socket]struct{} {
	out := make(map[*Socket]struct{})
	for _, r := range rooms {
		if r == l.ns.everyone {
			continue
		}
		for _, m := range r.members {
			out[m.socket] = struct{}{}
		}
	}
	for _, s := range l.ns.withNames(names) {
		out[s] = struct{}{}
	}
	return out
}

// existing returns those of the named rooms that exist.
func (ns *Namespace) existing(names []string) []*room {
	rooms := make([]*room, 0, len(names)+2)
	for _, name := range names {
		if r := ns.rooms.find(name); r != nil {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// withNames returns the sockets that these names mean: by id or by user.
func (ns *Namespace) withNames(names []string) []*Socket {
	var sockets []*Socket
	for _, name := range names {
		sockets = append(sockets, ns.named(name)...)
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

// selected collects the sockets of a selection, for work that must not be done under the rooms' locks.
func (l Local) selected(sel *Selection) []*Socket {
	var sockets []*Socket
	l.each(sel, func(s *Socket) { sockets = append(sockets, s) })
	return sockets
}
