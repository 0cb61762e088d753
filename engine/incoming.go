package engine

import (
	"math"
	"net/http"
	"net/netip"
	"time"

	"gatehouse/internal/budget"
)

// clientAddr is the address by which a stranger counts.
func (srv *Server) clientAddr(r *http.Request, p *Peer) netip.Addr {
	if srv.cfg.ClientAddr != nil {
		return srv.cfg.ClientAddr(r)
	}
	return p.RemoteAddr.Addr()
}

// Hold counts n more bytes that the handler keeps of what the client sent, such as
// events that wait for their turn, or fewer when n is negative. It reports false
// when there is no room for them, and the session is closed with ReasonOverload
// then; they count in either case until they are taken off. It costs an atomic
// addition and does not block; no lock needs to be given up for it.
func (s *Session) Hold(n int) bool {
	room := s.incoming.Add(s.srv.incoming, n, (*incomingHolder)(s))
	if n > 0 && s.stranger() && s.incoming.Held() > int64(s.srv.limits().earlyIncoming) {
		room = false
	}
	if room {
		return true
	}
	s.srv.spawn((*incomingHolder)(s).Cut)
	return false
}

// incomingHolder is a session in the budget of incoming data.
type incomingHolder Session

// Cut implements budget.Holder.
func (h *incomingHolder) Cut() { (*Session)(h).cut(errIncoming) }

// belongTo makes the session a user's, or a guest's. A guest's session can
// become a user's; a user's stays so.
func (s *Session) belongTo(issuer, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return
	}
	owner := s.incoming.Owner().Guest()
	if subject != "" {
		s.known = true
		owner = budget.User(issuer, subject)
	}
	s.incoming.Move(s.srv.incoming, owner)
}

// partly says what a session holds of a message that is not complete: the bytes, and
// since when, in seconds since the server began, with the first second as 1. Both
// fit into one word, so that the wheel can look at them without Session.in.
type partly uint64

func newPartly(bytes int, since int64) partly {
	return partly(min(uint64(since), math.MaxUint32)<<32 | min(uint64(bytes), math.MaxUint32))
}

func (p partly) bytes() int   { return int(p & math.MaxUint32) }
func (p partly) since() int64 { return int64(p >> 32) }

// memory is how much memory these bytes take at most: buffers grow by a quarter.
func (p partly) memory() int { return p.bytes() + p.bytes()/4 }

// settle counts the bytes that the reader holds now. Session.in is held.
func (c *websocket) settle() {
	before, bytes := c.unfinished(), c.reader.Pending()
	if bytes == 0 && before == 0 || c.reader.Discards {
		return
	}
	var now partly
	if bytes > 0 {
		since := before.since()
		if c.arrived || since == 0 {
			since = c.s.srv.now()/int64(time.Second) + 1
		}
		now = newPartly(bytes, since)
	}
	c.arrived = false
	c.incomplete.Store(uint64(now))
	c.s.Hold(now.memory() - before.memory())
}

// messageDueLocked looks at a message that is not complete: it must come at a rate that
// bounds how long it is held.
func (s *Session) messageDueLocked(now int64) error {
	if s.beat.pausedAt == 0 && s.link.unfinished().tooSlow(now, s.srv.limits().MessageTimeout) {
		return errTooSlow
	}
	return nil
}

// movesLocked reports whether a message that is not complete has grown since the last
// call: the PONG may stand behind that message.
func (s *Session) movesLocked() bool {
	now, before := uint32(s.link.unfinished().bytes()), s.beat.partly
	s.beat.partly = now
	return now > before
}

// slowest is how many bytes a second a message must come with on average, when it
// takes longer than Config.MessageTimeout.
const slowest = 1 << 10

// tooSlow reports whether a message was begun so long ago that it should be
// complete by now.
func (p partly) tooSlow(now int64, patience time.Duration) bool {
	if p.since() == 0 {
		return false
	}
	began := (p.since() - 1) * int64(time.Second)
	return time.Duration(now-began) > patience+allowance(p.bytes())
}

// allowance is how long n bytes may take.
func allowance(n int) time.Duration { return time.Duration(n) * time.Second / slowest }
