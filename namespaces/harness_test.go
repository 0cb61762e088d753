package namespaces_test

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open admits everybody under the name in {"token": "name"}, and refuses those without.
var open = namespaces.GateFunc(func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
	var auth struct {
		Token string `json:"token"`
	}
	if len(r.Auth) == 0 || json.Unmarshal(r.Auth, &auth) != nil || auth.Token == "" {
		return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeUnauthenticated, Message: "Bring a token."}
	}
	return handshake.Identity{Subject: auth.Token, Scopes: strings.Split(auth.Token, "+")}, nil
})

// conn is a connection that records its frames and calls. Frames are in their text form, attachments appended as <hex>.
type conn struct {
	mu       sync.Mutex
	sent     []string
	behind   bool
	closed   bool
	code     int
	reason   string
	pauses   int
	paused   bool
	admitted int
	holding  int // bytes
	backlog  int // eighths

	identified []string // subject, id and namespace of sockets
	request    *handshake.Request
	values     context.Context
	onSend     func(text string) // outside the lock
	onFrame    func(*packet.Frame)
}

func (c *conn) Send(f *packet.Frame) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fmt.Errorf("closed")
	}
	text := string(f.Text)
	for _, a := range f.Attachments {
		text += fmt.Sprintf("<%x>", a)
	}
	c.sent = append(c.sent, text)
	hook := c.onSend
	if c.onFrame != nil {
		c.onFrame(f)
	}
	c.mu.Unlock()
	if hook != nil {
		hook(text)
	}
	return nil
}

func (c *conn) SendVolatile(f *packet.Frame) bool {
	c.mu.Lock()
	behind := c.behind
	c.mu.Unlock()
	return !behind && c.Send(f) == nil
}

func (c *conn) Close(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed, c.code, c.reason = true, code, reason
	}
}

func (c *conn) Pause()  { c.mu.Lock(); c.paused = true; c.pauses++; c.mu.Unlock() }
func (c *conn) Resume() { c.mu.Lock(); c.paused = false; c.mu.Unlock() }

func (c *conn) Hold(n int) bool { c.mu.Lock(); defer c.mu.Unlock(); c.holding += n; return true }

func (c *conn) Backlog() int { c.mu.Lock(); defer c.mu.Unlock(); return c.backlog }

func (c *conn) reads(backlog int) { c.mu.Lock(); c.backlog = backlog; c.mu.Unlock() }

func (c *conn) held() int { c.mu.Lock(); defer c.mu.Unlock(); return c.holding }

func (c *conn) Admitted() { c.mu.Lock(); c.admitted++; c.mu.Unlock() }

func (c *conn) Identified(s *namespaces.Socket) {
	c.mu.Lock()
	c.identified = append(c.identified, s.Identity().Subject+" as "+s.ID()+" in "+s.Namespace().Name())
	c.mu.Unlock()
}

func (c *conn) Request() *handshake.Request { return c.request }

// take returns what was sent since the last take.
func (c *conn) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = nil
	return sent
}

func (c *conn) isClosed() (closed bool, code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed, c.code, c.reason
}

func (c *conn) isPaused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused
}

// peer is a client of the tests.
type peer struct {
	t testing.TB
	*conn
	client *namespaces.Client
	in     sync.Mutex // one message after another, then the end
}

func newPeer(t testing.TB, h *namespaces.Hub) *peer {
	p := &peer{t: t, conn: new(conn)}
	p.client = h.Connect(p.conn)
	return p
}

// say sends text messages of the client, and waits until the server has settled.
func (p *peer) say(messages ...string) {
	p.t.Helper()
	p.push(messages...)
	synctest.Wait()
}

// push sends text messages of the client.
func (p *peer) push(messages ...string) {
	for _, m := range messages {
		p.in.Lock()
		p.client.Message(false, []byte(m))
		p.in.Unlock()
	}
}

// gone ends the connection.
func (p *peer) gone(end namespaces.End) {
	p.in.Lock()
	defer p.in.Unlock()
	p.client.Closed(end)
}

// expect fails unless exactly these frames were sent since the last look.
func (p *peer) expect(frames ...string) {
	p.t.Helper()
	synctest.Wait()
	got := p.take()
	if strings.Join(got, "\n") != strings.Join(frames, "\n") {
		p.t.Fatalf("sent:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(frames, "\n"))
	}
}

// expectClosed fails unless the transport was closed with this reason.
func (p *peer) expectClosed(reason string) {
	p.t.Helper()
	synctest.Wait()
	closed, _, got := p.isClosed()
	if !closed || got != reason {
		p.t.Fatalf("closed: %v with %q, want %q", closed, got, reason)
	}
}

// enter connects to a namespace and returns the socket's id.
func (p *peer) enter(namespace, token string) string {
	p.t.Helper()
	p.say(connectTo(namespace, token))
	for _, frame := range p.take() {
		if id, ok := strings.CutPrefix(frame, "0"+prefix(namespace)+`{"sid":"`); ok {
			return strings.TrimSuffix(id, `"}`)
		}
	}
	p.t.Fatalf("%s did not admit %s", namespace, token)
	return ""
}

// join is enter for tests with real goroutines, which wait for the server's answer.
func (p *peer) join(namespace, token string) {
	p.t.Helper()
	p.push(connectTo(namespace, token))
	p.await("0" + prefix(namespace) + "{")
}

// await waits for a frame with a prefix, and returns all frames so far.
func (p *peer) await(begin string) (sent string) {
	p.t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		for _, frame := range p.take() {
			sent += frame + "\n"
			if strings.HasPrefix(frame, begin) {
				return sent
			}
		}
		runtime.Gosched()
	}
	p.t.Fatalf("nothing that begins with %s was sent, but:\n%s", begin, sent)
	return ""
}

func connectTo(namespace, token string) string {
	return fmt.Sprintf(`0%s{"token":%q}`, prefix(namespace), token)
}

func prefix(namespace string) string {
	if namespace == "/" {
		return ""
	}
	return namespace + ","
}

// run runs a test of a hub in a bubble with its own clock. Channels that a test shares with handlers must be made in the
// bubble: such a test uses newHub.
func run(t *testing.T, cfg namespaces.Config, defs []*namespaces.Namespace, test func(t *testing.T, h *namespaces.Hub)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newHub(t, cfg, defs...)) })
}

// mounting turns namespaces into definitions.
func mounting(defs []*namespaces.Namespace) []namespaces.Definition {
	all := make([]namespaces.Definition, len(defs))
	for i, ns := range defs {
		all[i] = ns
	}
	return all
}

// newHub makes a hub that is closed at the end of the test, and checks that it then holds nothing.
func newHub(t *testing.T, cfg namespaces.Config, defs ...*namespaces.Namespace) *namespaces.Hub {
	t.Helper()
	if cfg.Gate == nil {
		cfg.Gate = open
	}
	h, err := namespaces.NewHub(cfg, mounting(defs)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if st := h.Stats(); st != (namespaces.Stats{}) {
			t.Errorf("ghosts after Close: %+v", st)
		}
	})
	return h
}

func (*conn) ID() string { return "connection" }

func (*conn) Transport() string { return "websocket" }

func (c *conn) Context() context.Context { return c.values }
