package engine

import "errors"

// heartbeat is the part of a session that keeps it alive. Session.mu guards it.
// Times are nanoseconds since the server began.
type heartbeat struct {
	pinged   int64  // when the last PING went out; the client counts from there
	due      int64  // when to ping, or by when the PONG must be there
	awaiting bool   // a PING is out
	extended bool   // a packet other than the PONG has come while waiting; counts once
	partly   uint32 // bytes of a message that was not complete when the PONG was due
	pausedAt int64  // when reading was paused; 0 while it is not
}

// startBeat puts the session on the wheel: its first PING is due in one
// interval.
func (s *Session) startBeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beat.pinged = s.srv.now()
	s.beat.due = s.beat.pinged + int64(s.srv.cfg.PingInterval)
	s.planLocked()
}

// pauseBeatLocked stops waiting for a PONG while nothing is read, or begins to
// wait anew. PINGs go on: a client ends the connection when none comes for
// PingInterval and PingTimeout together.
func (s *Session) pauseBeatLocked(paused bool) {
	b, now := &s.beat, s.srv.now()
	if paused {
		b.pausedAt = max(now, 1)
	} else {
		b.pausedAt = 0
		if b.awaiting {
			b.due = now + int64(s.srv.cfg.PingTimeout)
		}
	}
	s.planLocked()
}

// beatHeard notes that the client sent a packet. After a PONG the next interval
// begins now, or when the PONG was due if it stood unread. Any other packet
// extends the wait for the PONG once, as with Node: a large upload may stand
// before the PONG.
func (s *Session) beatHeard(kind byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, now, timeout := &s.beat, s.srv.now(), int64(s.srv.cfg.PingTimeout)
	switch {
	case !b.awaiting:
	case kind == typePong:
		b.awaiting = false
		b.due = min(now, b.pinged+timeout) + int64(s.srv.cfg.PingInterval)
		if s.srv.cfg.PingInterval < s.srv.cfg.PingTimeout { // else the wheel looks early enough
			s.planLocked()
		}
	case !b.extended:
		b.extended = true
		b.due = now + timeout
	}
}

// nextLookLocked is when the wheel must look at an open session.
func (s *Session) nextLookLocked() int64 {
	next := s.nextBeatLocked()
	if paused := s.beat.pausedAt; paused != 0 {
		next = min(next, paused+int64(s.srv.limits().PauseTimeout))
	}
	if look := s.stall.look; look != 0 {
		next = min(next, look)
	}
	return next
}

// nextBeatLocked is when to send the next PING, or the deadline of the PONG.
func (s *Session) nextBeatLocked() int64 {
	if b := &s.beat; b.pausedAt != 0 && b.awaiting {
		return b.pinged + int64(s.srv.cfg.PingInterval)
	}
	return s.beat.due
}

// planLocked tells the wheel when to look next: for a session that is closing, at
// its deadline.
func (s *Session) planLocked() {
	if s.current() == stateOpen {
		s.srv.wheel.schedule(s, s.nextLookLocked())
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
	err := s.beatDueLocked(now)
	if err == nil {
		err = s.stallDueLocked(now)
	}
	if err == nil {
		err = s.messageDueLocked(now)
	}
	next := s.nextLookLocked()
	s.mu.Unlock()
	var slow *protocolError
	switch {
	case errors.As(err, &slow) && slow.reason == ReasonSlow:
		s.cut(slow)
		return 0
	case err != nil:
		s.fail(err)
		return 0 // closeWith has put the session back with its closing deadline
	}
	return next
}

// closingDue ends a session that has not closed in time.
func (s *Session) closingDue(now int64) int64 {
	s.mu.Lock()
	deadline := s.closing.deadline
	s.mu.Unlock()
	if now < deadline {
		return deadline
	}
	s.destroy()
	return 0
}

var (
	errPingTimeout = &protocolError{CodeGoingAway, ReasonPingTimeout, "no PONG within the ping timeout"}
	errOverload    = &protocolError{CodeTryAgainLater, ReasonOverload, "reading was paused for too long"}
)

// beatDueLocked pings when a PING is due.
func (s *Session) beatDueLocked(now int64) error {
	b := &s.beat
	paused := b.pausedAt != 0
	switch {
	case paused && now >= b.pausedAt+int64(s.srv.limits().PauseTimeout):
		return errOverload
	case now < s.nextBeatLocked():
		return nil
	case b.awaiting && !paused && s.movesLocked():
		b.due = now + int64(s.srv.cfg.PingTimeout)
		return nil
	case b.awaiting && !paused:
		return errPingTimeout
	}
	b.pinged, b.due = now, now+int64(s.srv.cfg.PingTimeout)
	b.awaiting, b.extended, b.partly = true, false, 0
	s.pushLocked(pingFrame)
	return nil
}
