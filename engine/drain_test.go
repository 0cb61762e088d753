package engine

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestDrainRefusesHandshakesAndServesOpenSessionsUntilTheirTurn(t *testing.T) {
	onPaths(t, Config{Limits: Limits{CloseTimeout: 2 * time.Second}}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		var clients []client
		for n := range 9 {
			clients = append(clients, r.dial(t, transports[n%len(transports)]))
		}
		drained := goes(func() error { return r.srv.Drain(t.Context(), 50*time.Millisecond) })
		for _, c := range clients {
			expectEnd(t, c, CodeServiceRestart, string(ReasonShutdown))
			if w, ok := c.(wsClient); ok {
				check(t, w.leave())
			}
		}
		check(t, await(t, drained))
		for range clients {
			r.opened.next(t).end(t, ReasonShutdown)
		}
		const want = `503 application/json {"code":4,"message":"Server is shutting down"}`
		for query, h := range map[string]http.Header{"EIO=4&transport=polling": nil, "EIO=4&transport=websocket": websocketHeader} {
			if got, answer := r.request(t, "GET", query, h); got != want || answer.Get("Retry-After") != "2" {
				t.Errorf("%s: %s, Retry-After %q", query, got, answer.Get("Retry-After"))
			}
		}
		check(t, r.srv.Drain(t.Context(), time.Second)) // again, with nobody left
	})
}

func TestDrainGivesUpWithItsContext(t *testing.T) {
	r := newRig(t, Config{})
	r.dialPolling(t)
	r.dialPolling(t)
	ctx, cancel := context.WithCancel(t.Context())
	drained := goes(func() error { return r.srv.Drain(ctx, time.Hour) })
	r.opened.next(t)
	cancel()
	if err := await(t, drained); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v", err)
	}
}

func TestASessionThatCameInBetweenIsDrainedToo(t *testing.T) {
	entered, goOn := make(chan struct{}), make(chan struct{})
	r := newRig(t, Config{Check: func(*http.Request) *Refusal {
		close(entered)
		<-goOn
		return nil
	}})
	c := r.newPoller(t)
	first := goes(func() error { _, err := c.next(); return err })
	<-entered // past the check whether the server drains
	check(t, r.srv.Drain(t.Context(), time.Second))
	close(goOn)
	if await(t, first) == nil {
		t.Error("let in behind the drain")
	}
	if n := r.srv.Sessions(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func TestUnsafeConfigurationsAreRefused(t *testing.T) {
	for name, cfg := range map[string]Config{
		"negative interval":   {Limits: Limits{PingInterval: -1}},
		"tiny timeout":        {Limits: Limits{PingTimeout: time.Microsecond}},
		"early above maximum": {Limits: Limits{MaxPayload: 10}, Early: &Early{EarlyLimits: EarlyLimits{MaxPayload: 11}}},
		"negative payload":    {Limits: Limits{MaxPayload: -1}},
		"negative outbox":     {Limits: Limits{OutboxBytes: -1}},
	} {
		if _, err := New(cfg, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAFailingRandomSourceOpensNoSession(t *testing.T) {
	r := newRig(t, Config{Random: failing{}})
	if got, _ := r.request(t, "GET", "EIO=4&transport=polling", nil); got[:3] != "503" {
		t.Errorf("answered %s", got)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

// turning makes a wheel with sessions that note when they were looked at, for a
// test that moves the time.
func turning(tick time.Duration, sessions int) (*wheel, []*Session, *int64) {
	now := new(int64)
	w := newWheel(tick, func() int64 { return *now })
	srv := bare()
	srv.began, srv.wheel = time.Now(), w
	all := make([]*Session, sessions)
	for i := range all {
		all[i] = &Session{srv: srv, link: &longPoll{}}
		all[i].state.Store(int32(stateClosed)) // tick asks for no further look
	}
	return w, all, now
}

func TestTheWheelLooksAtEachSessionWhenItsTimeHasCome(t *testing.T) {
	const tick = 10 * time.Millisecond
	w, all, now := turning(tick, 3*wheelBuckets)
	for i, s := range all { // up to three turns ahead, all sessions in few buckets and in many
		w.schedule(s, int64(i)*int64(tick)*int64(1+i%2))
	}
	w.remove(all[5])
	seen := map[*Session]int64{}
	for *now = 0; *now < 7*wheelBuckets*int64(tick); *now += int64(3 * time.Millisecond) {
		for _, s := range w.turn(nil) {
			seen[s] = *now
		}
	}
	for i, s := range all {
		due := int64(i) * int64(tick) * int64(1+i%2)
		at, ok := seen[s]
		switch {
		case i == 5 && ok:
			t.Error("looked at a session that was removed")
		case i != 5 && (!ok || at < due || at > due+int64(tick+3*time.Millisecond)):
			t.Fatalf("session %d due at %d was looked at %t at %d", i, due, ok, at)
		}
	}
}

func TestTheWheelCatchesUpAfterALongSleep(t *testing.T) {
	w, all, now := turning(10*time.Millisecond, 100)
	for i, s := range all {
		w.schedule(s, int64(i)*int64(time.Second))
	}
	*now = int64(time.Hour)
	if n := len(w.turn(nil)); n != len(all) {
		t.Errorf("looked at %d of %d", n, len(all))
	}
}

func TestAPlanCanBeBroughtForwardAndPutOff(t *testing.T) {
	w, all, now := turning(10*time.Millisecond, 2)
	w.schedule(all[0], int64(time.Second))
	w.schedule(all[0], int64(time.Minute))
	w.schedule(all[1], int64(time.Minute))
	w.schedule(all[1], int64(time.Second))
	*now = int64(2 * time.Second)
	if due := w.turn(nil); len(due) != 1 || due[0] != all[1] {
		t.Errorf("looked at %d sessions", len(due))
	}
}

func TestAPollingGhostEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // as when the client never came back after its handshake
		s, h := beating(Config{Limits: Limits{PingInterval: time.Second, PingTimeout: time.Second, CloseTimeout: time.Second}})
		defer windUp(s.srv)
		pass(3 * time.Second)
		h.end(t, ReasonPingTimeout)
		if s.current() != stateClosed {
			t.Error("not gone")
		}
	})
}

func TestSilentClientsAreCutAndThoseThatPongAreNot(t *testing.T) {
	everywhere(t, Config{Limits: Limits{PingInterval: 30 * time.Millisecond, PingTimeout: time.Second, CloseTimeout: time.Second}}, func(t *testing.T, c client, s *side) {
		mute(c, true)
		for range 5 {
			if p := must[packet](t)(c.next()); p.kind != typePing {
				t.Fatalf("got %q", p)
			}
			pong(t, c)
		}
		for p := (packet{kind: typePing}); p.kind == typePing; { // and now silence
			p = must[packet](t)(c.next())
			if p.kind == kindEnd && (p.code != CodeGoingAway || p.data != string(ReasonPingTimeout)) {
				t.Errorf("got %q", p)
			}
		}
		s.end(t, ReasonPingTimeout)
	})
}

func mute(c client, on bool) {
	switch c := c.(type) {
	case wsClient:
		c.Mute = on
	case pollClient:
		c.Mute = on
	}
}

func pong(t *testing.T, c client) {
	t.Helper()
	switch c := c.(type) {
	case wsClient:
		check(t, c.frame(1, []byte("3")))
	case pollClient:
		check(t, c.Send("3"))
	}
}
