package namespaces

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"gatehouse/handshake"
)

// A default JavaScript client never comes back after a CONNECT_ERROR, but it reconnects by itself when its transport closes.
// So an admission that is refused for a passing cause is not answered where the connection has no other namespace: it is
// held, the gate is asked again, and when the time for an admission is over the transport closes. The client's backoff
// begins anew with every opening, so only the time that connections are held keeps clients from coming in a storm.
const (
	firstAgain = 250 * time.Millisecond // after the first refusal; then twice as long, and so on
	lastAgain  = 3 * time.Second        // at most
)

// passes reports whether trying again may help, and after how long at the earliest.
func passes(v verdict) bool {
	switch v.Code {
	case handshake.CodeUnavailable, handshake.CodeRateLimited, handshake.CodeTooManyConnections:
		return true
	default:
		return v.RetryAfter > 0
	}
}

// hold keeps an admission that was refused for a passing cause. It returns false when the admission is to be refused: for any
// other cause, and where the client is in another namespace, which it would lose with the transport. For a client that is
// being closed it does nothing.
func (s *Socket) hold(err error) bool {
	v := refusalFor(err)
	if !passes(v) {
		return false
	}
	left, pending := s.ns.hub.registry.left(s.client)
	if !pending {
		return s.client.over()
	}
	after, over, first := s.plan(v, left)
	switch {
	case after == 0:
		return s.client.over()
	case over:
		s.later(after, func() { s.turnAway(err, v) })
	default:
		s.later(after, s.again)
	}
	if first {
		s.logRefusal(err, v)
	}
	return true
}

// plan returns when a held admission is tried again, whether its connection ends then, and whether it was held before. It
// returns 0 when the admission is gone or the client is in another namespace.
func (s *Socket) plan(v verdict, left time.Duration) (after time.Duration, over, first bool) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.admission
	if p == nil || c.closed || c.inOtherLocked(s) {
		return 0, false, false
	}
	if first = p.tries == 0; first {
		p.until = time.Now().Add(left - rand.N(max(left/4, 1))) // the transports of clients that came at once do not close at once
		p.kept = len(p.request.Auth)
		s.conn.Hold(p.kept)
	}
	p.rooms, p.frames = nil, nil // of an admission that has not taken place
	after = min(firstAgain<<min(p.tries, 8), lastAgain)
	after = max(after/2+rand.N(after/2), v.RetryAfter)
	p.tries++
	rest := max(time.Until(p.until), time.Millisecond)
	return min(after, rest), after >= rest, first
}

// over reports whether the connection ends.
func (c *Client) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// inOtherLocked reports whether the client is in another namespace than that of s.
func (c *Client) inOtherLocked(s *Socket) bool {
	return slices.ContainsFunc(c.sockets, func(o *Socket) bool { return o != s && o.Connected() })
}

// later calls f after a while, unless the admission is gone by then. Hub.Close ends the admission, and waits for f.
func (s *Socket) later(after time.Duration, f func()) {
	hub := s.ns.hub
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.admission == nil {
		return
	}
	hub.tasks.Hold()
	timer := time.AfterFunc(after, func() {
		defer hub.tasks.Release()
		f()
	})
	s.admission.cancel = func() {
		if timer.Stop() {
			hub.tasks.Release()
		}
	}
}

// again has a held admission examined once more.
func (s *Socket) again() {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed && !s.done {
		s.waiting = true
		c.advanceLocked()
	}
}

// turnAway ends the connection of an admission that has been held for the longest time allowed.
func (s *Socket) turnAway(err error, v verdict) {
	c := s.client
	c.mu.Lock()
	elsewhere := c.inOtherLocked(s)
	c.mu.Unlock()
	if elsewhere {
		s.refuse(err)
		return
	}
	s.debug("connection of a held admission closed", slog.String("code", string(v.Code)))
	s.countRefusal(err, v)
	c.shut(closeTryAgainLater, string(v.Code), ReasonForcedServer)
}
