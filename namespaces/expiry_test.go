package namespaces_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/namespaces"
)

func TestReq19_AClientIsToldBeforeItsIdentityEnds(t *testing.T) {
	for name, c := range map[string]struct {
		cfg          namespaces.Config
		ttl          string
		quiet, grace time.Duration
		left         time.Duration // at the notice
	}{
		"long life":  {namespaces.Config{}, "600", 540 * time.Second, 5 * time.Second, time.Minute},
		"short life": {namespaces.Config{}, "40", 30 * time.Second, 5 * time.Second, 10 * time.Second},
		"configured": {namespaces.Config{SessionLimits: namespaces.SessionLimits{ExpiryNotice: time.Second, ExpiryGrace: time.Minute}}, "600",
			599 * time.Second, time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespaces.New("/")
			var ended string
			ns.OnDisconnect(func(_ context.Context, _ *namespaces.Socket, reason string) { ended = reason })
			c.cfg.Gate = new(office)
			run(t, c.cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				s := p.enterWith(ns, `{"sub":"ann","ttl":`+c.ttl+`}`)
				after(c.quiet - time.Nanosecond)
				p.expect()
				after(time.Nanosecond)
				p.expect(expiringAt(c.left))
				after(c.left + c.grace - time.Nanosecond)
				p.expectOpen()
				after(time.Nanosecond)
				p.expect() // no DISCONNECT: the client comes back
				p.expectClosed("token expired")
				if s.Connected() || ended != namespaces.ReasonExpired {
					t.Errorf("connected %v, ended by %q", s.Connected(), ended)
				}
			})
		})
	}
}

func TestReq19_ADisconnectEndsOneOfSeveralNamespaces(t *testing.T) {
	a, b := namespaces.New("/a"), namespaces.New("/b")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{a, b}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		short, long := p.enterWith(a, `{"sub":"ann","ttl":100}`), p.enterWith(b, `{"sub":"ann","ttl":1000}`)
		after(104 * time.Second)
		p.take()
		after(time.Second)
		p.expect("1/a,")
		p.expectOpen()
		if short.Connected() || !long.Connected() {
			t.Error("the wrong one ended")
		}
		p.enterWith(a, `{"sub":"ann"}`)
		after(time.Hour)
		p.expectOpen() // /a lives, so /b went alone
		if long.Connected() {
			t.Error("/b did not end")
		}
	})
}

func TestReq19_NamespacesThatEndTogetherCloseTheTransport(t *testing.T) {
	a, b := namespaces.New("/a"), namespaces.New("/b")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{a, b}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(a, `{"sub":"ann","ttl":100}`)
		p.enterWith(b, `{"sub":"ann","ttl":103}`) // in its grace when the first identity ends
		after(104 * time.Second)
		p.take()
		after(time.Second)
		p.expect()
		p.expectClosed("token expired")
	})
}

func TestAnIdentityWithoutEndStays(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann"}`)
		after(10_000 * time.Hour)
		p.expect()
		p.expectOpen()
	})
}

// TestEachSocketEndsAtItsOwnTime puts many lives of random length into one expiry queue, and cuts some of them
// short.
func TestEachSocketEndsAtItsOwnTime(t *testing.T) {
	ns := namespaces.New("/")
	var ends atomic.Int32
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, reason string) {
		if reason != namespaces.ReasonExpired {
			return
		}
		if want := s.Identity().ExpiresAt.Add(5 * time.Second); !time.Now().Equal(want) {
			t.Errorf("ended at %v, want %v", time.Now(), want)
		}
		ends.Add(1)
	})
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		random := rand.New(rand.NewPCG(1, 2))
		left := 0
		for i := range 500 {
			p := newPeer(t, h)
			p.enterWith(ns, fmt.Sprintf(`{"sub":"ann","ttl":%d.%09d}`, 1+random.IntN(5000), i))
			if random.IntN(3) == 0 {
				p.say("1")
				left++
			}
		}
		after(2 * time.Hour)
		if int(ends.Load())+left != 500 || ns.Len() != 0 {
			t.Errorf("%d expired and %d left, %d are there", ends.Load(), left, ns.Len())
		}
	})
}
