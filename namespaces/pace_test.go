package namespaces_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// ticking is a namespace that counts its events.
func ticking() (ns *namespaces.Namespace, count *int) {
	ns, count = namespaces.New("/"), new(int)
	namespaces.Handle(ns, "tick", func(context.Context, *namespaces.Socket, string) error {
		*count++
		return nil
	})
	return ns, count
}

// ticks lets a peer send events, each when the one before has been handled.
func ticks(p *peer, n int, text string) {
	p.t.Helper()
	for range n {
		p.say(`2["tick",` + fmt.Sprintf("%q", text) + `]`)
	}
}

func TestWhoSendsTooMuchIsReadMoreSlowly(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  namespaces.Config
		text string
	}{
		"events of a socket": {namespaces.Config{RateLimits: namespaces.RateLimits{SocketEvents: 10}}, ""},
		"bytes of a socket":  {namespaces.Config{RateLimits: namespaces.RateLimits{SocketBytes: 10_000}}, strings.Repeat("x", 1000-12)},
		"events of a user":   {namespaces.Config{RateLimits: namespaces.RateLimits{UserEvents: 10}}, ""},
		"bytes of a user":    {namespaces.Config{RateLimits: namespaces.RateLimits{UserBytes: 10_000}}, strings.Repeat("x", 1000-12)},
	} {
		t.Run(name, func(t *testing.T) {
			ns, count := ticking()
			run(t, c.cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				p.enter("/", "ann")
				ticks(p, 100, c.text) // ten seconds' worth
				if p.isPaused() {
					t.Fatal("a burst is slowed down")
				}
				ticks(p, 3, c.text)
				if !p.isPaused() {
					t.Fatal("too much is read as fast as it comes")
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if p.isPaused() || *count != 103 {
					t.Errorf("a second later: paused %v, %d of 103 handled", p.isPaused(), *count)
				}
				ticks(p, 1000, c.text) // as for events that were read before the pause
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if closed, _, _ := p.isClosed(); closed || p.isPaused() || *count != 1103 {
					t.Errorf("six seconds later: closed %v, paused %v, %d of 1103 handled", closed, p.isPaused(), *count)
				}
			})
		})
	}
}

// slowdowns counts, by cause, how often somebody was slowed down.
func slowdowns(cfg namespaces.Config) (namespaces.Config, map[namespaces.SlowCause]int) {
	counts := map[namespaces.SlowCause]int{}
	var mu sync.Mutex
	cfg.Hooks = append(cfg.Hooks, namespaces.Hooks{Slowed: func(_ *namespaces.Socket, why namespaces.SlowCause, wait time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		if wait > 0 {
			counts[why]++
		}
	}})
	return cfg, counts
}

func TestWhoIsSlowedDownIsReportedWithTheCause(t *testing.T) {
	for why, limits := range map[namespaces.SlowCause]namespaces.RateLimits{
		namespaces.SlowSocket: {SocketEvents: 10}, namespaces.SlowUser: {UserEvents: 10},
	} {
		ns, _ := ticking()
		cfg, counts := slowdowns(namespaces.Config{RateLimits: limits})
		run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
			p := newPeer(t, h)
			p.enter("/", "ann")
			ticks(p, 100, "")
			if len(counts) > 0 {
				t.Errorf("a burst is reported: %v", counts)
			}
			ticks(p, 5, "") // one pause
			if want := (map[namespaces.SlowCause]int{why: 1}); !maps.Equal(counts, want) {
				t.Errorf("reported: %v, want %v", counts, want)
			}
		})
	}
}

// All connections of a user owe what the user owes: hundreds that went on in one moment would hold up
// everybody.
func TestConnectionsOfAUserThatOwesGoOnOneAfterAnother(t *testing.T) {
	ns, _ := ticking()
	run(t, namespaces.Config{RateLimits: namespaces.RateLimits{UserEvents: 10}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		peers := make([]*peer, 100)
		for i := range peers {
			peers[i] = newPeer(t, h)
			peers[i].enter("/", "ann")
		}
		ticks(peers[0], 1000, "") // more than the longest pause
		for _, p := range peers[1:] {
			ticks(p, 1, "")
		}
		most, before := 0, len(peers)
		for range 60 { // tenths of a second
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			paused := 0
			for _, p := range peers {
				if p.isPaused() {
					paused++
				}
			}
			most, before = max(most, before-paused), paused
		}
		if before > 0 || most > len(peers)/2 {
			t.Errorf("%d of %d went on in the same tenth of a second, and %d never", most, len(peers), before)
		}
	})
}

func TestALimitOfAUserIsOverAllConnections(t *testing.T) {
	ns, _ := ticking()
	run(t, namespaces.Config{RateLimits: namespaces.RateLimits{UserEvents: 10}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		first, second, other := newPeer(t, h), newPeer(t, h), newPeer(t, h)
		first.enter("/", "ann")
		second.enter("/", "ann")
		other.enter("/", "bob")
		ticks(first, 60, "")
		ticks(other, 60, "")
		ticks(second, 60, "")
		if first.isPaused() || other.isPaused() || !second.isPaused() {
			t.Errorf("paused: %v, %v, and of another user %v", first.isPaused(), second.isPaused(), other.isPaused())
		}
		second.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) // with its pause
		again := newPeer(t, h)
		again.enter("/", "ann")
		ticks(again, 1, "")
		if !again.isPaused() {
			t.Error("a new connection begins anew")
		}
	})
}

func TestABurstOfTenThousandIsNotSlowedByRates(t *testing.T) {
	ns, count := ticking()
	run(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{QueueEvents: 1 << 15, QueueBytes: 1 << 24}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		for range 10_000 {
			p.push(`2["tick",""]`)
		}
		synctest.Wait()
		if p.pauses != 0 || *count != 10_000 {
			t.Errorf("%d pauses, %d handled", p.pauses, *count)
		}
	})
}

// TestAcknowledgementsCountToo sends acknowledgements, some of which nobody has asked for.
func TestAcknowledgementsCountToo(t *testing.T) {
	ns, _ := ticking()
	run(t, namespaces.Config{RateLimits: namespaces.RateLimits{SocketEvents: 10}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		for range 101 {
			p.say("37[]")
		}
		if !p.isPaused() {
			t.Error("acknowledgements are read as fast as they come")
		}
	})
}

// TestRefusedRefreshesAreLimitedByUser checks that above the limit no verifier is asked, and that the
// connection is read more slowly.
func TestRefusedRefreshesAreLimitedByUser(t *testing.T) {
	asked := 0
	gate := &refusing{asked: &asked}
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: gate, SessionLimits: namespaces.SessionLimits{RefreshBurst: 1000}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		peers := []*peer{newPeer(t, h), newPeer(t, h)}
		for _, p := range peers {
			p.enter("/", "ann")
		}
		for i := range 400 {
			peers[i%2].say(`21["auth:refresh",{"token":"bad"}]`)
		}
		if asked > 202 || !peers[0].isPaused() || !peers[1].isPaused() {
			t.Errorf("%d of 400 were examined, paused %v and %v", asked, peers[0].isPaused(), peers[1].isPaused())
		}
		bob := newPeer(t, h)
		bob.enter("/", "bob")
		before := asked
		bob.say(`21["auth:refresh",{"token":"bad"}]`)
		if asked != before+1 {
			t.Error("another user's refresh is not examined")
		}
		time.Sleep(10 * time.Second)
		before = asked
		peers[0].say(`21["auth:refresh",{"token":"bad"}]`)
		if peers[0].isPaused() || asked != before+1 {
			t.Errorf("ten seconds later: paused %v, examined %v", peers[0].isPaused(), asked-before)
		}
	})
}

// refusing is a gate that refuses all refreshes.
type refusing struct{ asked *int }

func (g *refusing) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	return open(ctx, r)
}

func (g *refusing) Refresh(context.Context, *handshake.Request, handshake.Identity) (handshake.Identity, error) {
	*g.asked++
	return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "Bad."}
}

func TestAccountsAreBounded(t *testing.T) {
	ns, _ := ticking()
	h := newHub(t, namespaces.Config{}, ns)
	if n := h.PaceAccounts(300_000); n > 131_072 {
		t.Errorf("%d accounts of 300,000 are kept", n)
	}
}

// TestALimitThatNobodyMeetsCostsNoMemory measures the first event of a socket's burst, and later
// ones.
func TestALimitThatNobodyMeetsCostsNoMemory(t *testing.T) {
	ns, _ := ticking()
	h := newHub(t, namespaces.Config{}, ns)
	charge := h.PaceCharge()
	if n := testing.AllocsPerRun(1000, charge); n != 0 {
		t.Errorf("%v allocations for each event", n)
	}
}
