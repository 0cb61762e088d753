package engine

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for; nothing is measured by it.
const patience = 30 * time.Second

// socket is the WebSocket of a session, or nil.
func (s *Session) socket() *websocket {
	c, _ := s.link.(*websocket)
	return c
}

// queue is an unbounded channel.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	ready chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{ready: make(chan struct{}, 1)} }

func (q *queue[T]) push(v T) {
	q.mu.Lock()
	q.items = append(q.items, v)
	q.mu.Unlock()
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue[T]) pop() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return v, false
	}
	v, q.items = q.items[0], q.items[1:]
	return v, true
}

func (q *queue[T]) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// next waits for the next value. It is for the test's own goroutine.
func (q *queue[T]) next(t *testing.T) T {
	t.Helper()
	deadline := time.After(patience)
	for {
		if v, ok := q.pop(); ok {
			return v
		}
		select {
		case <-q.ready:
		case <-deadline:
			t.Fatal("nothing came")
		}
	}
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// side is the server's end of a session in tests: a Handler that keeps
// everything it is told.
type side struct {
	*Session
	got    *queue[message]
	closed chan Close
	ends   int
	hook   func(*side, message) // called by Message first
}

type message struct {
	binary bool
	data   string
}

func (m message) String() string { return fmt.Sprintf("%t %.200s", m.binary, m.data) }

func (h *side) Message(binary bool, data []byte) {
	m := message{binary, string(data)}
	if h.hook != nil {
		h.hook(h, m)
	}
	if h.ends > 0 {
		m.data = "AFTER CLOSE " + m.data
	}
	h.got.push(m)
}

func (h *side) Close(c Close) {
	h.ends++
	h.closed <- c
}

// end waits for Close and checks its reason.
func (h *side) end(t *testing.T, want ...Reason) Close {
	t.Helper()
	c := await(t, h.closed)
	if !slices.Contains(want, c.Reason) {
		t.Fatalf("ended with %q (%v), want %q", c.Reason, c.Err, want)
	}
	return c
}

// defaults are the limits of a configuration that sets none.
var defaults = Config{}.withDefaults().Limits

// rig is a server under test.
type rig struct {
	srv    *Server
	web    *httptest.Server
	opened *queue[*side]
	open   func(*side) // told of each new session first
}

// rigOption changes a rig before it starts.
type rigOption func(testing.TB, *rig)

func overTLS(_ testing.TB, r *rig) { r.web.TLS = &tls.Config{MinVersion: tls.VersionTLS12} }

// throughHTTP leaves all requests to net/http.
func throughHTTP(_ testing.TB, r *rig) { r.web.Listener = struct{ net.Listener }{r.web.Listener} }

func onOpen(f func(*side)) rigOption {
	return func(_ testing.TB, r *rig) { r.open = f }
}

func onListener(l net.Listener) rigOption {
	return func(_ testing.TB, r *rig) {
		_ = r.web.Listener.Close()
		r.web.Listener = l
	}
}

func newRig(t testing.TB, cfg Config, options ...rigOption) *rig {
	t.Helper()
	r := &rig{opened: newQueue[*side](), open: func(*side) {}}
	srv, err := New(cfg, func(s *Session) Handler {
		h := &side{Session: s, got: newQueue[message](), closed: make(chan Close, 2)}
		r.open(h)
		r.opened.push(h)
		return h
	})
	if err != nil {
		t.Fatal(err)
	}
	r.srv = srv
	r.web = httptest.NewUnstartedServer(srv)
	for _, o := range options {
		o(t, r)
	}
	if r.web.TLS != nil {
		r.web.Listener = srv.beneathTLS(r.web.Listener)
		r.web.StartTLS()
	} else {
		r.web.Listener = srv.Intercept(r.web.Listener, "/socket.io")
		r.web.Start()
	}
	t.Cleanup(func() {
		srv.Close()
		r.web.CloseClientConnections()
		r.web.Close()
	})
	return r
}

// windUp ends everything that a server without connections runs.
func windUp(srv *Server) {
	srv.wheel.close()
	srv.taskMu.Lock() // a turn of the wheel that is under way starts nothing more
	srv.over = true
	srv.taskMu.Unlock()
	srv.tasks.Wait()
}

// url is the address of a request: kind is "http" or "ws".
func (r *rig) url(kind, query string) string {
	return strings.Replace(r.web.URL, "http", kind, 1) + "/socket.io/?" + query
}

// paths are the two ways in which connections are read.
var paths = map[string]func(Config) Config{
	"epoll":    func(c Config) Config { return c },
	"portable": func(c Config) Config { c.Portable = true; return c },
}

func onPaths(t *testing.T, cfg Config, test func(*testing.T, Config)) {
	for name, path := range paths {
		t.Run(name, func(t *testing.T) { test(t, path(cfg)) })
	}
}

var transports = []string{"polling", "websocket", "upgrade"}

// everywhere runs test over each transport and path, with a client connected.
func everywhere(t *testing.T, cfg Config, test func(t *testing.T, c client, s *side)) {
	onPaths(t, cfg, func(t *testing.T, cfg Config) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) {
				r := newRig(t, cfg)
				c := r.dial(t, transport)
				test(t, c, r.opened.next(t))
			})
		}
	})
}
