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
		s.plan()
	}
}

// stallLooks is the time between two looks at a client that is behind: four
// within Config.OutboxAge.
func (s *Session) stallLooks() int64 { return max(int64(s.srv.cfg.OutboxAge)/4, 1) }

// stallDue looks at a client that was behind. mu is held.
func (s *Session) stallDue(now int64) error {
	st := &s.stall
	if st.look == 0 || now < st.look {
		return nil
	}
	if st.since == 0 || s.out.idle() && (s.ws == nil || s.ws.context.unsentBytes() == 0) {
		*st = stall{}
		return nil
	}
	if s.takes() {
		st.since = now
	}
	if now-st.since >= int64(s.srv.cfg.OutboxAge) {
		return errOutboxAge
	}
	st.look = now + s.stallLooks()
	return nil
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
