package bridge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/packet"
)

// turn is the handling of one packet by the library and the application's
// listeners, which run in goroutines of the library.
type turn struct {
	event string

	done     chan struct{} // closed when the listeners have returned, or when none will run
	back     chan struct{} // closed when the middlewares have returned
	doneOnce sync.Once
	backOnce sync.Once

	listening string      // the event of this package's own listener; fixed before heard
	heard     atomic.Bool // there is such a listener, behind those of the application
}

func newTurn(event string) *turn {
	return &turn{event: event, done: make(chan struct{}), back: make(chan struct{})}
}

// finish ends the turn. A nil turn has ended.
func (t *turn) finish() {
	if t != nil {
		t.doneOnce.Do(func() { close(t.done) })
	}
}

func (t *turn) passed() {
	if t != nil {
		t.backOnce.Do(func() { close(t.back) })
	}
}

// listen adds a listener behind those that the socket has for the event.
func (t *turn) listen(s *socket.Socket, event string) {
	t.listening = event // a middleware may have renamed it
	t.heard.Store(true)
	_ = s.Once(event, t.listened)
}

func (t *turn) listened(...any) { t.finish() }

// forget takes the listener away when it was not called.
func (t *turn) forget(s *socket.Socket) {
	if s != nil && t.heard.Load() {
		s.RemoveListener(events.EventName(t.listening), t.listened)
	}
}

// handle gives one packet to the library and waits until its listeners have
// finished.
func (c *conn) handle(p *packet.Packet) {
	defer c.srv.recovered(c, p.Type.String())
	switch p.Type {
	case packet.Connect:
		c.connect(p)
	case packet.Event, packet.BinaryEvent:
		c.event(p)
	case packet.Disconnect:
		c.disconnect(p)
	case packet.Ack, packet.BinaryAck:
		c.feed(p)
	default:
		c.feed(p) // the library closes the connection
	}
}

// feed hands the packet to the library. For a CONNECT the library calls the
// namespace's middlewares before it returns; it handles any other packet in a
// goroutine.
func (c *conn) feed(p *packet.Packet) {
	if len(p.Args.Attachments()) > 0 {
		c.feeding.Lock()
		defer c.feeding.Unlock()
	} else {
		c.feeding.RLock()
		defer c.feeding.RUnlock()
	}
	_ = hand(p, func(data any) error { // an error of the library's decoder closes the connection
		c.Emit("data", data)
		return nil
	})
}

// connect waits for the namespace's middlewares and connection listeners, so
// that early events find the socket and its listeners.
func (c *conn) connect(p *packet.Packet) {
	if s, gone := c.seat(p.Namespace); s != nil && !gone {
		c.feed(p) // the second CONNECT: the library closes the connection
		return
	}
	s := c.take(p.Namespace)
	t := newTurn("")
	s.turn.Store(t)
	c.feed(p)
	c.await(t.done, nil, c.srv.io.ConnectTimeout())
	if s.socketNow() == nil {
		c.leave(s) // refused
	}
}

func (c *conn) event(p *packet.Packet) {
	s, gone := c.seat(p.Namespace)
	switch {
	case gone:
		return
	case s == nil:
		c.feed(p) // never connected here: the library closes the connection
		return
	}
	t := newTurn(p.Event)
	s.turn.Store(t)
	c.feed(p)
	if !c.finished(t) {
		t.forget(s.socketNow())
	}
}

// finished waits for the middlewares and listeners of an event, and reports
// whether they have finished.
func (c *conn) finished(t *turn) bool {
	switch c.await(t.done, t.back, c.srv.cfg.EventWait) {
	case t.done:
		return true
	case nil:
		return false
	}
	if !t.heard.Load() && c.await(t.done, nil, c.srv.cfg.LateNext) == t.done {
		return true
	}
	// A middleware that was late is waited for like any other.
	return t.heard.Load() && c.await(t.done, nil, c.srv.cfg.EventWait) == t.done
}

func (c *conn) disconnect(p *packet.Packet) {
	s, gone := c.seat(p.Namespace)
	if gone {
		c.leave(s)
		return
	}
	t := newTurn("")
	if s != nil {
		s.turn.Store(t)
	}
	c.feed(p)
	if s != nil {
		c.await(t.done, nil, c.srv.cfg.EventWait)
	}
}

// await returns which of two channels is closed first, or nil when the
// connection is over or the time is up before.
func (c *conn) await(a, b chan struct{}, limit time.Duration) chan struct{} {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-a:
		return a
	case <-b:
		return b
	case <-c.done:
	case <-timer.C:
	}
	return nil
}
