package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

func refusedRefresh(id, code, message string) string {
	return fmt.Sprintf(`3%s[{"ok":false,"error":{"code":%q,"message":%q}}]`, id, code, message)
}

func TestReq19_ARefreshProlongsTheSession(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s := p.enterWith(ns, `{"sub":"ann","ttl":100}`)
		after(102 * time.Second) // told, and in its grace
		p.expect(fmt.Sprintf(`2["auth:expiring",{"expiresAt":%d}]`, time.Now().Add(-2*time.Second).UnixMilli()))
		p.say(`27["auth:refresh",{"sub":"ann","ttl":100,"scopes":["new"]}]`)
		p.expect(accepted("7", 100*time.Second))
		if !s.Identity().Has("scope", "new") {
			t.Error("the identity is the old one")
		}
		after(75 * time.Second)
		p.expect(expiringAt(25 * time.Second)) // told again
		p.say(`28["auth:refresh",{"sub":"ann"}]`)
		p.expect(`38[{"ok":true}]`)
		after(time.Hour)
		p.expect()
		p.say(`2["auth:refresh",{"sub":"ann","ttl":10}]`) // nobody asked for an answer
		p.expect()
		after(time.Minute)
		p.expectClosed("token expired")
	})
}

func TestReq19_ARefreshMayNotChangeTheSubject(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s := p.enterWith(ns, `{"sub":"ann","iss":"x","ttl":100}`)
		const other = "This credential belongs to another user; disconnect and sign in anew."
		p.say(`21["auth:refresh",{"sub":"bob","iss":"x","ttl":100}]`)
		p.expect(refusedRefresh("1", "forbidden", other))
		p.say(`22["auth:refresh",{"sub":"ann","iss":"y","ttl":100}]`)
		p.expect(refusedRefresh("2", "forbidden", other))
		if s.Identity().Subject != "ann" || s.Identity().Issuer != "x" {
			t.Errorf("now it is %+v", s.Identity())
		}
		after(105 * time.Second)
		p.expectClosed("token expired")
	})
}

func TestARefreshThatFailsChangesNothing(t *testing.T) {
	ns := namespaces.New("/")
	gate := new(office)
	run(t, namespaces.Config{Gate: gate}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s := p.enterWith(ns, `{"sub":"ann","ttl":100}`)
		before := s.Identity()
		const form = "A refresh takes one object, such as {token}."
		p.say(`21["auth:refresh"]`, `22["auth:refresh","x"]`)
		p.say(`23["auth:refresh",{}]`)
		gate.refreshing = func() { panic("verifier") }
		p.say(`24["auth:refresh",{"sub":"ann"}]`)
		got := p.take()
		want := []string{
			refusedRefresh("1", "bad_request", form),
			refusedRefresh("3", "token_invalid", "No."),
		}
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("sent %q, without %s", got, w)
			}
		}
		if last := got[len(got)-1]; !strings.Contains(last, `"unavailable"`) {
			t.Error(last)
		}
		if !reflect.DeepEqual(s.Identity(), before) || !s.Connected() {
			t.Error("the socket is not as before")
		}
	})
}

func TestRefreshesAreBounded(t *testing.T) {
	ns := namespaces.New("/")
	gate := new(office)
	cfg := namespaces.Config{Gate: gate, SessionLimits: namespaces.SessionLimits{RefreshBurst: 3, RefreshInterval: 10 * time.Second}}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann"}`)
		gate.refreshing = func() { time.Sleep(time.Second) }
		p.say(`21["auth:refresh",{"sub":"ann"}]`, `22["auth:refresh",{"sub":"ann"}]`)
		p.expect(`32[{"ok":false,"error":{"code":"rate_limited",` +
			`"message":"A refresh is under way; wait for its answer.","retryAfterMs":1000}}]`)
		after(time.Second)
		p.expect(`31[{"ok":true}]`)
		gate.refreshing = nil
		p.say(`23["auth:refresh",{}]`)
		p.say(`24["auth:refresh",{"sub":"ann"}]`)
		p.take()
		p.say(`25["auth:refresh",{"sub":"ann"}]`)
		p.expect(`35[{"ok":false,"error":{"code":"rate_limited","message":"Too many refreshes; wait a moment.","retryAfterMs":9000}}]`)
		after(9 * time.Second)
		p.say(`26["auth:refresh",{"sub":"ann"}]`)
		p.expect(`36[{"ok":true}]`)
	})
}

func TestWithoutARefresherThereIsNoRefresh(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["auth:refresh",{"token":"ann"}]`)
		p.expect(refusedRefresh("1", "unknown_event", "This namespace has no such event."))
	})
}

// TestTheIdentityChangesBetweenTwoEvents refreshes while a handler runs, which awaits something that comes after the answer.
func TestTheIdentityChangesBetweenTwoEvents(t *testing.T) {
	ns := namespaces.New("/")
	var log []string
	note := func(where string, s *namespaces.Socket) {
		log = append(log, where+" "+strings.Join(s.Identity().Scopes, "+"))
	}
	namespaces.Handle(ns, "slow", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) error {
		note("before", s)
		_, err := s.EmitAck(ctx, "refresh, then answer")
		note("after", s)
		return err
	})
	namespaces.Handle(ns, "next", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		note("next", s)
		return nil
	})
	ns.OnRefresh(func(_ context.Context, s *namespaces.Socket, old handshake.Identity) error {
		note("refreshed from "+old.Scopes[0]+" to", s)
		return nil
	})
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann","scopes":["old"]}`)
		p.say(`2["slow"]`, `2["next"]`)
		p.take()
		p.say(`21["auth:refresh",{"sub":"ann","scopes":["skipped"]}]`)
		p.say(`22["auth:refresh",{"sub":"ann","scopes":["new"]}]`)
		p.expect(`31[{"ok":true}]`, `32[{"ok":true}]`)
		p.say(`30[]`)
		want := []string{"before old", "after old", "refreshed from old to new", "next new"}
		if !reflect.DeepEqual(log, want) {
			t.Errorf("%q", log)
		}
	})
}

func TestReq19_RoomsThatAreNoLongerPermittedAreLeft(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join(s.Identity().Scopes...) })
	ns.OnRefresh(func(_ context.Context, s *namespaces.Socket, _ handshake.Identity) error {
		for _, room := range s.Rooms() {
			if !s.Identity().Has("scope", room) {
				s.Leave(room)
			}
		}
		return nil
	})
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann","scopes":["a","b"]}`)
		p.say(`21["auth:refresh",{"sub":"ann","scopes":["b","c"]}]`)
		_ = ns.In("a").Emit("to a")
		_ = ns.In("b").Emit("to b")
		p.expect(`31[{"ok":true}]`, `2["to b"]`)
	})
}

func TestARefreshHandlerCanEndTheSocket(t *testing.T) {
	for name, c := range map[string]struct {
		handler namespaces.RefreshFunc
		reason  string
	}{
		"forbidden": {func(context.Context, *namespaces.Socket, handshake.Identity) error {
			return namespaces.Forbidden("Not with this scope.")
		}, "Not with this scope."},
		"error": {func(context.Context, *namespaces.Socket, handshake.Identity) error {
			return errors.New("the secret cause")
		}, "The server cannot admit anybody right now; try again in a moment."},
		"panic": {func(context.Context, *namespaces.Socket, handshake.Identity) error {
			panic("the secret cause")
		}, "The server cannot admit anybody right now; try again in a moment."},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespaces.New("/")
			ended := ""
			ns.OnDisconnect(func(_ context.Context, _ *namespaces.Socket, reason string) { ended = reason })
			ns.OnRefresh(c.handler)
			run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				p.enterWith(ns, `{"sub":"ann","ttl":100}`)
				p.say(`21["auth:refresh",{"sub":"ann","ttl":100}]`)
				p.expect(fmt.Sprintf(`2["auth:revoked",{"reason":%q}]`, c.reason), "1")
				if ended != namespaces.ReasonRevoked {
					t.Errorf("ended by %q", ended)
				}
			})
		})
	}
}

func TestHooksAreToldOfRefreshes(t *testing.T) {
	var log []string
	watch := namespaces.Hooks{
		EventHandled: func(_ *namespaces.Socket, h namespaces.Handled) {
			log = append(log, fmt.Sprint(h.Event, " ", h.Err))
		},
		IdentityChanged: func(s *namespaces.Socket, old handshake.Identity) {
			log = append(log, old.TokenID+" became "+s.Identity().TokenID)
		},
	}
	ns := namespaces.New("/")
	run(t, namespaces.Config{Gate: new(office), Hooks: []namespaces.Hooks{{}, watch}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enterWith(ns, `{"sub":"ann","id":"one"}`)
		p.say(`2["auth:refresh",{"sub":"ann","id":"two"}]`)
		if want := []string{"one became two", "auth:refresh <nil>"}; !reflect.DeepEqual(log, want) {
			t.Errorf("%q", log)
		}
	})
}
