package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// stage lets clients into a configured namespace, inside a bubble.
type stage struct {
	t     *testing.T
	hub   *namespaces.Hub
	relay *Relay
	local namespaces.Local // the namespace's, as its adapter has it
}

// onStage runs a test with a clock of its own.
func onStage(t *testing.T, cfg Config, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		relay, err := New(cfg, nil, Deps{})
		if err != nil {
			t.Fatal(err)
		}
		gate := namespaces.GateFunc(func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
			var auth struct{ Token string }
			err := json.Unmarshal(r.Auth, &auth)
			return handshake.Identity{Subject: auth.Token}, err
		})
		ns := namespaces.New("/app")
		relay.define(ns, nil)
		s := &stage{t: t, relay: relay}
		adapt := func(_ context.Context, local namespaces.Local) (namespaces.Adapter, error) {
			s.local = local
			return local, nil
		}
		s.hub, err = namespaces.NewHub(namespaces.Config{Gate: gate, Adapter: adapt}, ns)
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
		if err := s.hub.Close(t.Context()); err != nil {
			t.Error(err)
		}
		relay.Close()
	})
}

func (s *stage) enter(user string) *player {
	s.t.Helper()
	p := &player{ear: newEar(), client: nil}
	p.client = s.hub.Connect(p.ear)
	s.t.Cleanup(func() { p.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose}) })
	p.client.Message(false, []byte(`0/app,{"token":"`+user+`"}`))
	p.ear.until("0/app,")
	return p
}

// sends says whether an event was sent, and how long that took.
func (p *player) sends(t *testing.T, room, event, data string) (ok bool, took time.Duration) {
	t.Helper()
	began := time.Now()
	answer := p.ask("room:send", map[string]any{"room": room, "event": event, "data": data})
	if ok = strings.Contains(answer, `"ok":true`); !ok && !strings.Contains(answer, `"code":"rate_limited"`) {
		t.Fatalf("%s is answered with %s", event, answer)
	}
	return ok, time.Since(began)
}

// many counts how many of the given events were sent.
func (p *player) many(t *testing.T, n int, room, event string) (sent int) {
	t.Helper()
	for range n {
		if ok, _ := p.sends(t, room, event, ""); ok {
			sent++
		}
	}
	return sent
}

func roomsWith(limits LimitRule) Config {
	return Config{Rooms: []RoomRule{{Match: "doc:{id}", Join: "true", Send: "true", Limits: limits}}}
}

func TestWhatIsBoundedByALimit(t *testing.T) {
	five := Limit{Events: 1, Burst: 5}
	for name, c := range map[string]struct {
		limits LimitRule
		want   string // events of ten that were sent by: ann, ann's second tab, bob; ann to another room, ann's other event
	}{
		"each socket":       {LimitRule{Events: 1, Burst: 5}, "5 5 5 0 0"},
		"each user":         {LimitRule{User: five}, "5 0 5 0 0"},
		"each room":         {LimitRule{Room: five}, "5 0 0 5 0"},
		"an event":          {LimitRule{Event: map[string]Limit{"cursor": five}}, "5 5 5 0 10"},
		"some events":       {LimitRule{Event: map[string]Limit{"c*": five}}, "5 5 5 0 10"},
		"the tightest of":   {LimitRule{Events: 1, Burst: 7, User: five, Room: Limit{Events: 1, Burst: 8}}, "5 0 3 0 0"},
		"bytes":             {LimitRule{Bytes: 1}, "1 1 1 0 0"},
		"bytes of a user":   {LimitRule{User: Limit{Bytes: 1}}, "1 0 1 0 0"},
		"nothing":           {LimitRule{}, "10 10 10 10 10"},
		"what has no limit": {LimitRule{Event: map[string]Limit{"edit": five}}, "10 10 10 10 5"},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, roomsWith(c.limits), func(t *testing.T, s *stage) {
				ann, tab, bob := s.enter("ann"), s.enter("ann"), s.enter("bob")
				got := fmt.Sprint(ann.many(t, 10, "doc:1", "cursor"), tab.many(t, 10, "doc:1", "cursor"), bob.many(t, 10, "doc:1", "cursor"),
					ann.many(t, 10, "doc:2", "cursor"), ann.many(t, 10, "doc:1", "edit"))
				if got != c.want {
					t.Errorf("%s were sent, not %s", got, c.want)
				}
				time.Sleep(time.Minute) // all is earned again
				if ok, _ := ann.sends(t, "doc:1", "cursor", ""); !ok {
					t.Error("a minute later it is still too much")
				}
			})
		})
	}
}

func TestWhoIsSlowedWaits(t *testing.T) {
	onStage(t, roomsWith(LimitRule{Events: 2, Burst: 1, Over: OverSlow}), func(t *testing.T, s *stage) {
		ann := s.enter("ann")
		for i := range 5 {
			ok, took := ann.sends(t, "doc:1", "e", "")
			if want := time.Duration(min(i, 1)) * time.Second / 2; !ok || took != want {
				t.Errorf("event %d: sent %v after %v, not after %v", i, ok, took, want)
			}
		}
	})
}

func TestWhoWouldBeSlowedForLongIsRefused(t *testing.T) {
	onStage(t, roomsWith(LimitRule{Events: 1.0 / 60, Over: OverSlow}), func(t *testing.T, s *stage) {
		ann := s.enter("ann")
		ann.sends(t, "doc:1", "e", "")
		if ok, took := ann.sends(t, "doc:1", "e", ""); ok || took != 0 {
			t.Errorf("sent %v, after %v", ok, took)
		}
	})
}

func TestWhatIsRefusedCountsForNothing(t *testing.T) {
	onStage(t, roomsWith(LimitRule{Events: 1, Bytes: 1000, Room: Limit{Events: 100}}), func(t *testing.T, s *stage) {
		ann := s.enter("ann")
		ann.sends(t, "doc:1", "e", "")
		if sent := ann.many(t, 50, "doc:1", "e"); sent != 0 { // over the events of the socket
			t.Errorf("%d were sent", sent)
		}
		time.Sleep(time.Second)
		if ok, _ := ann.sends(t, "doc:1", "e", strings.Repeat("x", 800)); !ok {
			t.Error("events that were refused have used up the bytes")
		}
		bob := s.enter("bob")
		if ok, _ := bob.sends(t, "doc:1", "e", ""); !ok {
			t.Error("events that were refused have used up the room")
		}
	})
}

func TestWhoIsDisconnectedForTooMuch(t *testing.T) {
	onStage(t, roomsWith(LimitRule{User: Limit{Events: 1, Over: OverDisconnect}}), func(t *testing.T, s *stage) {
		ann, bob := s.enter("ann"), s.enter("bob")
		ann.sends(t, "doc:1", "e", "")
		ann.client.Message(false, []byte(`2/app,["room:send",{"room":"doc:1","event":"e"}]`))
		ann.ear.until("1/app,")
		if ok, _ := bob.sends(t, "doc:1", "e", ""); !ok {
			t.Error("somebody else is bounded too")
		}
	})
}

func TestMetersAreBounded(t *testing.T) {
	var all meters
	for i := range 3 * mostMeters {
		all.meterLocked(fmt.Sprint(i))
	}
	if n := len(all.young) + len(all.old); n > 2*mostMeters {
		t.Errorf("%d meters are kept", n)
	}
	if one := all.meterLocked("0"); all.meterLocked("0") != one {
		t.Error("a meter is not found again")
	}
}
