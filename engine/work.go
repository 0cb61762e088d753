package engine

import (
	"context"
	"net/http"
	"sync"
	"time"

	"gatehouse/internal/budget"
	"gatehouse/internal/limit"
)

// Packets of strangers cost work, and a stranger can have the limits of a connection
// anew by opening another one. So the work also counts, in packets, for the client's
// address (IPv6 by /64). An address that has spent its share is read more slowly, and
// its handshakes are refused; nothing of that concerns other addresses, or connections
// that were admitted.
const (
	handshakeWork = 16 // packets that a handshake or an upgrade counts as
	requestWork   = 4  // packets that a request of a polling client counts as
)

// workBurst is how many seconds' worth of work an address may do at once.
const workBurst = 10

// longestSlowdown is about how long a connection of an address that has spent its
// share waits before it is read again.
const longestSlowdown = 2 * time.Second

// workTurn is how long the next connection of an address waits, or less in a long
// line. After it the address has earned more than one packet.
const workTurn = 10 * time.Millisecond

// earlyWork is what strangers may do, by address. Connections of an address that owes
// work wait in a line, and one at a time goes on: thousands that went on together
// would hold up everybody else. It is safe for concurrent use.
type earlyWork struct {
	*limit.Rate[budget.Owner]
	start func(func()) bool // starts a goroutine

	mu    sync.Mutex                // guards what follows; taken before that of Rate
	lines map[budget.Owner][]func() // present while somebody waits or goes on
}

// newEarlyWork makes the limit; nil without one.
func newEarlyWork(limits *Early, start func(func()) bool) *earlyWork {
	if limits == nil {
		return nil
	}
	perSecond := limits.WorkPerAddress
	return &earlyWork{
		Rate:  limit.NewRateOf[budget.Owner](perSecond*workBurst, time.Second/time.Duration(perSecond), nil),
		start: start,
		lines: make(map[budget.Owner][]func()),
	}
}

// wait calls goOn in a goroutine when it is its turn.
func (w *earlyWork) wait(owner budget.Owner, goOn func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line, busy := w.lines[owner]
	w.lines[owner] = append(line, goOn)
	if !busy {
		w.scheduleLocked(owner)
	}
}

// scheduleLocked lets the first in line go on when the address owes nothing any more,
// or earlier: in a line that stays as long as it is, each waits longestSlowdown, and
// the last one in a line that gets shorter waits a few times as long.
func (w *earlyWork) scheduleLocked(owner budget.Owner) {
	owed := w.Spend(owner, 0, longestSlowdown)
	after := min(max(owed, workTurn), longestSlowdown/time.Duration(len(w.lines[owner])))
	time.AfterFunc(after, func() {
		if !w.start(func() { w.next(owner) }) {
			w.letGo(owner)
		}
	})
}

// letGo has all in line go on, because the server is closed and the limit has no use any
// more.
func (w *earlyWork) letGo(owner budget.Owner) {
	w.mu.Lock()
	line := w.lines[owner]
	delete(w.lines, owner)
	w.mu.Unlock()
	for _, goOn := range line {
		goOn()
	}
}

// next lets the first in line go on. The one behind it waits until that is through.
func (w *earlyWork) next(owner budget.Owner) {
	w.mu.Lock()
	line := w.lines[owner]
	goOn := line[0]
	line[0] = nil
	w.lines[owner] = line[1:]
	w.mu.Unlock()
	goOn()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lines[owner]) == 0 {
		delete(w.lines, owner)
		return
	}
	w.scheduleLocked(owner)
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

// toldSlowed reports that the session waits for its address.
func (s *Session) toldSlowed() {
	if s.srv.cfg.Slowed != nil {
		s.srv.cfg.Slowed(s.handler)
	}
}

// awaitShare holds a request of a polling client back while its address owes work,
// or until ctx ends.
func (s *Session) awaitShare(ctx context.Context) {
	if s.countWork(requestWork-1) == 0 { // one packet of the request has been counted already
		return
	}
	s.toldSlowed()
	turn := make(chan struct{})
	s.srv.earlyWork.wait(s.incoming.Owner(), func() { close(turn) })
	select {
	case <-turn:
	case <-ctx.Done():
	}
}

// slowed reports whether reading waits because the address of a stranger owes work,
// and sees that it goes on. Session.in is held.
func (c *websocket) slowed() bool {
	if c.waits {
		return true
	}
	if c.s.countWork(0) == 0 {
		return false
	}
	c.waits = true
	c.s.toldSlowed()
	c.stream.pause()
	c.s.srv.earlyWork.wait(c.s.incoming.Owner(), func() {
		c.s.in.Lock()
		c.waits = false
		c.s.in.Unlock()
		c.resume()
	})
	return true
}
