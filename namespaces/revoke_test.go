package namespaces_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

func subject(name string) func(handshake.Identity) bool {
	return func(id handshake.Identity) bool { return id.Subject == name }
}

func token(name string) func(handshake.Identity) bool {
	return func(id handshake.Identity) bool { return id.TokenID == name }
}

func TestReq20_RevocationEndsWhatMatches(t *testing.T) {
	a, b := namespaces.New("/a"), namespaces.New("/b")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{a, b}, func(t *testing.T, h *namespaces.Hub) {
		both, one, none := newPeer(t, h), newPeer(t, h), newPeer(t, h)
		both.enterWith(a, `{"sub":"ann"}`)
		both.enterWith(b, `{"sub":"ann"}`)
		one.enterWith(a, `{"sub":"ann"}`)
		stays := one.enterWith(b, `{"sub":"bob"}`)
		none.enterWith(a, `{"sub":"bob"}`)
		if n := h.Revoke(subject("ann"), "account closed"); n != 3 {
			t.Errorf("revoked %d", n)
		}
		const notice = `["auth:revoked",{"reason":"account closed"}]`
		both.expect("2/a,"+notice, "1/a,", "2/b,"+notice, "1/b,")
		both.expectClosed("revoked")
		one.expect("2/a,"+notice, "1/a,")
		one.expectOpen()
		none.expect()
		none.expectOpen()
		if !stays.Connected() || a.Len() != 1 || b.Len() != 1 {
			t.Errorf("%d in /a, %d in /b", a.Len(), b.Len())
		}
		if n := h.Revoke(subject("ann"), ""); n != 0 {
			t.Errorf("revoked %d again", n)
		}
	})
}

func TestReq20_RevocationRefusesAdmissionsUnderWay(t *testing.T) {
	const refused = `4{"message":"This sign-in has been revoked; sign in again.","data":{"code":"token_invalid"}}`
	for _, where := range []string{"gate", "admission"} {
		t.Run(where, func(t *testing.T) {
			ns := namespaces.New("/")
			gate := new(office)
			cfg := namespaces.Config{Gate: gate}
			synctest.Test(t, func(t *testing.T) {
				reached, goOn := make(chan struct{}), make(chan struct{})
				stop := func() { close(reached); <-goOn }
				if where == "gate" {
					gate.checking = stop
				}
				ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
					if where == "admission" {
						stop()
					}
					return s.Join("room")
				})
				h := newHub(t, cfg, ns)
				p := newPeer(t, h)
				p.push(`0{"sub":"ann","id":"t"}`)
				<-reached
				gate.revoke("t")
				n := h.Revoke(token("t"), "")
				close(goOn)
				if where == "admission" { // known by then, so the call itself refuses it
					p.expect(refused)
				} else {
					p.expect(strings.Replace(refused, "This sign-in has been revoked; sign in again.", "Revoked.", 1))
				}
				if (n == 1) != (where == "admission") || ns.Len() != 0 {
					t.Errorf("revoked %d, %d are in", n, ns.Len())
				}
			})
		})
	}
}

func TestReq20_ARevokedRefreshEndsTheSocket(t *testing.T) {
	ns := namespaces.New("/")
	gate := new(office)
	run(t, namespaces.Config{Gate: gate}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann","id":"old"}`)
		gate.refreshing = func() { gate.revoke("new"); h.Revoke(token("new"), "") } // the gate's answer is on its way
		p.say(`21["auth:refresh",{"sub":"ann","id":"new"}]`)
		p.expect(`2["auth:revoked",{"reason":"Revoked."}]`, "1")
		p.expectClosed("revoked")
	})
}

// TestASupersededTokenDoesNotEndItsSuccessor revokes the token that a refresh has replaced, before and after the new
// identity is in force.
func TestASupersededTokenDoesNotEndItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		goOn := make(chan struct{})
		namespaces.Handle(ns, "slow", func(context.Context, *namespaces.Socket, namespaces.None) error {
			<-goOn
			return nil
		})
		h := newHub(t, namespaces.Config{Gate: new(office)}, ns)
		p := newPeer(t, h)
		s := p.enterWith(ns, `{"sub":"ann","id":"old"}`)
		p.say(`2["slow"]`)
		p.say(`2["auth:refresh",{"sub":"ann","id":"new"}]`)
		if s.Identity().TokenID != "old" || h.Revoke(token("old"), "") != 0 {
			t.Error("the old token still counts")
		}
		close(goOn)
		p.expectOpen()
		if h.Revoke(token("old"), "") != 0 || h.Revoke(token("new"), "") != 1 {
			t.Error("the new token does not count")
		}
	})
}

func TestReq20_RevocationOfTenThousand(t *testing.T) {
	const n = 10_000
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	h, err := namespaces.NewHub(namespaces.Config{Gate: new(office)}, ns)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{make(chan struct{}, n)}
	for i := range n {
		h.Connect(s).Message(false, fmt.Appendf(nil, `0{"sub":"ann","id":"%d"}`, i%2))
	}
	for range n {
		<-s.replies
	}
	ended := h.Revoke(token("1"), "")
	// An admission that has sent its reply is in, so the call could find them all.
	if st := h.Stats(); ended != n/2 || st.Sockets != n/2 || st.Clients != n/2 {
		t.Errorf("revoked %d, left %+v", ended, st)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkRevoke(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		b.StopTimer()
		ns := namespaces.New("/")
		h, err := namespaces.NewHub(namespaces.Config{Gate: new(office)}, ns)
		if err != nil {
			b.Fatal(err)
		}
		s := &sink{make(chan struct{}, n)}
		for range n {
			h.Connect(s).Message(false, []byte(`0{"sub":"ann"}`))
			<-s.replies
		}
		s.replies = nil
		b.StartTimer()
		if h.Revoke(subject("ann"), "") != n {
			b.Fatal("not all were revoked")
		}
		b.StopTimer()
		if err := h.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
