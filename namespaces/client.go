package namespaces

import (
	"log/slog"
	"slices"
	"sync"

	"gatehouse/packet"
)

// Client is one connection and its sockets, at most one per namespace. Message is called by one goroutine at a time;
// everything else is safe for concurrent use.
type Client struct {
	// Fixed once made.
	hub  *Hub
	conn Conn

	// Owned by the reader.
	decoder packet.Decoder
	partial *partial // nil until the first packet with attachments

	link link // guarded by the registry

	mu          sync.Mutex // guards what follows, and the queues of the sockets
	sockets     []*Socket  // connecting or admitted; once closed, those that are parked
	departed    []string   // namespaces that the server has ended or refused, for which packets may still be on their way
	queuedBytes int32      // bytes and number of the events that wait for their handlers
	queued      int32
	awaiting    int32  // how many acknowledgements handlers and broadcasts wait for
	admissions  int32  // admissions that run
	refusals    int32  // in a row
	connects    int32  // in this minute
	minute      uint16 // since the registry's epoch
	admitted    bool   // has been in a namespace
	pauses      pauses
	closed      bool

	replaced bool // replaced by a newer connection of its user; guarded by the hub's users
	held     bool // Hub.Close waits for it; fixed once connected

	wire packet.Wire // fixed by the reader before there is a socket
}

// Message takes one message of the client: text or binary, whose bytes are borrowed for the call. The caller reads many
// connections, so Message waits for nothing that another connection can hold up: neither for a handler, nor for a room
// that a broadcast has locked. Malformed or out-of-order packets close the connection.
func (c *Client) Message(binary bool, data []byte) {
	defer c.recovered()
	decode := c.decoder.Text
	if binary {
		decode = c.decoder.Binary
	}
	p, complete, err := decode(data)
	if wire := c.decoder.Wire(); wire != c.wire {
		c.wire = wire // set with the first message, before there is a socket
	}
	if err != nil {
		c.hub.log.Debug("packet refused", slog.Any("error", err))
		c.shut(closeInvalidPayload, ReasonParseError, ReasonParseError)
		return
	}
	if !complete {
		c.begun(len(data))
		return
	}
	c.dispatch(&p, c.completed(len(data)))
}

// Sockets returns the sockets of the connection that have been admitted and not ended.
func (c *Client) Sockets() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.sockets), func(s *Socket) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.phase != open
	})
}

// recovered ends the connection on a panic of this package: the state of this client cannot be trusted any more.
func (c *Client) recovered() {
	if p := recover(); p != nil {
		_ = c.hub.caught(p, "message")
		c.shut(closeInternal, "internal error", ReasonForcedServer)
	}
}

// Closed tells that the connection has ended. It is called once, when the last Message has returned.
func (c *Client) Closed(end End) {
	c.abandonPartial()
	how := ending{drop: end.Cut, keep: end.Lost}
	c.finish(end.Reason, how)
}

// shut ends all sockets and closes the transport, without DISCONNECT: the client comes back by itself. Like Message it waits
// for nothing; the sockets leave their rooms a little later.
func (c *Client) shut(code int, text, reason string) {
	c.finish(reason, cutOff)
	c.conn.Close(code, text)
}

// finish ends all sockets; only its first call counts. The caller may be the reader, so rooms that are locked are left
// elsewhere.
func (c *Client) finish(reason string, how ending) {
	sockets, first := c.detach(reason, how)
	if !first {
		return
	}
	sockets = slices.DeleteFunc(sockets, func(s *Socket) bool { return s.tryFinishEnd(how, true) })
	if len(sockets) == 0 {
		c.letGo()
		return
	}
	c.hub.tasks.Go(func() { c.bury(sockets, how) })
}

// detach ends all sockets and returns those that are still in rooms. It returns false when it was called before.
func (c *Client) detach(reason string, how ending) (open []*Socket, first bool) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, false
	}
	c.closed = true
	sockets, kept := c.parkAllLocked(reason, how)
	c.mu.Unlock()

	c.hub.registry.remove(c)
	for _, p := range kept {
		p.socket.abandon(p.acks)
		p.socket.debug("socket parked", slog.String("reason", reason))
		c.hub.hooks.socketParked(p.socket, reason)
	}
	return slices.DeleteFunc(sockets, func(s *Socket) bool {
		admitted, ok := s.beginEnd(reason, how)
		if ok && !admitted {
			s.settle(how, false)
		}
		return !ok || !admitted
	}), true
}

// unanswered is a socket that was parked, and the acknowledgements that will not come any more.
type unanswered struct {
	socket *Socket
	acks   map[uint64]waiter
}

// parkAllLocked parks the sockets that are kept for the client to come back, and returns those that are to end. The
// lock is held throughout, so that each socket of a user is found either here or among the parked ones.
func (c *Client) parkAllLocked(reason string, how ending) (others []*Socket, kept []unanswered) {
	others, c.sockets = c.sockets, nil
	if !how.keep || !c.hub.cfg.Recovery.on() {
		return others, nil
	}
	others = slices.DeleteFunc(others, func(s *Socket) bool {
		acks, ok := s.parkLocked(reason)
		if ok {
			kept = append(kept, unanswered{s, acks})
			c.sockets = append(c.sockets, s)
		}
		if ok && how.drop {
			c.discardLocked(s)
		}
		return ok
	})
	return others, kept
}

// bury takes the sockets of a closed connection out of their rooms.
func (c *Client) bury(sockets []*Socket, how ending) {
	for _, s := range sockets {
		s.finishEnd(how, true)
	}
	c.letGo()
}

// letGo tells Hub.Close that the connection is gone completely.
func (c *Client) letGo() {
	if c.held {
		c.hub.tasks.Release()
	}
}

// dismiss ends all sockets by DISCONNECT and closes the transport: the client stays away.
func (c *Client) dismiss(code int, text, reason string) {
	c.mu.Lock()
	sockets := slices.Clone(c.sockets)
	c.mu.Unlock()
	for _, s := range sockets {
		s.end(reason, byServer)
	}
	c.shut(code, text, reason)
}

// dispatch acts on one packet.
func (c *Client) dispatch(p *packet.Packet, size int) {
	switch p.Type {
	case packet.Connect:
		c.connect(p)
	case packet.Event:
		if s := c.onEvent(p, size); s != nil {
			c.charge(s, size)
		}
	case packet.Ack:
		if s := c.expect(p.Namespace); s != nil {
			s.heard = true
			s.resolve(p.ID, p.Args)
			c.charge(s, size)
		}
	case packet.Disconnect:
		if s := c.expect(p.Namespace); s != nil {
			c.leave(s)
		}
	default:
		c.outOfOrder()
	}
}

// leave ends a socket that the client has left. A client that enters the namespace again at once waits until the old socket
// is out of its rooms: events to those would look like the new socket's.
func (c *Client) leave(s *Socket) {
	c.mu.Lock()
	s.left = true
	c.mu.Unlock()
	admitted, ok := s.beginEnd(ReasonClientDisconnect, byClient)
	if ok && !s.tryFinishEnd(byClient, admitted) {
		c.hub.tasks.Go(func() { s.finishEnd(byClient, true) })
	}
}

// expect returns the socket that a packet is for, or nil when there is none. A packet for a namespace that the client
// must know it is not in closes the connection, as in Node.
func (c *Client) expect(namespace string) *Socket {
	c.mu.Lock()
	s, ok := c.addresseeLocked(namespace)
	c.mu.Unlock()
	if !ok {
		c.outOfOrder()
	}
	return s
}

// addresseeLocked returns the socket of a namespace. It returns false when a packet for that namespace is a fault of
// the client. For a socket that the server has ended it is none: the client may not know yet.
func (c *Client) addresseeLocked(namespace string) (s *Socket, ok bool) {
	if s = c.findLocked(namespace); s != nil {
		return s, true
	}
	return nil, c.closed || slices.Contains(c.departed, namespace)
}

// findLocked returns the socket of a namespace, or nil, also for one that the client has left.
func (c *Client) findLocked(namespace string) *Socket {
	for _, s := range c.sockets {
		if !s.left && s.ns.name == namespace {
			return s
		}
	}
	return nil
}

// outOfOrder closes the connection of a client that sent a packet in the wrong state (socket.io lib/client.js, ondecoded).
func (c *Client) outOfOrder() {
	c.shut(closeProtocolError, "invalid state", ReasonForcedServer)
}

// onEvent queues an event for its socket and returns the socket; nil when there is none.
func (c *Client) onEvent(p *packet.Packet, size int) *Socket {
	c.mu.Lock()
	s, ok := c.addresseeLocked(p.Namespace)
	if s != nil {
		s.heard = true
	}
	switch {
	case !ok:
		c.mu.Unlock()
		c.outOfOrder()
		return nil
	case s == nil || s.done:
		c.mu.Unlock()
		return nil
	case p.Event == eventRefresh && c.refreshLocked(s, p):
		c.mu.Unlock()
		return s
	case !c.enqueueLocked(s, p, size):
		c.mu.Unlock()
		c.shut(closePolicy, "too many events waiting", ReasonForcedServer)
		return nil
	}
	c.mu.Unlock()
	return s
}

// release takes an ended socket out and settles its queue. A socket that was never admitted has no disconnect handlers to
// run.
func (c *Client) release(s *Socket, how ending, admitted bool) {
	c.mu.Lock()
	held := c.removeLocked(s)
	if held && how.packet && !s.left && !c.closed {
		c.departed = append(c.departed, s.ns.name)
		_ = c.conn.Send(packet.Encode(&packet.Packet{Type: packet.Disconnect, Namespace: s.ns.name}, s.wire))
	}
	s.done = true
	s.lapseRestLocked()
	c.endLeaseLocked(s)
	if admitted && (len(s.ns.disconnected) > 0 || len(s.ns.hooks.closed) > 0 || s.exit.heir != nil) {
		s.due |= farewell
	}
	if !s.running && (s.due&farewell != 0 || s.head != nil) {
		c.runLocked(s)
	}
	c.throttleLocked()
	c.advanceLocked()
	c.startDeadlineLocked()
	c.mu.Unlock()
}

// drop lets a socket take no more events, and forgets those that wait.
func (c *Client) drop(s *Socket) {
	c.mu.Lock()
	s.done = true
	c.discardLocked(s)
	c.throttleLocked()
	c.mu.Unlock()
}

// startDeadlineLocked starts the deadline of a connection that has left its last namespace.
func (c *Client) startDeadlineLocked() {
	if len(c.sockets) == 0 && !c.closed {
		c.hub.registry.suspend(c)
	}
}

// removeLocked takes s out of the list of sockets and says whether it was in it.
func (c *Client) removeLocked(s *Socket) bool {
	i := slices.Index(c.sockets, s)
	if i < 0 {
		return false
	}
	c.sockets = slices.Delete(c.sockets, i, i+1)
	return true
}
