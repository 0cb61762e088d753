package engine

import (
	"sync"
	"time"
)

// wheel is the one timer of all sessions. Each session has at most one place in
// it. Times are rounded up to the next tick, so that nothing comes early, or late
// by more than a tick; a session whose time lies further than one turn ahead is
// looked at once a turn.
type wheel struct {
	tick time.Duration
	now  func() int64

	mu      sync.Mutex // guards what follows and every wheelSlot
	buckets []*Session
	at      int64 // the last tick that was handled

	stop chan struct{}
}

// wheelSlot is a session's place in the wheel.
type wheelSlot struct {
	prev, next *Session
	due        int64
	bucket     int32
	linked     bool
}

const wheelBuckets = 512

// tick is the resolution of the wheel. A heartbeat is late by less than a hundredth of
// its period, with something left for the scheduler, or by less than 2 ms; the other
// times are limits, of which nobody minds a sixteenth more. An idle server wakes up
// once a tick: every 160 ms by default.
func (c *Config) tick() time.Duration {
	beat := min(c.PingInterval, c.PingTimeout) / 125
	limit := min(c.CloseTimeout, c.PauseTimeout, c.OutboxAge) / 16
	return min(max(beat, time.Millisecond), max(limit, 5*time.Millisecond), 250*time.Millisecond)
}

func newWheel(tick time.Duration, now func() int64) *wheel {
	return &wheel{
		tick:    tick,
		now:     now,
		buckets: make([]*Session, wheelBuckets),
		stop:    make(chan struct{}),
	}
}

// schedule has s looked at when due has come, instead of at any earlier plan.
func (w *wheel) schedule(s *Session, due int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
	w.link(s, due)
}

// remove takes s off.
func (w *wheel) remove(s *Session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unlink(s)
}

func (w *wheel) link(s *Session, due int64) {
	tick := max((due+int64(w.tick)-1)/int64(w.tick), w.at+1)
	i := int32(tick % wheelBuckets)
	s.slot = wheelSlot{next: w.buckets[i], due: due, bucket: i, linked: true}
	if s.slot.next != nil {
		s.slot.next.slot.prev = s
	}
	w.buckets[i] = s
}

func (w *wheel) unlink(s *Session) {
	if !s.slot.linked {
		return
	}
	if s.slot.prev != nil {
		s.slot.prev.slot.next = s.slot.next
	} else {
		w.buckets[s.slot.bucket] = s.slot.next
	}
	if s.slot.next != nil {
		s.slot.next.slot.prev = s.slot.prev
	}
	s.slot = wheelSlot{}
}

// run turns the wheel until close is called.
func (w *wheel) run() {
	t := time.NewTimer(w.untilTick())
	defer t.Stop()
	var due []*Session
	for {
		select {
		case <-w.stop:
			return
		case <-t.C:
			due = w.turn(due[:0])
			clear(due)
			t.Reset(w.untilTick())
		}
	}
}

// untilTick is the time to the next tick: a ticker that began between two would come
// late by the same part of a tick each time.
func (w *wheel) untilTick() time.Duration { return w.tick - time.Duration(w.now())%w.tick }

func (w *wheel) close() { close(w.stop) }

// turn handles all ticks up to now.
func (w *wheel) turn(due []*Session) []*Session {
	now := w.now()
	w.mu.Lock()
	target := now / int64(w.tick)
	// After a long sleep of the process one full turn sees every session.
	if target-w.at > wheelBuckets {
		w.at = target - wheelBuckets
	}
	for w.at < target {
		w.at++
		due = w.collectLocked(int(w.at%wheelBuckets), now, due)
	}
	w.mu.Unlock()
	for _, s := range due {
		if next := s.tick(w.now()); next != 0 { // many may have come before s
			w.scheduleUnlessPlanned(s, next)
		}
	}
	return due
}

// collectLocked takes the sessions of one bucket whose time has come.
func (w *wheel) collectLocked(i int, now int64, due []*Session) []*Session {
	for s := w.buckets[i]; s != nil; {
		next := s.slot.next
		if s.slot.due <= now {
			w.unlink(s)
			due = append(due, s)
		}
		s = next
	}
	return due
}

// scheduleUnlessPlanned puts s back, unless somebody did with an earlier plan:
// a session that began to close meanwhile has its closing deadline there.
func (w *wheel) scheduleUnlessPlanned(s *Session, due int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !s.slot.linked && s.current() != stateClosed {
		w.link(s, due)
	}
}
