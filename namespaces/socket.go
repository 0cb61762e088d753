package namespaces

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// phase is where a socket stands in its life. It only grows.
type phase uint8

const (
	connecting phase = iota // admission runs or waits for its turn
	open
	parked // its transport is lost, and its client may come back
	ended
)

// due says which connect and disconnect handlers of a socket still have to be called, and whether the socket has to
// wait.
type due uint8

const (
	greeting due = 1 << iota // the connect handlers
	farewell                 // the disconnect handlers
	owing                    // a wait before the next event, see rests
	resting                  // that wait has begun
)

// ending is how a socket ends.
type ending struct {
	packet bool // the client is sent DISCONNECT
	drop   bool // waiting events are not handled any more
	keep   bool // where recovery is on, the socket is parked instead
}

var (
	byClient = ending{}                         // DISCONNECT of the client
	byServer = ending{packet: true, drop: true} // DISCONNECT of ours
	lost     = ending{keep: true}               // the client's transport went
	cutOff   = ending{drop: true}               // we closed the transport
)

// Socket is one client in one namespace. Its methods are safe for concurrent use, in admission and after its end too.
type Socket struct {
	// Fixed once made; the id once admitted, and until then guarded by mu where it changes.
	id     string
	ns     *Namespace
	client *Client
	conn   Conn // the client's; kept here too, as broadcasts read it for each receiver

	identity atomic.Pointer[handshake.Identity]
	owner    uint64 // the user whose places its handlers take; fixed once admitted

	nextTurn *Socket // the next socket in line for a place; guarded by turns

	// Guarded by the client's mu.
	head, tail *inbound // events that wait
	running    bool     // a goroutine owns the queue: the admission's, then drain
	waiting    bool     // the admission waits for its turn
	done       bool     // takes no more events
	due        due      // see due
	left       bool     // the client has left and may have entered again: packets are not for this socket any more

	placeOfUser int32 // its place among the namespace's users; guarded by that index

	heard bool        // the client knows that it is here, and has sent something; owned by the client's reader
	phase phase       // guarded by mu; stands here, like wire, to keep the socket small
	wire  packet.Wire // the client's; fixed once made

	lease *lease // nil while the identity cannot end and was never refreshed

	place membership // its place in the room everyone; guarded by that room's mu

	mu        sync.Mutex        // guards what follows
	admission *admission        // while connecting
	rooms     *roomSet          // nil while in none; kept after the end
	acks      map[uint64]waiter // nil while none is awaited
	lazy      *lazyContext      // made when somebody asks for the context's end
	exit      *exit             // nil until parked or ended
	kept      *tail             // nil while recovery is off, and when another socket has taken over
	data      any
}

// ID returns the public id: 120 random bits in base64url.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace that the socket is in.
func (s *Socket) Namespace() *Namespace { return s.ns }

// Conn returns the connection that the socket belongs to: what the program gave to [Hub.Connect].
func (s *Socket) Conn() Conn { return s.conn }

// ConnID returns the public id of the connection: the same for all namespaces of a client, another after each reconnect.
func (s *Socket) ConnID() string { return s.conn.ID() }

// Transport returns the transport that the connection uses now, "polling" or "websocket". Request().Transport is the
// one that it was opened with.
func (s *Socket) Transport() string { return s.conn.Transport() }

// Identity returns who the client is. It can change between two events when the client refreshes its token.
func (s *Socket) Identity() handshake.Identity {
	if id := s.identity.Load(); id != nil {
		return *id
	}
	return handshake.Identity{}
}

func (s *Socket) setIdentity(id handshake.Identity) { s.identity.Store(&id) }

// Request returns what the client brought. The auth payload is a secret, and is there only during admission. The caller
// owns the result, but its header, query and TLS state are shared and must not be changed.
func (s *Socket) Request() *handshake.Request {
	s.mu.Lock()
	p := s.admission
	s.mu.Unlock()
	if p != nil {
		r := *p.request
		return &r
	}
	return requestOf(s.conn, s.ns.name)
}

func requestOf(conn Conn, namespace string) *handshake.Request {
	r := new(handshake.Request)
	if template := conn.Request(); template != nil {
		*r = *template
	}
	r.Namespace = namespace
	return r
}

// SetData keeps a value with the socket, instead of the one kept before. [Data] reads it. Packages that do not know of each
// other use a [Key] each.
//
// In a cluster with recovery the value goes with the session to other nodes, as JSON, if its type has no unexported
// fields. It is encoded by this call, so call SetData again when the value has changed. A value of any other type does
// not get to other nodes.
func (s *Socket) SetData(v any) {
	if s.ns.sessions != nil {
		s.setForAll(v)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setDataLocked(v)
}

func (s *Socket) setDataLocked(v any) {
	if all, ok := s.data.(*keyed); ok {
		all.data = v
		return
	}
	s.data = v
}

// Data returns the value kept with the socket, if it has the type T.
func Data[T any](s *Socket) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.data
	if all, ok := data.(*keyed); ok {
		data = all.data
	}
	v, ok := data.(T)
	if carried, is := data.(carriedData); is && !ok {
		if v, ok = unpack[T](carried); ok {
			s.setDataLocked(v)
		}
	}
	return v, ok
}

// Connected reports whether the socket is admitted and has not ended.
func (s *Socket) Connected() bool { return s.in(open) }

// in reports whether the socket is in the given phase.
func (s *Socket) in(p phase) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.phase == p
}

// Emit queues an event for the client. During admission it goes out right after the CONNECT reply. It returns ErrClosed when
// the socket has ended.
func (s *Socket) Emit(event string, args ...any) error {
	p, err := s.ns.newEvent(event, args)
	if err != nil {
		return err
	}
	return s.deliver(p, 0)
}

// deliver hands a packet to the adapter. With the local one, which is nearly always there, the packet stays off the heap.
func (s *Socket) deliver(p packet.Packet, flags Flags) (err error) {
	if s.ns.alone {
		err = s.emit(&p, flags)
	} else {
		shared := p
		err = s.ns.adapter.Send(s, &shared, flags)
	}
	if err == nil && p.Type == packet.Event && s.ns.listened() {
		s.ns.emitted(Emitted{Event: p.Event, Args: p.Args, Socket: s, Receivers: 1})
	}
	return err
}

// emit sends a packet of the application, with an offset where it gets one.
func (s *Socket) emit(p *packet.Packet, flags Flags) error {
	if !s.ns.recovers() {
		return s.sendPacket(p, flags)
	}
	stamped := *p
	s.ns.stamp(&stamped, flags)
	return s.sendPacket(&stamped, flags)
}

// sendPacket encodes a packet for the wire of the client and queues it.
func (s *Socket) sendPacket(p *packet.Packet, flags Flags) error {
	f := packet.Encode(p, s.wire)
	if flags&Uncompressed != 0 {
		f.Uncompressed = true
	}
	return s.send(f, flags)
}

// send queues a frame. It holds mu meanwhile, so that nothing goes out after the end: the client may enter the namespace
// again, and would take it for the new socket's.
//
// When another socket has taken over, what a handler still emits on this one is sent on the other.
func (s *Socket) send(f *packet.Frame, flags Flags) error {
	err := s.sendHere(f, flags)
	if err != nil && f.Offset != "" {
		if heir := s.heir(); heir != nil {
			return heir.sendHere(f, flags)
		}
	}
	return err
}

func (s *Socket) sendHere(f *packet.Frame, flags Flags) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == ended:
		return ErrClosed
	case s.phase == connecting:
		s.admission.frames = append(s.admission.frames, f)
	case s.kept != nil:
		return s.keepLocked(f, flags)
	case flags&Volatile != 0:
		s.conn.SendVolatile(f)
	case s.conn.Send(f) != nil:
		return ErrClosed
	}
	return nil
}

// Disconnect ends the socket with [ReasonServerDisconnect]: the client gets DISCONNECT and does not come back by itself.
// With closeTransport all its other sockets end too, and the connection closes.
func (s *Socket) Disconnect(closeTransport bool) {
	if heir := s.heir(); heir != nil {
		s = heir
	}
	for ; s != nil; s = s.heir() { // that has taken over meanwhile
		if closeTransport {
			s.client.dismiss(closeNormal, ReasonServerDisconnect, ReasonServerDisconnect)
		} else {
			s.end(ReasonServerDisconnect, byServer)
		}
	}
}

// end ends the socket, and returns when it is in no room any more; only the first call counts, and returns true. The
// order matters: first nothing more is sent, then the socket leaves the index, then its place in the client becomes
// free for another admission.
func (s *Socket) end(reason string, how ending) bool {
	admitted, ok := s.beginEnd(reason, how)
	if ok {
		s.finishEnd(how, admitted)
	}
	return ok
}

// beginEnd is the part of the end that waits for nothing: from now on nothing is sent, and events that are to be
// dropped have been. It returns false when the socket has ended before; otherwise finishEnd must follow.
func (s *Socket) beginEnd(reason string, how ending) (admitted, ok bool) {
	s.mu.Lock()
	if s.phase == ended {
		s.mu.Unlock()
		return false, false
	}
	admitted = s.phase != connecting
	acks, pet := s.acks, s.admission
	s.admission, s.acks = nil, nil
	x, life := s.endLocked(reason), s.lazy
	s.mu.Unlock()

	if x.berth != nil {
		s.ns.hub.lot.remove(x.berth)
	}
	if how.drop || !admitted {
		s.client.drop(s) // before a handler that waits for the end or for an answer returns, and takes the next event
	}
	pet.stop(s.conn)
	if life != nil {
		life.cancel()
	}
	s.abandon(acks)
	return admitted, true
}

// endLocked ends the socket. Hub.Close finds it ended, and waits until settle has been called.
func (s *Socket) endLocked(reason string) *exit {
	x := s.exit
	if s.phase == parked {
		s.ns.parked.Add(-1)
		x.reason = reason
	} else {
		x = &exit{reason: reason, recovered: s.recoveredLocked()}
	}
	s.phase, s.exit, s.kept = ended, x, nil
	s.ns.hub.tasks.Hold()
	return x
}

// finishEnd is the part of the end that waits for the locks of rooms, if the socket was admitted.
func (s *Socket) finishEnd(how ending, admitted bool) {
	if admitted {
		s.ns.remove(s)
	}
	s.settle(how, admitted)
}

// tryFinishEnd is finishEnd for the reader, and returns false where that would have to wait; then it must follow.
func (s *Socket) tryFinishEnd(how ending, admitted bool) bool {
	if admitted && !s.ns.tryRemove(s) {
		return false
	}
	s.settle(how, admitted)
	return true
}

// settle is the last step of the end of a socket, when it is out of its rooms.
func (s *Socket) settle(how ending, admitted bool) {
	defer s.ns.hub.tasks.Release()
	if admitted {
		s.ns.hub.users.remove(s)
		s.dropSession()
	}
	s.client.release(s, how, admitted)
	s.ns.letGo()
	if admitted {
		s.debug("socket ended", slog.String("reason", s.exit.reason))
	}
}

// runDisconnected calls the disconnect handlers.
func (s *Socket) runDisconnected() {
	reason := s.exit.reason
	s.ns.hooks.socketClosed(s, reason)
	ctx := withValues{s.ns.hub.ctx, valuesOf(s.conn)}
	for _, h := range s.ns.disconnected {
		s.protect("disconnect handler", func() { h(ctx, s, reason) })
	}
}

// runConnected calls the connect handlers. A recovered socket first checks whether its present identity may be in its
// rooms.
func (s *Socket) runConnected() {
	if back := s.takeBack(); back != nil {
		if !back.moved {
			s.ns.hooks.socketOpened(s, back.joined)
		}
		if !s.review(back.was) {
			return
		}
	}
	for _, h := range s.ns.connected {
		s.protect("connect handler", func() { h(s.context(), s) })
	}
	s.greeted()
}

// protect calls a callback and recovers its panic.
func (s *Socket) protect(where string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			_ = s.ns.hub.caught(p, where, s.fields()...)
		}
	}()
	f()
}

// fields are the attributes of a log line about the socket; none of them is a secret.
func (s *Socket) fields(more ...slog.Attr) []slog.Attr {
	return append([]slog.Attr{
		slog.String("namespace", s.ns.name), slog.String("socket", s.id), slog.String("subject", s.Identity().Subject),
	}, more...)
}

// debug writes a line about the socket at level debug, which costs nothing while it is off.
func (s *Socket) debug(message string, more ...slog.Attr) {
	if log, ctx := s.ns.hub.log, s.ns.hub.ctx; log.Enabled(ctx, slog.LevelDebug) {
		log.LogAttrs(ctx, slog.LevelDebug, message, s.fields(more...)...)
	}
}

// sample writes a line that clients can cause as often as they like.
func (s *Socket) sample(level slog.Level, message string, more ...slog.Attr) {
	if log, ctx := s.ns.hub.sampled, s.ns.hub.ctx; log.Enabled(ctx, level) {
		log.LogAttrs(ctx, level, message, s.fields(more...)...)
	}
}

// causeAttr is the cause behind an error that the client may read, if there is one.
func causeAttr(err error) slog.Attr {
	cause := causeOf(err)
	if cause == nil {
		return slog.Attr{}
	}
	return slog.Any("cause", cause)
}

// context returns the context of handlers, which ends with the socket.
func (s *Socket) context() context.Context { return (*socketContext)(s) }
