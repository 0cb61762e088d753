package engine

import "gatehouse/engine/internal/rfc6455"

// deflateContext is the writing side of a connection with context takeover: what
// the client remembers of earlier messages, and the bytes that were made for it
// alone. A nil one is no context.
type deflateContext struct {
	history rfc6455.History // owned by the flusher

	// Session.mu guards what follows.
	unsent []byte               // made for the client and not yet written
	held   int64                // its memory, as it counts in the budget
	sent   []func(written bool) // Notify functions that wait until unsent is written
}

// unsentBytesLocked is how many bytes wait behind the send queue. Session.mu is
// held.
func (d *deflateContext) unsentBytesLocked() int {
	if d == nil {
		return 0
	}
	return len(d.unsent)
}

// advanceLocked takes n written bytes off. Session.mu is held.
func (d *deflateContext) advanceLocked(n int, b *sendBudget) {
	d.unsent = d.unsent[min(n, len(d.unsent)):] // it may be gone with its session
	if len(d.unsent) == 0 {
		d.settleLocked(true)
		d.forgetLocked(b)
	}
}

// settleLocked calls the Notify functions of the unsent frames. Session.mu is
// held.
func (d *deflateContext) settleLocked(written bool) {
	for _, sent := range d.sent {
		sent(written)
	}
	d.sent = nil
}

// awaitLocked keeps the frames' Notify functions until the unsent bytes are
// written. Session.mu is held.
func (d *deflateContext) awaitLocked(frames []*Frame) {
	for _, f := range frames {
		if f.sent != nil {
			d.sent = append(d.sent, f.sent)
			f.sent = nil
		}
	}
}

// forgetLocked drops the unsent bytes. Session.mu is held.
func (d *deflateContext) forgetLocked(b *sendBudget) {
	if d != nil {
		d.settleLocked(false)
		b.add(-d.held)
		d.unsent, d.held = nil, 0
	}
}

// compressNext compresses the next waiting frames for a client with a context,
// and takes the frames off the queue. frames are in flight.
func (f *flusher) compressNext(c *websocket, frames []*Frame) []byte {
	s, d := c.s, c.context
	var b []byte
	n := 0
	for plain := 0; n < len(frames) && plain < flushBytes; n++ {
		plain += frames[n].size()
		b = frames[n].appendDeflated(b, f.compressor(s.srv), &d.history)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current() == stateClosed {
		return nil
	}
	d.awaitLocked(frames[:n])
	s.out.shift(n, &s.srv.budget)
	d.unsent, d.held = b, int64(cap(b))
	s.srv.budget.add(d.held)
	return b
}
