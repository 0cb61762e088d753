package bridge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
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
	t *testing.T
	net.Conn
}

// open starts a session and reads its open packet.
func (a *app) open() *client {
	a.t.Helper()
	conn, early, _, err := ws.Dial(a.t.Context(), "ws"+strings.TrimPrefix(a.http.URL, "http")+"/socket.io/?EIO=4&transport=websocket&k=v")
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { conn.Close() })
	if early != nil {
		b, _ := early.Peek(early.Buffered())
		conn = &prefixed{Conn: conn, Reader: io.MultiReader(bytes.NewReader(bytes.Clone(b)), conn)}
	}
	c := &client{t: a.t, Conn: conn}
	c.until("0{")
	return c
}

// prefixed is a connection of which some bytes were read already.
type prefixed struct {
	net.Conn
	io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) { return p.Reader.Read(b) }

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
	for _, text := range texts {
		if err := wsutil.WriteClientText(c.Conn, []byte(text)); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *client) sendBinary(b []byte) {
	c.t.Helper()
	if err := wsutil.WriteClientBinary(c.Conn, b); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next message that is no ping.
func (c *client) next() string {
	c.t.Helper()
	message, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	return message
}

func (c *client) read() (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for {
		frame, err := ws.ReadFrame(c.Conn)
		if err != nil {
			return "", err
		}
		if frame.Header.OpCode == ws.OpClose {
			code, reason := ws.ParseCloseFrameData(frame.Payload)
			return "", wsutil.ClosedError{Code: code, Reason: reason}
		}
		if string(frame.Payload) != "2" {
			return string(frame.Payload), nil
		}
	}
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
func (c *client) closed() (ws.StatusCode, string) {
	c.t.Helper()
	for {
		_, err := c.read()
		var closed wsutil.ClosedError
		if errors.As(err, &closed) {
			return closed.Code, closed.Reason
		}
		if err != nil {
			return 0, err.Error()
		}
	}
}

// field takes a field out of the JSON at the end of a message.
func field(t *testing.T, message, name string) string {
	t.Helper()
	at := strings.IndexByte(message, '{')
	if at < 0 {
		t.Fatalf("no object in %q", message)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(message[at:]), &object); err != nil {
		t.Fatal(err)
	}
	s, _ := object[name].(string)
	return s
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
	url := a.http.URL + "/socket.io/?EIO=4&transport=polling"
	open := a.request(http.MethodGet, url, "", name, value)
	a.request(http.MethodPost, url+"&sid="+field(a.t, open, "sid"), "40", name, value)
}

func (a *app) request(method, url, body, name, value string) string {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set(name, value)
	resp, err := a.http.Client().Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s: %d %s %v", method, resp.StatusCode, b, err)
	}
	return string(b)
}
