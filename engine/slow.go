package engine

import (
	"math"

	"gatehouse/internal/budget"
)

// The policy for clients that are slow is in this file: when a client is behind,
// late or stalled, and who is cut.
//
//   - A client is behind when its stream is full, when it polls, or when more than
//     countAbove waits for it. What waits then counts in the budget.
//   - It keeps up, and gets volatile frames, while at most volatileBytes wait.
//   - It is late when more than lateBytes wait, its stream is full, or it polls. Only
//     then is it cut by a Send when the budget is spent.
//   - It is stalled while it takes nothing of what waits. After Config.OutboxAge it is
//     cut. More than Config.OutboxBytes cut it at once.
//   - Above seven eighths of Config.OutboxTotal the reaper cuts the largest backlogs.

// countAbove is how many bytes of frames may wait for a client that reads before
// they count in the budget.
const countAbove = 16 << 10

// volatileBytes is how much may wait for a client when a volatile frame is sent
// to it: frames that are sent together still go out together, and none goes out
// late.
const volatileBytes = 4 << 10

// lateBytes is how much may wait for a client before it counts as behind.
const lateBytes = 64 << 10

// keepsUpLocked reports whether the client is there and not behind.
func (s *Session) keepsUpLocked() bool {
	if s.current() != stateOpen || s.out.bytes > volatileBytes {
		return false
	}
	switch s.link.flow() {
	case flowFree:
		return true
	case flowFull:
		return false
	default:
		return !s.srv.budget.over()
	}
}

// behindLocked reports whether what waits may stay for a time, so that it must count.
func (s *Session) behindLocked() bool {
	return s.out.bytes > countAbove || s.link.flow() != flowFree
}

// lateLocked reports whether the session is cut, rather than sent more, when the budget
// is spent. That depends on how much waits for it, and why.
func (s *Session) lateLocked() bool {
	return s.out.bytes > lateBytes || s.link.flow() != flowFree
}

// Writable reports whether SendVolatile would queue a frame now.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepsUpLocked()
}

// Backlog returns how much waits for the client, in eighths of Config.OutboxBytes.
func (s *Session) Backlog() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.bytes * 8 / s.srv.limits().OutboxBytes
}

// stall notes since when a client has taken nothing of what waits for it.
// Session.mu guards it. Times are nanoseconds since the server began.
type stall struct {
	since  int64 // 0 while nothing waits, or everything that waits is on its way
	look   int64 // when the wheel looks at it; 0 while nobody has asked for that
	queued int   // how much the kernel still held for the client at the last look
}

// stalledLocked notes that the client does not take what waits, and asks the wheel to
// look whether that lasts.
func (s *Session) stalledLocked() {
	st := &s.stall
	if st.since != 0 {
		return
	}
	now := max(s.srv.now(), 1)
	st.since = now
	if st.look == 0 && s.current() == stateOpen {
		st.look = now + s.stallLooks()
		s.planLocked()
	}
}

// stallLooks is the time between two looks at a client that is behind: four
// within Config.OutboxAge.
func (s *Session) stallLooks() int64 { return max(int64(s.srv.limits().OutboxAge)/4, 1) }

// stallDueLocked looks at a client that was behind.
func (s *Session) stallDueLocked(now int64) error {
	st := &s.stall
	if st.look == 0 || now < st.look {
		return nil
	}
	if st.since == 0 || s.out.idle() && s.link.unsent() == 0 {
		*st = stall{}
		return nil
	}
	if s.link.takes() {
		st.since = now
	}
	if now-st.since >= int64(s.srv.limits().OutboxAge) {
		return errOutboxAge
	}
	st.look = now + s.stallLooks()
	return nil
}

// cut ends the session of a client that is too slow. An answer to a poll that is
// being written is given up, too: it may be large.
func (s *Session) cut(why *protocolError) {
	s.fail(why)
	s.mu.Lock()
	s.abortGETLocked()
	s.mu.Unlock()
}

// reap relieves the budget whenever it is nearly spent, until stop.
func (srv *Server) reap() {
	for {
		select {
		case <-srv.budget.stop:
			return
		case <-srv.budget.wake:
			srv.relieve()
		}
	}
}

// relieve cuts sessions, in the order of budget.Order, until enough is free.
func (srv *Server) relieve() {
	if srv.budget.held.Load() <= srv.budget.high() {
		return
	}
	claims, sessions := srv.backlogs()
	for i := range budget.Order(claims) {
		if srv.budget.held.Load() <= srv.budget.low() {
			return
		}
		sessions[i].cut(errOutboxTotal)
	}
}

// backlogs lists what waits for each session for which something does. Among equal
// backlogs, the client that has taken nothing for longest comes first, and one that is
// not behind comes last.
func (srv *Server) backlogs() (claims []budget.Claim, sessions []*Session) {
	for _, s := range srv.snapshot() {
		if c := s.backlog(); c.Bytes > 0 {
			claims, sessions = append(claims, c), append(sessions, s)
		}
	}
	return claims, sessions
}

func (s *Session) backlog() budget.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := budget.Claim{Owner: s.incoming.Owner(), Bytes: int64(s.out.bytes), Since: s.stall.since}
	if c.Since == 0 {
		c.Since = math.MaxInt64
	}
	if s.sending != nil {
		c.Bytes += int64(s.sending.bytes)
	}
	c.Bytes += int64(s.link.unsent())
	return c
}
