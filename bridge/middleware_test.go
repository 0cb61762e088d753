package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
	"gatehouse/handshake"
)

// gate answers as a test wants and notes what it was asked.
type gate struct {
	asked  chan *handshake.Request
	closed chan string
	err    error
}

func (g *gate) Check(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
	g.asked <- r
	return handshake.Identity{Subject: "ada"}, g.err
}

func (g *gate) SessionClosed(session string) { g.closed <- session }

func newGate(err error) *gate {
	return &gate{asked: make(chan *handshake.Request, 10), closed: make(chan string, 10), err: err}
}

func TestTheGateSeesWhatTheClientBrought(t *testing.T) {
	g := newGate(nil)
	a := serve(t, bridge.Config{}, func(io *socket.Server) { io.Of("/chat", nil).Use(bridge.Middleware(g)) })
	a.open().join("/chat", `{"token":"t"}`)
	r := receive(t, g.asked)
	if string(r.Auth) != `{"token":"t"}` || r.Namespace != "/chat" || r.Query.Get("k") != "v" || r.Transport != "websocket" ||
		r.RemoteAddr.String() != "127.0.0.1" || !strings.HasPrefix(r.Host, "127.0.0.1:") || r.Secure || r.SessionID == "" {
		t.Errorf("the gate was asked about %+v", *r)
	}
}

func TestTheIdentityIsTheSocketsData(t *testing.T) {
	ids := make(chan handshake.Identity, 1)
	a := serve(t, bridge.Config{}, func(io *socket.Server) {
		io.Use(bridge.Middleware(newGate(nil)))
		connected(io, func(s *socket.Socket) {
			id, _ := bridge.Identity(s)
			ids <- id
		})
	})
	a.open().join("/", "")
	if id := receive(t, ids); id.Subject != "ada" {
		t.Errorf("the identity is %+v", id)
	}
}

func TestARefusalIsAConnectErrorWithACode(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"forbidden": {
			&handshake.Refusal{Code: handshake.CodeForbidden, Message: "Not here."},
			`44{"data":{"code":"forbidden"},"message":"Not here."}`,
		},
		"later": {
			&handshake.Refusal{Code: handshake.CodeRateLimited, Message: "Slowly.", RetryAfter: 1500 * time.Millisecond},
			`44{"data":{"code":"rate_limited","retryAfterMs":1500},"message":"Slowly."}`,
		},
		"no verdict": {
			errors.New("a secret cause"),
			`44{"data":{"code":"unavailable","retryAfterMs":1000},"message":"Signing in does not work right now; try again in a moment."}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			a := serve(t, bridge.Config{}, func(io *socket.Server) { io.Use(bridge.Middleware(newGate(tc.err))) })
			c := a.open()
			for range 2 { // a refused client may try again
				c.send("40")
				if got := c.next(); got != tc.want {
					t.Errorf("got %s, want %s", got, tc.want)
				}
			}
		})
	}
}

func TestTheGateHearsOnceOfTheEndOfAConnection(t *testing.T) {
	g := newGate(nil)
	a := serve(t, bridge.Config{}, func(io *socket.Server) { io.Use(bridge.Middleware(g)) })
	c := a.open().join("/", "")
	c.send("41")
	c.join("/", "")
	c.Drop()
	a.bound.Close()
	if first, second := receive(t, g.asked).SessionID, receive(t, g.asked).SessionID; first != second {
		t.Errorf("one connection is %q and %q", first, second)
	}
	receive(t, g.closed)
	if len(g.closed) > 0 {
		t.Error("it heard twice")
	}
}

func TestForwardedAddressesCountFromTrustedProxiesOnly(t *testing.T) {
	proxies, err := handshake.ParseTrustedProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for want, trusted := range map[string]handshake.TrustedProxies{"127.0.0.1": nil, "192.0.2.7": proxies} {
		g := newGate(nil)
		a := serve(t, bridge.Config{}, func(io *socket.Server) { io.Use(bridge.Middleware(g, trusted...)) })
		a.poll("X-Forwarded-For", "192.0.2.7")
		if got := receive(t, g.asked).RemoteAddr.String(); got != want {
			t.Errorf("the client's address is %s, want %s", got, want)
		}
	}
}
