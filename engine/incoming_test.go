package engine

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

// endedForIncoming checks that a session was closed because too much is held.
func (h *side) endedForIncoming(t *testing.T) {
	t.Helper()
	if c := h.end(t, ReasonOverload); !errors.Is(c.Err, errIncoming) {
		t.Errorf("ended because of %v", c.Err)
	}
}

func TestAUserWhoHoldsTooMuchLosesTheirLargestSession(t *testing.T) {
	cfg := Config{IncomingTotal: 10 << 20, IncomingShare: 1 << 20, CloseTimeout: 50 * time.Millisecond}
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
	r := newRig(t, Config{IncomingTotal: 1 << 20, IncomingShare: 1 << 20, CloseTimeout: 50 * time.Millisecond})
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
	r := newRig(t, Config{IncomingTotal: 1 << 20, IncomingShare: 100 << 10, CloseTimeout: 50 * time.Millisecond})
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
	r := newRig(t, Config{IncomingTotal: 10 << 20, IncomingShare: 1 << 20, ClientAddr: func(*http.Request) netip.Addr {
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
	owner := func() any { return s.incoming.Owner(r.srv.incoming) }
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
