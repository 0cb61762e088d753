package engine

// stall notes since when a client has taken nothing of what waits for it.
// Session.mu guards it. Times are nanoseconds since the server began.
type stall struct {
	since  int64 // 0 while nothing waits, or all that waits is on its way
	look   int64 // when the wheel looks at it; 0 while nobody has asked for that
	queued int   // what the kernel still held for the client at the last look
}

// stalled notes that the client does not take what waits, and has the wheel look
// whether that lasts. mu is held.
func (s *Session) stalled() {
	st := &s.stall
	if st.since != 0 {
		return
	}
	now := max(s.srv.now(), 1)
	st.since = now
	if st.look == 0 && s.current() == stateOpen {
		st.look = now + s.stallLooks()
		s.plan(s.beat.due)
	}
}

// stallLooks is the time between two looks at a client that is behind: four
// within Config.OutboxAge.
func (s *Session) stallLooks() int64 { return max(int64(s.srv.cfg.OutboxAge)/4, 1) }

// plan has the session looked at when due has come, or before, when the wheel is
// to look at its stall. mu is held.
func (s *Session) plan(due int64) {
	if look := s.stall.look; look != 0 {
		due = min(due, look)
	}
	s.srv.wheel.schedule(s, due)
}

// stallDue looks at a client that was behind and returns when to look again: next,
// or before. mu is held.
func (s *Session) stallDue(now, next int64) (int64, error) {
	st := &s.stall
	if st.look == 0 || now < st.look {
		return s.nextLook(next), nil
	}
	if st.since == 0 || s.out.idle() && (s.ws == nil || s.ws.context.unsent() == 0) {
		*st = stall{}
		return next, nil
	}
	if s.takes() {
		st.since = now
	}
	if now-st.since >= int64(s.srv.cfg.OutboxAge) {
		return 0, errOutboxAge
	}
	st.look = now + s.stallLooks()
	return s.nextLook(next), nil
}

func (s *Session) nextLook(next int64) int64 {
	if look := s.stall.look; look != 0 {
		return min(next, look)
	}
	return next
}

// takes reports whether the client has taken something since the last look, as
// far as can be seen: a full socket reports room only when a good part of it is
// free, which a client on a thin line may take a minute for. mu is held.
func (s *Session) takes() bool {
	if s.ws == nil {
		return s.sending != nil // its writes have a deadline of their own
	}
	if !s.blocked {
		return true // it is the flusher's turn
	}
	queued := s.ws.stream.queued()
	before := s.stall.queued
	s.stall.queued = queued
	return queued >= 0 && queued != before
}

// cut ends the session of a client that is too slow. What was being written to
// it for a poll is given up, too: it may be large.
func (s *Session) cut(why *protocolError) {
	s.fail(why)
	s.mu.Lock()
	s.abortGET()
	s.mu.Unlock()
}
