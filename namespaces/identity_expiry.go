package namespaces

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"gatehouse/internal/ordered"
)

// expiryQueue holds the identities that will expire, the next one first. One goroutine serves it for all sockets of a hub;
// identities that do not expire are not in it.
type expiryQueue struct {
	wake chan struct{} // there is a new first one

	mu            sync.Mutex // guards what follows, and the places of leases; a leaf
	notice, grace time.Duration
	queue         *ordered.Heap[*lease] // by due
}

// maxSleep is the longest time that the expiry queue sleeps. Tokens expire by the wall clock, which can be set while timers run.
const maxSleep = 30 * time.Second

// noticeShare is the part of a short life that is left when its end is announced.
const noticeShare = 4

func (a *expiryQueue) init(notice, grace time.Duration) {
	a.notice, a.grace = notice, grace
	a.wake = make(chan struct{}, 1)
	a.queue = ordered.New(func(a, b *lease) bool { return a.due.Before(b.due) }, func(t *lease) *ordered.Place { return &t.pos })
}

// setLimits changes the limits: the notice of leases that are entered from now on, the grace of those that have had no notice.
func (a *expiryQueue) setLimits(notice, grace time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.notice, a.grace = notice, grace
}

// set enters a lease, or moves it; zero takes it out.
func (a *expiryQueue) set(t *lease, expires time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue.Remove(t)
	if expires.IsZero() {
		return
	}
	t.expires, t.noticed = expires, false
	t.due = expires.Add(-min(a.notice, max(0, time.Until(expires))/noticeShare))
	a.queue.Set(t)
	if a.queue.First() == t {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// remove takes a lease out.
func (a *expiryQueue) remove(t *lease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue.Remove(t)
}

// next returns a lease whose time has come: for the notice or, if that was given before, for the end; over tells which.
// Otherwise it returns nil and how long to sleep.
func (a *expiryQueue) next(now time.Time) (due *lease, expires time.Time, over bool, sleep time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.queue.Len() == 0 {
		return nil, time.Time{}, false, maxSleep
	}
	t := a.queue.First()
	if now.Before(t.due) {
		return nil, time.Time{}, false, min(t.due.Sub(now), maxSleep)
	}
	if t.noticed {
		a.queue.Remove(t)
		return t, t.expires, true, 0
	}
	t.noticed, t.due = true, t.expires.Add(a.grace)
	a.queue.Set(t)
	return t, t.expires, false, 0
}

// runExpiry announces the end of identities and ends those that were not refreshed. It runs until the hub closes.
func (h *Hub) runExpiry() {
	timer := time.NewTimer(maxSleep)
	defer timer.Stop()
	for {
		t, expires, over, sleep := h.expiries.next(time.Now())
		switch {
		case t != nil && over:
			t.socket.client.expire(t.socket)
			continue
		case t != nil:
			t.socket.announceEnd(expires)
			continue
		}
		timer.Reset(sleep)
		select {
		case <-timer.C:
		case <-h.expiries.wake:
		case <-h.registry.stop:
			return
		}
	}
}

// expiring is what auth:expiring carries.
type expiring struct {
	ExpiresAt int64 `json:"expiresAt"` // milliseconds since 1970
}

func (s *Socket) announceEnd(expires time.Time) {
	_ = s.sendPacket(s.ns.notice(eventExpiring, expiring{expires.UnixMilli()}), 0)
}

// expire ends a socket whose identity has expired. When the connection has another namespace with a valid identity, the
// socket alone ends, by DISCONNECT. Otherwise the transport closes, so that a client with an auth function comes back by
// itself to all its namespaces.
func (c *Client) expire(s *Socket) {
	now := time.Now()
	c.mu.Lock()
	if s.done || !s.expiredLocked(now, 0) { // the grace, too, is over, or another identity was accepted
		c.mu.Unlock()
		return // the identity was refreshed, or the socket has ended, just now
	}
	s.done = true // no refresh is accepted any more
	shared := slices.ContainsFunc(c.sockets, func(o *Socket) bool {
		return o != s && !o.done && o.Connected() && !o.expiredLocked(now, 0)
	})
	c.mu.Unlock()
	s.debug("identity expired", slog.Bool("transport", !shared))
	if shared || s.in(parked) {
		s.end(ReasonExpired, byServer)
		return
	}
	c.shut(closePolicy, ReasonExpired, ReasonExpired)
}

// expiredLocked reports whether the identity that was accepted last ended at least that long ago. The client's mu is
// held.
func (s *Socket) expiredLocked(now time.Time, ago time.Duration) bool {
	expires := s.latestLocked().ExpiresAt
	return !expires.IsZero() && !now.Before(expires.Add(ago))
}
