package namespaces

import (
	"runtime"

	"gatehouse/packet"
)

// inbound is one event of a client that waits for its handler. It goes back to the hub's pool.
type inbound struct {
	next  *inbound
	name  string
	args  packet.Args
	id    uint64 // id of the acknowledgement that the client asked for, if hasID
	hasID bool
	size  int // how many bytes it counts for in the queue
}

// overhead is how many bytes an event counts for besides those on the wire.
const overhead = 64

// enqueueLocked appends an event to the queue of its socket, starts what drains it, and pauses reading when too much
// waits. It returns false when the hard limit is reached.
func (c *Client) enqueueLocked(s *Socket, p *packet.Packet, size int) bool {
	cfg := c.hub.limits()
	if int(c.queued) >= cfg.HardQueueEvents || int(c.queuedBytes) >= cfg.HardQueueBytes {
		return false
	}
	ev := c.hub.events.Get().(*inbound)
	*ev = inbound{name: p.Event, args: p.Args, id: p.ID, hasID: p.HasID, size: size + overhead}
	if s.tail == nil {
		s.head = ev
	} else {
		s.tail.next = ev
	}
	s.tail = ev
	c.queued++
	c.queuedBytes += int32(ev.size) // cannot overflow: Config.check bounds the queue, and the transport bounds a message
	c.conn.Hold(ev.size)
	if !s.running {
		c.runLocked(s)
	}
	c.throttleLocked()
	return true
}

// runLocked starts the emptying of the queue of s, when its turn comes.
func (c *Client) runLocked(s *Socket) {
	s.running = true
	c.hub.turns.start(s)
}

// throttleLocked pauses or resumes reading. While somebody awaits an acknowledgement of this client, reading goes on:
// the answer stands behind whatever the client sent before it.
func (c *Client) throttleLocked() {
	cfg := c.hub.limits()
	full := int(c.queued) >= cfg.QueueEvents || int(c.queuedBytes) >= cfg.QueueBytes
	low := int(c.queued) <= cfg.QueueEvents/2 && int(c.queuedBytes) <= cfg.QueueBytes/2
	switch {
	case c.closed:
	case c.pauses&forQueue == 0 && full && c.awaiting == 0:
		c.pauseLocked(forQueue)
	case c.pauses&forQueue != 0 && (low || c.awaiting > 0):
		c.resumeLocked(forQueue)
	}
}

// await counts the acknowledgements that somebody waits for.
func (c *Client) await(n int) {
	c.mu.Lock()
	c.awaiting += int32(n) // sockets of a room at most
	c.throttleLocked()
	c.mu.Unlock()
}

// discardLocked drops what waits in the queue of s.
func (c *Client) discardLocked(s *Socket) {
	for s.head != nil {
		c.recycle(s.popLocked())
	}
}

// popLocked takes the first event. The client's mu is held.
func (s *Socket) popLocked() *inbound {
	ev := s.head
	s.head = ev.next
	if s.head == nil {
		s.tail = nil
	}
	s.client.queued--
	s.client.queuedBytes -= int32(ev.size) // as it was added
	return ev
}

// recycle returns an event that has been handled or dropped to the pool.
func (c *Client) recycle(ev *inbound) {
	c.conn.Hold(-ev.size)
	*ev = inbound{}
	c.hub.events.Put(ev)
}

// drain handles the events in the queue of s, and then those of other sockets of its user that wait for a place. There
// is at most one drain for a socket: running says whether there is.
func (s *Socket) drain() {
	turns := &s.ns.hub.turns
	for {
		if s.turn() {
			s = turns.yield(s)
		} else {
			s = turns.leave(s)
		}
		if s == nil {
			return
		}
		runtime.Gosched() // yield: a queue that never empties would keep its processor until it is interrupted
	}
}

// turn handles some events of s, one after another, and runs the disconnect handlers when the socket has ended. It
// returns false when nothing is left.
func (s *Socket) turn() bool {
	for range turnEvents {
		ev, step := s.next()
		switch step {
		case toGreet:
			s.runConnected()
		case toHandle:
			s.serve(ev)
			s.client.recycle(ev)
		case toRenew:
			s.renew()
		case toPart:
			s.runDisconnected()
			s.handOver()
			return false
		case toRest:
			return false
		}
	}
	return true
}

// nextStep says what the goroutine of a queue does next.
type nextStep uint8

const (
	toRest   nextStep = iota // nothing: it ends
	toGreet                  // call the connect handlers
	toHandle                 // an event
	toRenew                  // bring a refreshed identity into force
	toPart                   // call the disconnect handlers
)

// next returns the next step, and the event if the step is to handle one.
func (s *Socket) next() (*inbound, nextStep) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.due&greeting != 0:
		s.due &^= greeting
		return nil, toGreet
	case s.hasFreshLocked():
		return nil, toRenew
	case s.head != nil && s.restLocked():
		return nil, toRest // goOnLocked starts the queue again
	case s.head != nil:
		ev := s.popLocked()
		c.throttleLocked()
		return ev, toHandle
	case s.done && s.due&farewell != 0:
		s.due &^= farewell
		return nil, toPart
	}
	s.running = false
	return nil, toRest
}
