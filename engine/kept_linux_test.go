package engine

import (
	"bufio"
	"container/list"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/engine/internal/rfc6455"
)

// oneConn sends requests by one connection.
type oneConn struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (r *rig) oneConn(t *testing.T) oneConn {
	conn, in := r.raw(t)
	return oneConn{t, conn, in}
}

func (c oneConn) write(text string) {
	c.t.Helper()
	must[int](c.t)(c.conn.Write([]byte(text)))
}

// answer reads one answer and its body.
func (c oneConn) answer() (*http.Response, string) {
	c.t.Helper()
	res := must[*http.Response](c.t)(http.ReadResponse(c.in, nil))
	return res, string(must[[]byte](c.t)(io.ReadAll(res.Body)))
}

func (c oneConn) ask(request string) (int, string) {
	c.t.Helper()
	c.write(request)
	res, body := c.answer()
	return res.StatusCode, body
}

// open begins a session and returns its id.
func (c oneConn) open() string {
	c.t.Helper()
	_, body := c.ask(pollGET(""))
	_, after, _ := strings.Cut(body, `"sid":"`)
	sid, _, ok := strings.Cut(after, `"`)
	if !ok {
		c.t.Fatalf("opened with %q", body)
	}
	return sid
}

func pollTarget(sid string) string {
	if sid == "" {
		return "/socket.io/?EIO=4&transport=polling"
	}
	return "/socket.io/?EIO=4&transport=polling&sid=" + sid
}

// pollGET and pollPOST are requests of a polling client; more are header fields, each
// with its end of line.
func pollGET(sid string, more ...string) string {
	return "GET " + pollTarget(sid) + " HTTP/1.1\r\nHost: chat.example:3000\r\n" + strings.Join(more, "") + "\r\n"
}

func pollPOST(sid, body string, more ...string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: chat.example:3000\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n%s\r\n%s",
		pollTarget(sid), len(body), strings.Join(more, ""), body)
}

// interceptor is the listener of a rig.
func (r *rig) interceptor() *interceptor { return r.web.Listener.(*interceptor) }

// keepSilent has connections stay while they say nothing, however slow the machine is.
func (r *rig) keepSilent() {
	for _, q := range []*silence{&r.interceptor().silence, &r.interceptor().silentUsers} {
		q.mu.Lock()
		q.longest = time.Hour
		q.mu.Unlock()
	}
}

// Whatever comes on a connection that brought polls is served, by whom ever.
func TestAnythingMayFollowAPollOnItsConnection(t *testing.T) {
	for name, c := range map[string]struct {
		request func(sid string) string
		status  int
		passes  bool // by the http.Server
	}{
		"a POST":          {func(sid string) string { return pollPOST(sid, "4hi") }, 200, true},
		"another session": {func(string) string { return pollGET("") }, 200, true},
		"an unknown one":  {func(string) string { return pollGET("none") }, 400, true},
		"a long head": {func(sid string) string {
			return pollPOST(sid, "4hi", "X-A: "+strings.Repeat("x", 2*rfc6455.MaxRequest)+"\r\n")
		}, 200, false},
		"a long body":       {func(sid string) string { return pollPOST(sid, "4"+strings.Repeat("x", 2*rfc6455.MaxRequest)) }, 200, false},
		"an odd field":      {func(sid string) string { return pollPOST(sid, "4hi", "X-A!: b\r\n") }, 200, false},
		"a last request":    {func(sid string) string { return pollPOST(sid, "4hi", "Connection: close\r\n") }, 200, false},
		"a preflight":       {func(sid string) string { return strings.Replace(pollGET(sid), "GET", "OPTIONS", 1) }, 204, false},
		"another path":      {func(string) string { return "GET /socket.io/x HTTP/1.1\r\nHost: a\r\n\r\n" }, 400, false},
		"no HTTP":           {func(string) string { return "hello\r\n\r\n" }, 400, false},
		"a WebSocket":       {func(string) string { return opens(target) }, 101, false},
		"an expected body":  {func(sid string) string { return pollPOST(sid, "4hi", "Expect: 100-continue\r\n") }, 200, false},
		"two Content-Types": {func(sid string) string { return pollPOST(sid, "4hi", "Content-Type: text/plain\r\n") }, 200, true},
		"chunks": {func(sid string) string {
			return "POST " + pollTarget(sid) + " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n4hi\r\n0\r\n\r\n"
		}, 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			var seen atomic.Int32
			r := newRig(t, Config{}, counted(&seen))
			r.keepSilent()
			conn := r.oneConn(t)
			sid := conn.open()
			conn.write(c.request(sid))
			res := must[*http.Response](t)(http.ReadResponse(conn.in, nil))
			if res.StatusCode == http.StatusContinue {
				res = must[*http.Response](t)(http.ReadResponse(conn.in, nil))
			}
			if res.StatusCode != c.status {
				t.Errorf("answered %d, want %d", res.StatusCode, c.status)
			}
			if got := seen.Load() == 0; got != c.passes && name != "no HTTP" {
				t.Errorf("past the http.Server: %t", got)
			}
		})
	}
}

// Requests that come in pieces, or before the answer to the one before, are answered in
// their order.
func TestRequestsInAnyPiecesAreAnsweredInOrder(t *testing.T) {
	r := newRig(t, Config{})
	conn := r.oneConn(t)
	sid := conn.open()
	s := r.opened.next(t)
	two := pollPOST(sid, "4one") + pollPOST(sid, "4two\x1e4three") + pollGET("none")
	conn.write(two[:len(two)-30])
	for _, want := range []string{"one", "two", "three"} {
		if got := s.got.next(t).data; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	conn.write(two[len(two)-30:])
	for _, want := range []int{200, 200, 400} {
		if res, body := conn.answer(); res.StatusCode != want {
			t.Errorf("%d %q, want %d", res.StatusCode, body, want)
		}
	}
}

// Clients see no difference between the two ways.
func TestPollsAreAnsweredAsByTheHTTPServer(t *testing.T) {
	cfg := Config{
		Limits:      Limits{MaxPayload: 1000},
		AllowOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://good.example" },
		Headers:     func(h http.Header, _ *http.Request) { h.Set("X-Own", "a\r\nb") },
	}
	requests := map[string]func(sid string) string{
		"a message":           func(sid string) string { return pollPOST(sid, "4hi", "Origin: https://good.example\r\n") },
		"from a foreign page": func(sid string) string { return pollPOST(sid, "4hi", "Origin: https://bad.example\r\n") },
		"no packet":           func(sid string) string { return pollPOST(sid, "x") },
		"nothing":             func(sid string) string { return pollPOST(sid, "") },
		"too much":            func(sid string) string { return pollPOST(sid, "4"+strings.Repeat("x", 2000)) },
		"a large answer": func(sid string) string {
			return pollGET(sid, "Accept-Encoding: gzip\r\n")
		},
		"an unknown transport": func(string) string {
			return "GET /socket.io/?EIO=4&transport=x HTTP/1.1\r\nHost: a\r\n\r\n"
		},
		"an unknown revision": func(string) string {
			return "GET /socket.io/?EIO=9&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n"
		},
	}
	ask := func(name string, options ...rigOption) string {
		r := newRig(t, cfg, options...)
		conn := r.oneConn(t)
		sid := conn.open()
		check(t, r.opened.next(t).Send(NewFrame([]byte(strings.Repeat("large ", 1000)), nil)))
		conn.write(requests[name](sid))
		res, body := conn.answer()
		if _, err := http.ParseTime(res.Header.Get("Date")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		res.Header.Del("Date")
		return fmt.Sprint(res.Status, res.Header, res.Close, body)
	}
	for name := range requests {
		if got, want := ask(name), ask(name, throughHTTP); got != want {
			t.Errorf("%s is answered\n%s\nand by the http.Server\n%s", name, got, want)
		}
	}
}

// A connection may be silent between two requests for as long as with an http.Server, since
// proxies go on with theirs.
func TestSilentConnectionsAreClosedInTime(t *testing.T) {
	var seen atomic.Int32
	known := make(chan net.Conn, 2)
	r := newRig(t, Config{GivenBack: func(c net.Conn) { known <- c }}, counted(&seen), onOpen(func(s *side) { s.Admit("", "ann") }))
	r.keepSilent()
	user, other, stranger := r.oneConn(t), r.oneConn(t), r.oneConn(t)
	strangers, users := &r.interceptor().silence, &r.interceptor().silentUsers
	for i, conn := range []oneConn{user, other} {
		conn.ask(pollPOST(conn.open(), "4hi"))
		awaitLength(t, users, i+1)
	}
	if status, _ := stranger.ask(pollGET("none")); status != http.StatusBadRequest {
		t.Errorf("answered %d", status)
	}
	awaitLength(t, strangers, 1)
	users.sweep()
	strangers.sweep()
	if n := users.length() + strangers.length(); n != 3 {
		t.Errorf("%d are silent of 3 that have just spoken", n)
	}
	for _, q := range []*silence{users, strangers} {
		q.mu.Lock()
		q.line.Front().Value.(*kept).since = time.Now().Add(-q.longest)
		q.mu.Unlock()
		q.sweep()
	}
	ends(t, user.in)
	ends(t, stranger.in)
	if n := seen.Load(); n > 0 || len(known) > 0 {
		t.Errorf("the http.Server saw %d requests and got %d connections", n, len(known))
	}
	other.ask("GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n")
	await(t, known)
	if n := seen.Load(); n != 1 {
		t.Errorf("the http.Server saw %d requests", n)
	}
}

// Old clients send a line break behind the body of a POST.
func TestALineBreakBehindABodyIsPassedOver(t *testing.T) {
	var seen atomic.Int32
	r := newRig(t, Config{}, counted(&seen))
	conn := r.oneConn(t)
	sid := conn.open()
	conn.write(pollPOST(sid, "4hi") + "\r\n")
	if res, _ := conn.answer(); res.StatusCode != http.StatusOK {
		t.Errorf("answered %d", res.StatusCode)
	}
	if status, _ := conn.ask(pollPOST(sid, "4again")); status != http.StatusOK || seen.Load() > 0 {
		t.Errorf("answered %d, and the http.Server saw %d requests", status, seen.Load())
	}
}

// A client that sends requests and closes its side has nobody who waits for it: net/http
// gets what is left, and an address that owes work gets no more of it than otherwise.
func TestRequestsBeforeAHalfCloseAreForTheHTTPServer(t *testing.T) {
	var seen atomic.Int32
	r := newRig(t, Config{}, counted(&seen))
	conn := r.oneConn(t)
	sid := conn.open()
	r.opened.next(t)
	blocked := r.oneConn(t)
	blocked.write(pollGET(blocked.open())) // waits, with others behind it
	s := r.opened.next(t)
	s.awaitGET(t)
	blocked.write(pollPOST(sid, "4hi") + pollPOST(sid, "4hi"))
	check(t, blocked.conn.(*net.TCPConn).CloseWrite())
	for seen.Load() == 0 {
		conn.ask(pollPOST(sid, "4hi"))
	}
}

func (q *silence) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.line.Len()
}

// newest is the last connection in the list, or nil.
func (q *silence) newest() *list.Element {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.line.Back()
}

// awaitLength returns when so many are silent.
func awaitLength(t *testing.T, q *silence, want int) {
	t.Helper()
	awaitSilence(t, q, func() bool { return q.length() == want })
}

// awaitSilence polls the list until it is as told: a connection is silent a moment after
// its answer.
func awaitSilence(t *testing.T, q *silence, reached func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-look.C {
		if reached() {
			return
		}
	}
	t.Fatalf("%d are silent", q.length())
}

func TestOnlySoManyConnectionsAreSilent(t *testing.T) {
	var seen atomic.Int32
	r := newRig(t, Config{MaxSilent: 2}, counted(&seen))
	q := &r.interceptor().silence
	var conns []oneConn
	for range 3 {
		before := q.newest()
		c := r.oneConn(t)
		c.open()
		conns = append(conns, c)
		awaitSilence(t, q, func() bool { return q.newest() != before })
	}
	awaitLength(t, q, 2)
	ends(t, conns[0].in)
	conns[2].ask(pollGET(""))
	if n := seen.Load(); n > 0 {
		t.Errorf("the http.Server saw %d requests", n)
	}
}

// Silent connections hold files that others need more, those of strangers first.
func TestSilentConnectionsMakeRoomWhenNoFileIsLeft(t *testing.T) {
	r := newRig(t, Config{}, onOpen(func(s *side) { s.Admit("", "ann") }))
	strangers, users := &r.interceptor().silence, &r.interceptor().silentUsers
	user := r.oneConn(t)
	user.ask(pollPOST(user.open(), "4hi"))
	awaitLength(t, users, 1)
	var others []oneConn
	for n := range roomAtOnce {
		other := r.oneConn(t)
		other.ask(pollGET("none"))
		awaitLength(t, strangers, n+1)
		others = append(others, other)
	}
	if n := r.srv.Stats().Silent; n != roomAtOnce+1 {
		t.Errorf("%d are silent", n)
	}
	r.interceptor().makeRoom()
	for _, other := range others {
		ends(t, other.in)
	}
	if status, _ := user.ask(pollGET("none")); status != http.StatusBadRequest {
		t.Errorf("the user's connection is answered %d", status)
	}
	awaitLength(t, users, 1)
	r.interceptor().makeRoom()
	ends(t, user.in)
	if st := r.srv.Stats(); st.Silent != 0 || st.SilentCuts != roomAtOnce+1 {
		t.Errorf("%d are silent, %d were closed", st.Silent, st.SilentCuts)
	}
}

// Behind the listener's end a connection carries no more requests, and the answer under
// way says so.
func TestConnectionsEndWithTheListener(t *testing.T) {
	r := newRig(t, Config{})
	r.keepSilent()
	silent, waits := r.oneConn(t), r.oneConn(t)
	silent.open()
	r.opened.next(t)
	sid := waits.open()
	s := r.opened.next(t)
	waits.write(pollGET(sid))
	s.awaitGET(t)
	awaitLength(t, &r.interceptor().silence, 1)
	check(t, r.interceptor().Close())
	ends(t, silent.in)
	check(t, s.Send(NewFrame([]byte("last"), nil)))
	if res, body := waits.answer(); !res.Close || body != "4last" {
		t.Errorf("%v %q", res.Header, body)
	}
	ends(t, waits.in)
}

func TestAPanicInAPollEndsItsConnectionOnly(t *testing.T) {
	r := newRig(t, Config{CheckLater: func(r *http.Request, _ Handler) *Refusal {
		if r.Header.Get("X-Panic") != "" {
			panic("on purpose")
		}
		return nil
	}})
	conn, other := r.oneConn(t), r.oneConn(t)
	sid := conn.open()
	other.open()
	conn.write(pollPOST(sid, "4hi", "X-Panic: 1\r\n"))
	ends(t, conn.in)
	if status, _ := other.ask(pollPOST(sid, "4hi")); status != 200 {
		t.Errorf("%d", status)
	}
}

// A client that has gone with its poll takes the session with it, whether it has closed
// its side of the connection or both.
func TestAPollWhoseConnectionEndsIsAborted(t *testing.T) {
	for name, leave := range map[string]func(*net.TCPConn) error{
		"closed":      (*net.TCPConn).Close,
		"half closed": (*net.TCPConn).CloseWrite,
		"reset":       func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			conn := r.oneConn(t)
			sid := conn.open()
			s := r.opened.next(t)
			conn.write(pollGET(sid))
			s.awaitGET(t)
			check(t, leave(conn.conn.(*net.TCPConn)))
			s.end(t, ReasonTransportError)
		})
	}
}
