package bridge_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
	"gatehouse/internal/wiretest"
)

// patience is how long anything may take before a test gives up on it.
const patience = 20 * time.Second

// app is an application on our engine, for the time of a test.
type app struct {
	t     *testing.T
	io    *socket.Server
	bound *bridge.Server
	http  *httptest.Server
}

// serve binds the server that build made, and ends everything with the test.
func serve(t *testing.T, cfg bridge.Config, build func(*socket.Server)) *app {
	t.Helper()
	return serveWith(t, cfg, nil, build)
}

func serveWith(t *testing.T, cfg bridge.Config, opts socket.ServerOptionsInterface, build func(*socket.Server)) *app {
	t.Helper()
	if cfg.Engine.Logger == nil {
		cfg.Engine.Logger = slog.New(slog.DiscardHandler)
	}
	io := socket.NewServer(nil, opts)
	build(io)
	bound, err := bridge.Bind(io, cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{t: t, io: io, bound: bound, http: httptest.NewServer(bound)}
	t.Cleanup(func() {
		bound.Close()
		a.http.Close()
	})
	return a
}

// connected registers a listener for sockets of "/".
func connected(io *socket.Server, f func(*socket.Socket)) {
	_ = io.On("connection", func(args ...any) { f(args[0].(*socket.Socket)) })
}

// client is a WebSocket that speaks the protocol by hand.
type client struct {
	*wiretest.WebSocket
	t *testing.T
}

// open starts a session.
func (a *app) open() *client {
	a.t.Helper()
	c, err := wiretest.Dial(a.t.Context(), a.http.Listener.Addr().String(), "websocket", wiretest.Options{Query: "k=v"})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(c.Drop)
	return &client{c.(*wiretest.WebSocket), a.t}
}

// join enters a namespace with a payload.
func (c *client) join(namespace, payload string) *client {
	c.t.Helper()
	at := ""
	if namespace != "/" {
		at = namespace + ","
	}
	c.send("40" + at + payload)
	c.until("40" + at + "{")
	return c
}

func (c *client) send(texts ...string) {
	c.t.Helper()
	if err := c.Send(texts...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) sendBinary(b []byte) {
	c.t.Helper()
	if err := c.SendBinary(b); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next message that is no ping.
func (c *client) next() string {
	c.t.Helper()
	message, err := c.Next()
	if err != nil {
		c.t.Fatal(err)
	}
	return message.Text
}

// until reads on to a message that begins so.
func (c *client) until(prefix string) string {
	c.t.Helper()
	for {
		if message := c.next(); strings.HasPrefix(message, prefix) {
			return message
		}
	}
}

// closed reads on to the end and returns its code and reason.
func (c *client) closed() (code int, reason string) {
	c.t.Helper()
	for {
		_, err := c.Next()
		var end *wiretest.End
		if errors.As(err, &end) {
			return end.Code, end.Reason
		}
		if err != nil {
			return 0, err.Error()
		}
	}
}

// receive takes the next value of a channel.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// poll sends CONNECT by long-polling, with a header.
func (a *app) poll(name, value string) {
	a.t.Helper()
	o := wiretest.Options{Header: http.Header{name: {value}}}
	if transport, ok := a.http.Client().Transport.(*http.Transport); ok && a.http.TLS != nil {
		o.TLS = transport.TLSClientConfig
	}
	c, err := wiretest.Dial(a.t.Context(), a.http.Listener.Addr().String(), "polling", o)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(c.Drop)
	if err := c.Send("40"); err != nil {
		a.t.Fatal(err)
	}
}
