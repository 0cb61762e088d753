package engine

import (
	"context"
	"net/http"
	"time"

	"gatehouse/internal/budget"
	"gatehouse/internal/limit"
)

// What strangers send costs work, and a stranger that opens connection after
// connection has the limits of a connection anew each time. So the work also counts
// for the client's address (IPv6 by /64), in packets. An address that has spent its
// share is read more slowly, and its handshakes are refused; nothing of that
// concerns other addresses, or connections that were admitted.
const (
	handshakeWork = 16 // packets that a handshake or an upgrade counts as
	requestWork   = 4  // packets that a request of a polling client counts as
)

// workBurst is how many seconds' worth of work an address may do at once.
const workBurst = 10

// longestSlowdown is how long a connection of an address that has spent its share
// waits before it is read again.
const longestSlowdown = 2 * time.Second

// newEarlyWork is what strangers may do; nil without a limit.
func newEarlyWork(perSecond int) *limit.Rate[budget.Owner] {
	if perSecond == 0 {
		return nil
	}
	return limit.NewRateOf[budget.Owner](perSecond*workBurst, time.Second/time.Duration(perSecond), nil)
}

// countWork counts n packets for the address of a stranger, and returns how long the
// address owes them, at most longestSlowdown.
func (s *Session) countWork(n int) time.Duration {
	if s.srv.earlyWork == nil || !s.stranger() {
		return 0
	}
	return s.srv.earlyWork.Spend(s.incoming.Owner(), n, longestSlowdown)
}

// beginWork counts a handshake, or refuses it.
func (srv *Server) beginWork(r *http.Request, owner budget.Owner) *Refusal {
	if srv.earlyWork == nil {
		return nil
	}
	wait := srv.earlyWork.TakeN(owner, handshakeWork)
	if wait == 0 {
		return nil
	}
	if srv.cfg.Refused != nil {
		srv.cfg.Refused(r, CodeAddressBusy)
	}
	return &Refusal{
		Status: http.StatusTooManyRequests, Code: codeForbidden, RetryAfter: max(wait, longestSlowdown),
		Message: "Connections of your address that have not signed in do too much; try again in a moment.",
	}
}

// awaitShare holds a request of a polling client back while its address owes work,
// or until ctx ends.
func (s *Session) awaitShare(ctx context.Context) {
	wait := s.countWork(requestWork - 1) // one has been counted as a packet
	if wait == 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// slowed reports whether reading waits because the address of a stranger owes work,
// and sees that it goes on. Session.in is held.
func (c *websocket) slowed() bool {
	if c.waits {
		return true
	}
	wait := c.s.countWork(0)
	if wait == 0 {
		return false
	}
	c.waits = true
	c.stream.pause()
	time.AfterFunc(wait, func() {
		c.s.srv.spawn(func() {
			c.s.in.Lock()
			c.waits = false
			c.s.in.Unlock()
			c.resume()
		})
	})
	return true
}
