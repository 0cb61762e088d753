package namespaces_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

func setLimits(t *testing.T, h *namespaces.Hub, cfg namespaces.Config) {
	t.Helper()
	use, err := h.PrepareLimits(cfg)
	if err != nil {
		t.Fatal(err)
	}
	use()
}

func TestRatesChangeWhileTheHubRuns(t *testing.T) {
	ns, _ := ticking()
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		ticks(p, 110, "")
		if p.isPaused() {
			t.Fatal("the default slows down 110 events")
		}
		setLimits(t, h, namespaces.Config{RateLimits: namespaces.RateLimits{SocketEvents: 10}})
		time.Sleep(time.Minute)
		ticks(p, 110, "")
		if !p.isPaused() {
			t.Fatal("the lower limit is not in force")
		}
		setLimits(t, h, namespaces.Config{})
		time.Sleep(time.Minute)
		ticks(p, 110, "")
		if p.isPaused() {
			t.Fatal("the raised limit is not in force")
		}
	})
}

func TestRoomsAndConnectionsChangeWhileTheHubRuns(t *testing.T) {
	ns := namespaces.New("/")
	namespaces.Handle(ns, "join", func(_ context.Context, s *namespaces.Socket, room string) error { return s.Join(room) })
	cfg := namespaces.Config{SessionLimits: namespaces.SessionLimits{MaxPerUser: 2}}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		first, second := newPeer(t, h), newPeer(t, h)
		first.enter("/", "ann")
		second.enter("/", "ann")
		lower := namespaces.Config{SessionLimits: namespaces.SessionLimits{MaxPerUser: 1}, SocketLimits: namespaces.SocketLimits{MaxRooms: 1}}
		setLimits(t, h, lower)
		if closed, _, _ := first.isClosed(); closed {
			t.Error("who is there already is ended")
		}
		third := newPeer(t, h)
		third.enter("/", "ann")
		synctest.Wait()
		for name, p := range map[string]*peer{"first": first, "second": second} {
			if closed, _, _ := p.isClosed(); !closed {
				t.Errorf("the %s of three connections is there, where one may be", name)
			}
		}
		say := func(room string) string {
			third.say(`21["join","` + room + `"]`)
			synctest.Wait()
			return strings.Join(third.take(), " ")
		}
		if got := say("one"); !strings.Contains(got, `"ok":true`) {
			t.Errorf("the first room: %s", got)
		}
		if got := say("two"); strings.Contains(got, `"ok":true`) {
			t.Errorf("one room more than the limit: %s", got)
		}
		lower.MaxRooms = 2
		setLimits(t, h, lower)
		if got := say("two"); !strings.Contains(got, `"ok":true`) {
			t.Errorf("with a raised limit: %s", got)
		}
	})
}

func TestTheTimeToEnterChangesForWhoWaits(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		early := newPeer(t, h)
		time.Sleep(time.Second)
		late := newPeer(t, h)
		setLimits(t, h, namespaces.Config{ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: 2 * time.Second}})
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		earlyClosed, _, _ := early.isClosed()
		lateClosed, _, _ := late.isClosed()
		if !earlyClosed || lateClosed {
			t.Errorf("after 2.5 s closed %v, after 1.5 s %v", earlyClosed, lateClosed)
		}
	})
}

// A longer grace comes too late for an identity whose end is near: it must not live for ever.
func TestAnIdentityEndsWhateverGraceComes(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann","ttl":10}`)
		after(9 * time.Second) // the notice has been given
		setLimits(t, h, namespaces.Config{SessionLimits: namespaces.SessionLimits{ExpiryGrace: time.Minute}})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if closed, _, _ := p.isClosed(); !closed {
			t.Error("an identity that has ended is still in")
		}
	})
}

func TestAChangeOfLimitsIsWholeOrNone(t *testing.T) {
	ns, _ := ticking()
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		for name, cfg := range map[string]namespaces.Config{
			"out of range": {SocketLimits: namespaces.SocketLimits{MaxRooms: -1}},
			"a new count":  {SessionLimits: namespaces.SessionLimits{MaxPerUser: 1}},
		} {
			cfg.RateLimits.SocketEvents = 1
			if _, err := h.PrepareLimits(cfg); err == nil {
				t.Errorf("%s is taken", name)
			}
		}
		p := newPeer(t, h)
		p.enter("/", "ann")
		ticks(p, 50, "")
		if p.isPaused() {
			t.Error("a part of what was refused is in force")
		}
	})
}
