package engine

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// endedForIncoming checks that a session was closed because too much is held.
func (h *side) endedForIncoming(t *testing.T) {
	t.Helper()
	if c := h.end(t, ReasonOverload); !errors.Is(c.Err, errIncoming) {
		t.Errorf("ended because of %v", c.Err)
	}
}

func TestAUserWhoHoldsTooMuchLosesTheirLargestSession(t *testing.T) {
	cfg := Config{Limits: Limits{IncomingTotal: 10 << 20, IncomingShare: 1 << 20, CloseTimeout: 50 * time.Millisecond}}
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t, cfg)
			open := func(subject string) *side {
				r.dial(t, transport)
				s := r.opened.next(t)
				s.Admit("", subject)
				return s
			}
			small, large, other := open("ann"), open("ann"), open("bob")
			other.Hold(800 << 10)
			large.Hold(600 << 10)
			small.Hold(400 << 10)
			large.endedForIncoming(t)
			if len(small.closed)+len(other.closed) > 0 {
				t.Error("somebody else was closed, too")
			}
			if st := r.srv.Stats(); st.IncomingCuts != 1 {
				t.Errorf("counted: %+v", st)
			}
		})
	}
}

func TestStrangersGoFirstWhenAllHoldTooMuch(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{IncomingTotal: 1 << 20, IncomingShare: 1 << 20, CloseTimeout: 50 * time.Millisecond}})
	r.dial(t, "websocket")
	user := r.opened.next(t)
	user.Admit("", "ann")
	user.Hold(600 << 10)
	r.dial(t, "websocket")
	stranger := r.opened.next(t)
	stranger.Hold(350 << 10)
	stranger.endedForIncoming(t)
	if len(user.closed) > 0 {
		t.Error("the user was closed, too")
	}
}

func TestThereIsNoRoomAboveTheShare(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{IncomingTotal: 1 << 20, IncomingShare: 100 << 10, CloseTimeout: 50 * time.Millisecond}})
	r.dial(t, "websocket")
	s := r.opened.next(t)
	if s.Hold(101 << 10) {
		t.Error("room above the share")
	}
	s.endedForIncoming(t)
	s.Hold(-101 << 10)
	if n := r.srv.Stats().IncomingBytes; n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// Strangers behind a trusted proxy count by their own addresses.
func TestStrangersCountByTheAddressThatTheServerKnows(t *testing.T) {
	next := byte(0)
	r := newRig(t, Config{Limits: Limits{IncomingTotal: 10 << 20, IncomingShare: 1 << 20}, ClientAddr: func(*http.Request) netip.Addr {
		next++
		return netip.AddrFrom4([4]byte{192, 0, 2, next})
	}})
	for range 4 {
		r.dial(t, "websocket")
		if s := r.opened.next(t); !s.Hold(800 << 10) {
			t.Fatal("addresses share an account")
		}
	}
}

func TestAUserTakesTheirBytesAlong(t *testing.T) {
	r := newRig(t, Config{})
	r.dial(t, "websocket")
	s := r.opened.next(t)
	s.Hold(10 << 10)
	owner := func() any { return s.incoming.Owner() }
	stranger := owner()
	s.Admit("", "")
	guest := owner()
	s.Admit("", "ann")
	user := owner()
	s.Admit("", "bob")
	s.Admit("", "")
	if stranger == guest || guest == user || owner() != user {
		t.Errorf("stranger %v, guest %v, user %v, in the end %v", stranger, guest, user, owner())
	}
	s.Hold(-10 << 10)
	if n := r.srv.Stats().IncomingBytes; n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// overWebSocket makes a session with a WebSocket whose bytes the test hands up.
func overWebSocket(t *testing.T, test func(t *testing.T, s *Session, h *side)) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{})
		defer windUp(s.srv)
		s.mu.Lock()
		s.flusher = newFlusher(nil)
		s.link = &websocket{s: s, stream: countingStream{new(atomic.Int64)}}
		s.mu.Unlock()
		s.setMaxMessage(defaults.MaxPayload)
		test(t, s, h)
	})
}

func (s *Session) reads(b []byte) {
	s.socket().enter()
	s.socket().readable(slices.Clone(b))
	s.socket().leave()
}

func TestAMessageThatIsNotCompleteCounts(t *testing.T) {
	overWebSocket(t, func(t *testing.T, s *Session, h *side) {
		frame := clientFrame(ws.OpText, []byte("4"+strings.Repeat("x", 100_000)))
		s.reads(frame[:60_000])
		if n := s.incoming.Held(); n < 60_000 {
			t.Errorf("%d bytes count", n)
		}
		s.reads(frame[60_000:])
		h.got.next(t)
		if n := s.incoming.Held(); n != 0 {
			t.Errorf("%d bytes are left", n)
		}
		s.reads(fragment(ws.OpText, false, "4"+strings.Repeat("x", 50_000)))
		if n := s.incoming.Held(); n < 50_000 {
			t.Errorf("%d bytes of a fragment count", n)
		}
		s.reads(frame[:20]) // not in its place
		s.destroy()
		h.end(t, ReasonTransportError)
		if n := s.incoming.Held(); n != 0 {
			t.Errorf("%d bytes are left of the session", n)
		}
	})
}

// A session that is closed frees what it holds at once, and still sees the close
// frame behind the message that the client was sending.
func TestAClosingSessionHoldsNothing(t *testing.T) {
	overWebSocket(t, func(t *testing.T, s *Session, h *side) {
		frame := clientFrame(ws.OpBinary, make([]byte, 100_000))
		s.reads(frame[:60_000])
		s.Close(CodeNormal, "bye")
		h.end(t, ReasonForcedClose)
		synctest.Wait()
		if n := s.incoming.Held(); n != 0 || s.socket().reader.Pending() != 0 {
			t.Errorf("%d bytes count, %d are held", n, s.socket().reader.Pending())
		}
		s.reads(frame[60_000:90_000])
		s.reads(append(frame[90_000:], fragment(ws.OpText, false, "more")...))
		if n := s.socket().reader.Pending(); n != 0 {
			t.Errorf("%d bytes are held", n)
		}
		closing := clientFrame(ws.OpClose, nil)
		s.reads(closing[:1])
		s.reads(closing[1:])
		if !s.socket().peerClosed.Load() || s.current() != stateClosed {
			t.Error("the close frame was not seen")
		}
	})
}

func TestAMessageMustBeCompleteInTime(t *testing.T) {
	t.Run("fragments with PONGs between them", func(t *testing.T) {
		overWebSocket(t, func(t *testing.T, s *Session, h *side) {
			s.reads(fragment(ws.OpText, false, "4"))
			for range 3 {
				pass(defaults.PingInterval - 2*time.Second)
				s.reads(fragment(ws.OpContinuation, false, "x"))
				pass(time.Second)
				s.heard(typePong)
			}
			if c := h.end(t, ReasonTransportError); !errors.Is(c.Err, errTooSlow) {
				t.Errorf("ended because of %v", c.Err)
			}
		})
	})
	t.Run("a frame that does not go on", func(t *testing.T) {
		overWebSocket(t, func(t *testing.T, s *Session, h *side) {
			s.reads(clientFrame(ws.OpText, []byte("4x"))[:7])
			pass(2*defaults.PingTimeout + defaults.PingInterval)
			h.end(t, ReasonPingTimeout, ReasonTransportError)
		})
	})
}

// While a megabyte comes over a thin line, no PONG can come before the end of
// the frame.
func TestASlowMessageThatMovesKeepsItsSession(t *testing.T) {
	overWebSocket(t, func(t *testing.T, s *Session, h *side) {
		frame := clientFrame(ws.OpText, []byte("4"+strings.Repeat("x", 900_000)))
		for len(frame) > 0 {
			n := min(len(frame), 20_000)
			s.reads(frame[:n])
			frame = frame[n:]
			time.Sleep(10 * time.Second)
		}
		if len(h.closed) > 0 {
			t.Fatalf("ended: %+v", <-h.closed)
		}
		h.got.next(t)
	})
}

func TestABodyCountsWhileItIsRead(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	body, answer := c.slowPOST()
	must[int](t)(body.Write([]byte("4" + strings.Repeat("x", 100_000))))
	s.awaitState(t, func() bool { return s.incoming.Held() > 100_000 })
	check(t, body.Close())
	if status := await(t, answer); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	if n := s.incoming.Held(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}
