package namespaces_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// The goroutines of a bubble run in parallel: these tests make things happen at the same instant, and look when all is quiet.

// TestReq19_ARefreshRacingExpiry accepts refreshes at the very moment at which the grace is over. Either the client is
// told that the refresh was accepted, and stays, or the session ends.
func TestReq19_ARefreshRacingExpiry(t *testing.T) {
	for _, others := range []bool{false, true} {
		t.Run(fmt.Sprintf("other namespace %v", others), func(t *testing.T) {
			ns, other := namespaces.New("/"), namespaces.New("/other")
			gate := new(office)
			run(t, namespaces.Config{Gate: gate}, []*namespaces.Namespace{ns, other}, func(t *testing.T, h *namespaces.Hub) {
				stayed := 0
				for range 30 {
					stayed += refreshAtTheEnd(t, h, gate, ns, other, others)
				}
				t.Logf("%d stayed", stayed)
			})
		})
	}
}

func refreshAtTheEnd(t *testing.T, h *namespaces.Hub, gate *office, ns, other *namespaces.Namespace, others bool) (stayed int) {
	const n = 10
	peers, sockets := make([]*peer, n), make([]*namespaces.Socket, n)
	for i := range peers {
		peers[i] = newPeer(t, h)
		sockets[i] = peers[i].enterWith(ns, `{"sub":"ann","ttl":10}`)
		if others {
			peers[i].enterWith(other, `{"sub":"ann"}`)
		}
	}
	end := time.Now().Add(15 * time.Second)
	after(12 * time.Second)
	gate.refreshing = func() { time.Sleep(time.Until(end)) }
	for _, p := range peers {
		p.take()
		p.push(`21["auth:refresh",{"sub":"ann","ttl":100}]`)
	}
	after(3 * time.Second)
	for i, p := range peers {
		sent := strings.Join(p.take(), "\n")
		ok := strings.Contains(sent, `31[{"ok":true`)
		closed, _, _ := p.isClosed()
		ended := closed
		if others {
			ended = strings.HasSuffix(sent, "1")
		}
		if ok == ended || ok != sockets[i].Connected() || closed && others {
			t.Fatalf("accepted %v, connected %v, closed %v, sent %s", ok, sockets[i].Connected(), closed, sent)
		}
		if ok {
			stayed++
		}
		p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
	}
	return stayed
}

// TestRefreshesRacingTheEnd ends sockets in every way while they refresh. Handlers come in their order, and nothing is kept.
func TestRefreshesRacingTheEnd(t *testing.T) {
	ns := namespaces.New("/")
	var opened, closed atomic.Int32
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { opened.Add(1); s.SetData(new(atomic.Bool)) })
	ns.OnRefresh(func(_ context.Context, s *namespaces.Socket, _ handshake.Identity) error {
		if gone, _ := namespaces.Data[*atomic.Bool](s); gone.Load() {
			t.Error("a refresh after the end")
		}
		_ = s.Join("refreshed")
		return nil
	})
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, _ string) {
		gone, _ := namespaces.Data[*atomic.Bool](s)
		gone.Store(true)
		closed.Add(1)
	})
	namespaces.Handle(ns, "work", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		before := s.Identity().ExpiresAt
		for range 10 {
			if !s.Identity().ExpiresAt.Equal(before) {
				t.Error("the identity changed during a handler")
			}
		}
		return nil
	})
	gate := new(office)
	cfg := namespaces.Config{Gate: gate, SessionLimits: namespaces.SessionLimits{MaxPerUser: 5, RefreshBurst: 1000}}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for life := range 100 {
					refreshingLife(t, h, ns, fmt.Sprintf("u%d.%d", worker, life))
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		expiries, people := h.Kept()
		if opened.Load() != closed.Load() || expiries != 0 || people != 0 {
			t.Errorf("opened %d, closed %d; kept %d expiries and %d users", opened.Load(), closed.Load(), expiries, people)
		}
	})
}

// refreshingLife is one connection that refreshes until it ends in one of the ways, or several at once.
func refreshingLife(t *testing.T, h *namespaces.Hub, ns *namespaces.Namespace, user string) {
	p := newPeer(t, h)
	pass := fmt.Sprintf(`{"sub":%q,"id":%q,"ttl":%d}`, user, user, 1+rand.IntN(3))
	ready := make(chan string, 64)
	p.onSend = func(text string) {
		if text[0] == '0' {
			ready <- text
		}
	}
	p.push("0" + pass)
	id := strings.TrimSuffix(strings.TrimPrefix(<-ready, `0{"sid":"`), `"}`)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range rand.IntN(20) {
			p.push(`21["auth:refresh",`+pass+`]`, `2["work"]`)
		}
	})
	switch rand.IntN(4) {
	case 0:
		wg.Go(func() { h.Revoke(token(user), "") })
	case 1:
		wg.Go(func() {
			if s, ok := ns.Socket(id); ok {
				s.Disconnect(rand.IntN(2) == 0)
			}
		})
	case 2:
		wg.Go(func() { time.Sleep(time.Hour) }) // it expires
	}
	wg.Wait()
	p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
}

// TestReq20_NobodyEscapesARevocation lets admissions and refreshes race with revocations: when all is quiet, nobody is
// in with a token that was revoked.
func TestReq20_NobodyEscapesARevocation(t *testing.T) {
	ns := namespaces.New("/")
	gate := new(office)
	run(t, namespaces.Config{Gate: gate}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		for i := range 300 {
			tok := fmt.Sprint("t", i)
			entering, refreshing := newPeer(t, h), newPeer(t, h)
			refreshing.enterWith(ns, `{"sub":"ann","id":"other"}`)
			var wg sync.WaitGroup
			wg.Go(func() { entering.push(fmt.Sprintf(`0{"sub":"ann","id":%q}`, tok)) })
			wg.Go(func() { refreshing.push(fmt.Sprintf(`21["auth:refresh",{"sub":"ann","id":%q}]`, tok)) })
			wg.Go(func() { gate.revoke(tok); h.Revoke(token(tok), "") })
			wg.Wait()
			synctest.Wait()
			if n := h.Revoke(token(tok), ""); n != 0 {
				t.Fatalf("%d escaped", n)
			}
			entering.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
			refreshing.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		}
	})
}

// TestOnlyTheNewestConnectionsStay races the admissions of one user, each to two namespaces at once.
func TestOnlyTheNewestConnectionsStay(t *testing.T) {
	const most = 3
	for range 20 {
		defs := []*namespaces.Namespace{namespaces.New("/a"), namespaces.New("/b")}
		run(t, namespaces.Config{Gate: new(office), SessionLimits: namespaces.SessionLimits{MaxPerUser: most}}, defs, func(t *testing.T, h *namespaces.Hub) {
			var wg sync.WaitGroup
			peers := make([]*peer, 40)
			for i := range peers {
				peers[i] = newPeer(t, h)
				wg.Go(func() { peers[i].push(`0/a,{"sub":"ann"}`, `0/b,{"sub":"ann"}`) })
			}
			wg.Wait()
			synctest.Wait()
			open := 0
			for _, p := range peers {
				if closed, _, _ := p.isClosed(); !closed {
					open++
				}
			}
			if open != most {
				t.Fatalf("%d stayed", open)
			}
		})
	}
}
