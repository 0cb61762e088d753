package engine

import "errors"

// heartbeat is the part of a session that keeps it alive. Session.mu guards it.
// Times are nanoseconds since the server began.
type heartbeat struct {
	due      int64 // when to ping, or by when the PONG must be there
	awaiting bool  // a PING is out
	extended bool  // something else was heard while waiting, once
	pausedAt int64 // when reading was paused; 0 while it is not
}

// startBeat puts the session on the wheel: its first PING is due in one
// interval.
func (s *Session) startBeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat.due = s.srv.now() + int64(s.srv.cfg.PingInterval)
	s.srv.wheel.schedule(s, s.beat.due)
}

// pause stops the clock of the heartbeat, or sets it going with the time left.
func (b *heartbeat) pause(paused bool, now int64) {
	switch {
	case paused:
		b.pausedAt = max(now, 1)
	case b.pausedAt != 0:
		b.due += now - b.pausedAt
		b.pausedAt = 0
	}
}

// planPauseLimit has the session looked at when its pause is too long, unless
// its heartbeat is due before. mu is held.
func (s *Session) planPauseLimit() {
	if limit := s.beat.pausedAt + int64(s.srv.cfg.PauseTimeout); limit < s.beat.due {
		s.plan(limit)
	}
}

// beatHeard notes that the client sent a packet. A PONG counts the next
// interval from now; anything else extends the wait for the PONG once, as Node
// does: a large upload may stand before it.
func (s *Session) beatHeard(kind byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.beat
	switch {
	case !b.awaiting:
	case kind == typePong:
		b.awaiting = false
		b.due = s.srv.now() + int64(s.srv.cfg.PingInterval)
		if s.srv.cfg.PingInterval < s.srv.cfg.PingTimeout && s.current() == stateOpen { // else the wheel looks early enough
			s.plan(b.due)
		}
	case !b.extended:
		b.extended = true
		b.due = s.srv.now() + int64(s.srv.cfg.PingTimeout)
	}
}

var pingFrame = control(typePing, "")

// tick is called by the wheel when the session's time may have come. It returns
// when to look again; 0 takes it off the wheel.
func (s *Session) tick(now int64) int64 {
	switch s.current() {
	case stateClosed:
		return 0
	case stateClosing:
		return s.closingDue(now)
	}
	s.mu.Lock()
	next, err := s.beatDue(now)
	if err == nil {
		next, err = s.stallDue(now, next)
	}
	s.mu.Unlock()
	var slow *protocolError
	switch {
	case errors.As(err, &slow) && slow.reason == ReasonSlow:
		s.cut(slow)
		return 0
	case err != nil:
		s.fail(err)
		return 0 // shut has put the session back with its closing deadline
	}
	return next
}

// closingDue ends a session whose time to close is over.
func (s *Session) closingDue(now int64) int64 {
	s.mu.Lock()
	deadline := s.closing.deadline
	s.mu.Unlock()
	if now < deadline {
		return deadline
	}
	s.finish()
	return 0
}

var (
	errPingTimeout = &protocolError{CodeGoingAway, ReasonPingTimeout, "no PONG within the ping timeout"}
	errOverload    = &protocolError{CodeTryAgainLater, ReasonOverload, "reading was paused for too long"}
)

// beatDue pings when a PING is due. mu is held.
func (s *Session) beatDue(now int64) (int64, error) {
	b := &s.beat
	if b.pausedAt != 0 {
		limit := b.pausedAt + int64(s.srv.cfg.PauseTimeout)
		if now >= limit {
			return 0, errOverload
		}
		return min(limit, now+int64(s.srv.cfg.PingTimeout)), nil
	}
	if now < b.due {
		return b.due, nil
	}
	if b.awaiting {
		return 0, errPingTimeout
	}
	b.awaiting, b.extended = true, false
	b.due = now + int64(s.srv.cfg.PingTimeout)
	s.push(pingFrame)
	return b.due, nil
}
