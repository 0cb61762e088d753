package bridge

import (
	"time"

	"gatehouse/engine"
	"gatehouse/packet"
)

// lane holds the packets of one namespace that wait their turn; a goroutine
// handles them while there are any. Acknowledgements have a lane of their own,
// which does not wait for listeners.
type lane struct{ waiting []item }

// item is a packet with the number of bytes in which it came.
type item struct {
	packet packet.Packet
	size   int
}

// ackLane is the lane of acknowledgements. It is not the name of a namespace,
// which would begin with a slash.
const ackLane = ""

func laneOf(p *packet.Packet) string {
	if p.Type == packet.Ack || p.Type == packet.BinaryAck {
		return ackLane
	}
	return p.Namespace
}

// enqueue appends a packet to its lane.
func (c *conn) enqueue(p packet.Packet, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return
	}
	name := laneOf(&p)
	l := c.lanes[name]
	if l == nil {
		l = &lane{}
		c.lanes[name] = l
		c.srv.workers.Go(func() { c.work(name, l) })
	}
	l.waiting = append(l.waiting, item{p, size})
	c.packed++
	c.bytes += size
	if name == ackLane {
		c.answeredLocked(p.Namespace, p.ID)
	}
	if cfg := &c.srv.cfg; c.packed > hardQueue*cfg.QueuePackets || c.bytes > hardQueue*cfg.QueueBytes {
		c.dropLocked(string(engine.ReasonOverload))
		c.session.Close(engine.CodeTryAgainLater, string(engine.ReasonOverload))
	}
	c.throttleLocked()
}

// throttleLocked pauses or resumes reading. While a listener may be waiting for
// an acknowledgement of this client, reading goes on: the answer stands behind
// whatever the client sent before it.
func (c *conn) throttleLocked() {
	cfg := &c.srv.cfg
	full := c.packed > cfg.QueuePackets || c.bytes > cfg.QueueBytes
	low := c.packed <= cfg.QueuePackets/2 && c.bytes <= cfg.QueueBytes/2
	switch {
	case c.dropped:
	case !c.paused && full && !c.awaitingLocked():
		c.paused = true
		c.session.Pause()
	case c.paused && (low || c.awaitingLocked()):
		c.paused = false
		c.session.Resume()
	}
}

// work handles the packets of a lane, one after the other.
func (c *conn) work(name string, l *lane) {
	for {
		it, ok := c.next(name, l)
		if !ok {
			return
		}
		c.handle(&it.packet)
	}
}

// next takes the first packet of a lane. It removes an empty lane.
func (c *conn) next(name string, l *lane) (item, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(l.waiting) == 0 {
		delete(c.lanes, name)
		c.signalIdleLocked()
		return item{}, false
	}
	it := l.waiting[0]
	l.waiting[0] = item{} // let it go
	l.waiting = l.waiting[1:]
	c.packed--
	c.bytes -= it.size
	c.throttleLocked()
	return it, true
}

// drop drops waiting packets. The library will be told the reason, unless there
// was an earlier one.
func (c *conn) drop(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(reason)
}

// dropLocked is drop with mu held.
func (c *conn) dropLocked(reason string) {
	if c.why == "" {
		c.why = reason
	}
	c.dropped = true
	for _, l := range c.lanes {
		l.waiting = nil
	}
	c.packed, c.bytes = 0, 0
	c.asked = nil
}

// over notes that the session has ended. idle is closed when no lane is busy.
func (c *conn) over(reason string) (idle <-chan struct{}, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == "" {
		c.why = reason
	}
	c.ended = true
	c.signalIdleLocked()
	return c.idle, c.why
}

// signalIdleLocked signals that no packet is being handled any more.
func (c *conn) signalIdleLocked() {
	if c.ended && len(c.lanes) == 0 {
		select {
		case <-c.idle:
		default:
			close(c.idle)
		}
	}
}

// wait waits for c, but not longer than d.
func wait(c <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
	case <-timer.C:
	}
}
