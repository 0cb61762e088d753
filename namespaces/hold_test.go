package namespaces_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// outage is a gate that refuses everybody for a time, and counts how often it is asked.
type outage struct {
	err   error
	until time.Time
	asked int
}

func (o *outage) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	o.asked++
	if time.Now().Before(o.until) {
		return handshake.Identity{}, o.err
	}
	return open(ctx, r)
}

var passing = map[string]error{
	"unavailable":          &handshake.Refusal{Code: handshake.CodeUnavailable, Message: "Wait."},
	"rate limited":         &handshake.Refusal{Code: handshake.CodeRateLimited, Message: "Wait.", RetryAfter: time.Second},
	"too many connections": &handshake.Refusal{Code: handshake.CodeTooManyConnections, Message: "Wait."},
	"not yet valid":        &handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "Wait.", RetryAfter: time.Second},
	"no verdict":           errors.New("connection refused"),
}

// TestWhoIsRefusedForACauseThatPassesIsHeld protects clients with default settings, which never come back from a
// CONNECT_ERROR (field fault 1).
func TestWhoIsRefusedForACauseThatPassesIsHeld(t *testing.T) {
	for name, err := range passing {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := &outage{err: err, until: time.Now().Add(4 * time.Second)}
				joined := namespaces.New("/")
				joined.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
				p := newPeer(t, newHub(t, namespaces.Config{Gate: gate}, joined))
				p.say(connectTo("/", "ann"), `27["early"]`)
				time.Sleep(3 * time.Second)
				p.expect()
				if held := p.held(); held == 0 {
					t.Error("what is kept of a held admission does not count")
				}
				p.awaitIn(joined)
				if n := gate.asked; n < 3 || n > 12 {
					t.Errorf("asked %d times", n)
				}
				if held := p.held(); held != 0 {
					t.Errorf("%d bytes count after the admission", held)
				}
			})
		})
	}
}

// awaitIn waits until the client is in.
func (p *peer) awaitIn(ns *namespaces.Namespace) {
	p.t.Helper()
	time.Sleep(4 * time.Second)
	synctest.Wait()
	if ns.Len() != 1 {
		p.t.Fatal("the client is not in, although the cause has passed")
	}
}

// TestTheTransportOfAHeldClientClosesInTime also checks that no CONNECT_ERROR comes before, so that the client comes
// back by itself.
func TestTheTransportOfAHeldClientClosesInTime(t *testing.T) {
	for name, err := range passing {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := &outage{err: err, until: time.Now().Add(time.Hour)}
				h := newHub(t, namespaces.Config{Gate: gate}, namespaces.New("/"))
				p := newPeer(t, h)
				p.say(connectTo("/", "ann"))
				time.Sleep(7 * time.Second)
				p.expect()
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if closed, code, _ := p.isClosed(); !closed || code != 1013 {
					t.Errorf("closed %v with %d, want 1013", closed, code)
				}
				p.expect()
				if st := h.Stats(); st.Clients != 0 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// TestAHeldClientGoes ends a held client by its transport, by DISCONNECT, by another namespace, and by the end of the hub.
func TestAHeldClientGoes(t *testing.T) {
	const refusal = `4{"message":"Wait.","data":{"code":"unavailable"}}`
	for name, c := range map[string]struct {
		act  func(p *peer)
		want []string
	}{
		"its transport closes": {func(p *peer) { p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) }, nil},
		"it leaves":            {func(p *peer) { p.push("1") }, nil},
		"it enters another":    {func(p *peer) { p.enter("/elsewhere", "ann") }, []string{refusal}},
		"the hub closes":       {func(*peer) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gate := &outage{err: passing["unavailable"], until: time.Now().Add(time.Hour)}
				h := newHub(t, namespaces.Config{Gate: gate, ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: time.Minute}}, namespaces.New("/"), elsewhere())
				p := newPeer(t, h)
				p.say(connectTo("/", "ann"))
				c.act(p)
				if name == "the hub closes" {
					return
				}
				time.Sleep(30 * time.Second)
				p.expect(c.want...)
				if held := p.held(); held != 0 {
					t.Errorf("%d bytes count after the end", held)
				}
			})
		})
	}
}

// TestARefusalForGoodIsSaidAtOnce.
func TestARefusalForGoodIsSaidAtOnce(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.say("0")
		p.expect(`4{"message":"Bring a token.","data":{"code":"unauthenticated"}}`)
	})
}

// TestAPassingCauseAtTheLastMomentIsNoAnswerEither lets a slow gate fail when the client's time is over. A
// CONNECT_ERROR would keep the client away for good.
func TestAPassingCauseAtTheLastMomentIsNoAnswerEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 5 * time.Second
		gate := gateOf(func(_ context.Context, _ *handshake.Request) (handshake.Identity, error) {
			time.Sleep(limit)
			return handshake.Identity{}, passing["unavailable"]
		})
		var peers []*peer
		h := newHub(t, namespaces.Config{Gate: gate, ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: limit, AdmitTimeout: 2 * limit}}, namespaces.New("/"))
		for range 100 {
			p := newPeer(t, h)
			p.say(connectTo("/", "ann"))
			peers = append(peers, p)
		}
		time.Sleep(2 * limit)
		synctest.Wait()
		for _, p := range peers {
			p.expect()
			if closed, _, _ := p.isClosed(); !closed {
				t.Error("a client was not turned away")
			}
		}
	})
}

// gateOf makes a gate of a function.
type gateOf func(context.Context, *handshake.Request) (handshake.Identity, error)

func (f gateOf) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	return f(ctx, r)
}
