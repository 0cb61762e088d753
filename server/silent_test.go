package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
)

// encrypted is like a *tls.Conn whose client does not read: Close waits.
type encrypted struct{ net.Conn }

func (c encrypted) NetConn() net.Conn { return c.Conn }
func (c encrypted) Close() error      { select {} }

func TestTheOldestSilentConnectionIsClosedWithoutWaiting(t *testing.T) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"TLS":   func(c net.Conn) net.Conn { return encrypted{c} },
	} {
		t.Run(name, func(t *testing.T) {
			q := newIdleConns(1, slog.New(slog.DiscardHandler))
			oldest, client := net.Pipe()
			newer, _ := net.Pipe()
			q.state(wrap(oldest), http.StateIdle)
			q.state(newer, http.StateNew)
			if _, err := client.Read(make([]byte, 1)); err == nil {
				t.Error("it is open")
			}
			if silent, cut := q.count(); silent != 1 || cut != 1 {
				t.Errorf("%d silent, %d cut", silent, cut)
			}
		})
	}
}

// pipes are n connections, whose other ends say nothing.
func pipes(t *testing.T, n int) []net.Conn {
	ends := make([]net.Conn, n)
	for i := range ends {
		here, there := net.Pipe()
		ends[i] = here
		t.Cleanup(func() { _, _ = here.Close(), there.Close() })
	}
	return ends
}

// closed reports whether this end of a pipe is closed.
func closed(c net.Conn) bool { return c.SetDeadline(time.Time{}) != nil }

func (q *idleConns) listed() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.conns)
}

// A connection in the list may be served a request (F12).
func TestARequestCountsUntilItIsASessions(t *testing.T) {
	for name, c := range map[string]struct {
		path, body         string
		during, afterwards int
	}{
		"a poll":                         {"/socket.io/?EIO=4&transport=polling", "", 0, 0},
		"a POST of a session":            {"/socket.io/?EIO=4&transport=polling&sid=x", "4hello", 1, 0},
		"a page":                         {"/", "", 1, 1},
		"a POST for something else":      {"/auth/tickets", "{}", 1, 1},
		"the bundle, which is no engine": {"/socket.io/socket.io.js", "", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			q := newIdleConns(10, slog.New(slog.DiscardHandler))
			here, there := net.Pipe()
			defer there.Close()
			defer here.Close()
			q.state(here, http.StateNew)
			h := q.busy(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if n := q.listed(); n != c.during {
					t.Errorf("%d count before the body is there, want %d", n, c.during)
				}
				_, _ = io.Copy(io.Discard, r.Body)
			}))
			r := httptest.NewRequestWithContext(q.context(t.Context(), here), http.MethodPost, c.path, strings.NewReader(c.body))
			h.ServeHTTP(httptest.NewRecorder(), r)
			if n := q.listed(); n != c.afterwards {
				t.Errorf("%d count afterwards, want %d", n, c.afterwards)
			}
		})
	}
}

// Connections that wait for an answer are closed after all silent ones.
func TestRequestsUnderWayAreClosedLast(t *testing.T) {
	q := newIdleConns(2, slog.New(slog.DiscardHandler))
	ends := pipes(t, 4)
	q.state(ends[0], http.StateNew)
	page := httptest.NewRequestWithContext(q.context(t.Context(), ends[0]), http.MethodGet, "/", nil)
	q.busy(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), page)
	for _, c := range ends[1:] {
		q.state(c, http.StateNew)
	}
	if closed(ends[0]) || !closed(ends[1]) || !closed(ends[2]) || closed(ends[3]) {
		t.Error("others were closed")
	}
	for range 2 {
		if !q.closeOldest() {
			t.Error("none was closed")
		}
	}
	if q.closeOldest() || !closed(ends[0]) || !closed(ends[3]) {
		t.Error("not all were closed, or more")
	}
}

// A user's polling connection, silent between two requests, is not the one that makes room.
func TestUsersConnectionsAreClosedLast(t *testing.T) {
	q := newIdleConns(2, slog.New(slog.DiscardHandler))
	ends := pipes(t, 4)
	q.state(ends[0], http.StateNew)
	q.ofUser(httptest.NewRequestWithContext(q.context(t.Context(), ends[0]), http.MethodGet, "/socket.io/", nil))
	q.state(ends[0], http.StateIdle)
	for _, c := range ends[1:] {
		q.state(c, http.StateNew)
	}
	if closed(ends[0]) || !closed(ends[1]) || !closed(ends[2]) || closed(ends[3]) {
		t.Error("others were closed")
	}
	q.state(ends[0], http.StateClosed)
	if len(q.users) != 0 {
		t.Error("it is remembered")
	}
}

// A client that has just come finds a place, although all places are taken by users' kept connections, such as those of
// browsers that have moved to a WebSocket.
func TestWhoHasJustComeIsNotWhoMakesRoom(t *testing.T) {
	q := newIdleConns(4, slog.New(slog.DiscardHandler))
	ends := pipes(t, 6)
	for i, here := range ends {
		q.state(here, http.StateNew)
		if i < 4 {
			q.ofUser(httptest.NewRequestWithContext(q.context(t.Context(), here), http.MethodGet, "/socket.io/", nil))
			q.state(here, http.StateIdle)
		}
	}
	for i, c := range ends {
		if closed(c) != (i < 2) {
			t.Errorf("connection %d: closed is %t", i, closed(c))
		}
	}
}

const testSecret = "a secret that only this test knows, long enough"

// listening serves a namespace at a listener of its own.
func listening(t *testing.T, cfg Config, wrap func(net.Listener) net.Listener) (s *Server, addr string) {
	t.Helper()
	cfg.JWT = handshake.JWTConfig{HMACSecret: testSecret}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Engine.CloseTimeout = 50 * time.Millisecond // for clients that the tests leave behind
	s, err := New(cfg, namespaces.New("/room"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, wrap(ln)) }()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return s, ln.Addr().String()
}

// hangs opens a connection and sends the beginning of a request.
func hangs(t *testing.T, addr, beginning string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, beginning); err != nil {
		t.Fatal(err)
	}
	return c
}

// F12: no count of files included them.
func TestRequestsWhoseBodiesNeverComePushOutEachOther(t *testing.T) {
	const most = 3
	s, addr := listening(t, Config{Connections: ConnectionLimits{MaxSilent: most}}, func(ln net.Listener) net.Listener { return ln })
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/socket.io/?EIO=4&transport=polling", nil))
	_, rest, _ := strings.Cut(w.Body.String(), `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	var all []net.Conn
	for _, path := range []string{
		"/socket.io/?EIO=4&transport=polling", "/auth/tickets", "/nowhere",
		"/socket.io/?EIO=4&transport=polling&sid=" + sid, "/socket.io/?EIO=3", "/auth/tickets",
	} {
		all = append(all, hangs(t, addr, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx"))
	}
	for _, c := range all[:len(all)-most] {
		_, _ = io.Copy(io.Discard, c) // ends when it is closed
	}
	if n, cut := s.idle.count(); n > most || cut == 0 {
		t.Errorf("%d connections without a session, %d were closed", n, cut)
	}
}

// full is the listener of a process that has no file left.
type full struct {
	net.Listener
	now *atomic.Int32 // so many times more
}

func (l full) Accept() (net.Conn, error) {
	if l.now.Add(-1) >= 0 {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// F12: with all files taken no other client came in.
func TestWithoutAFileLeftTheSilentMakeRoom(t *testing.T) {
	var now atomic.Int32
	s, addr := listening(t, Config{}, func(ln net.Listener) net.Listener { return full{ln, &now} })
	silent := hangs(t, addr, "GET /")
	for n := 0; n == 0; n, _ = s.idle.count() {
		time.Sleep(time.Millisecond)
	}
	now.Store(3)
	hangs(t, addr, "GET /") // so that the pending Accept returns and the next one finds no file
	_, _ = io.Copy(io.Discard, silent)
	c, err := wiretest.Dial(t.Context(), addr, "websocket", wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Leave()
}

// Strangers give way to others, except new ones.
func TestAFullServerClosesTheOldestStranger(t *testing.T) {
	s, addr := listening(t, Config{Connections: ConnectionLimits{MaxConnections: 1}}, func(ln net.Listener) net.Listener { return ln })
	first, err := wiretest.Dial(t.Context(), addr, "websocket", wiretest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.hub.ClosePending(time.Hour) {
		t.Error("who came just now was closed")
	}
	for { // until the first connection is old enough
		c, err := wiretest.Dial(t.Context(), addr, "websocket", wiretest.Options{})
		if err == nil {
			c.Drop()
			break
		}
	}
	if p, err := first.Next(); err == nil {
		t.Errorf("the stranger saw %v", p)
	}
}

// net/http looks at the body of its own request at the end. When some of it was not read, as of one that is too large,
// the connection lingers, so that the answer comes before the reset.
func TestTheBodyOfTheRequestStaysWhereNetHTTPLooks(t *testing.T) {
	q := newIdleConns(1, slog.New(slog.DiscardHandler))
	conn, _ := net.Pipe()
	r := httptest.NewRequestWithContext(q.context(t.Context(), conn), http.MethodPost, "/socket.io/", strings.NewReader("body"))
	own := r.Body
	q.busy(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); string(b) != "body" || err != nil {
			t.Errorf("the handler reads %q (%v)", b, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if r.Body != own {
		t.Errorf("it is a %T", r.Body)
	}
}
