package engine

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// ownedBy has other serve the requests of another node's sessions, as a cluster does. ended hears of each whose connection
// is given up or free again.
func ownedBy(t *testing.T, other http.HandlerFunc) (r *rig, ended <-chan struct{}) {
	t.Helper()
	owner := httptest.NewServer(other)
	t.Cleanup(owner.Close)
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(must[*url.URL](t)(url.Parse(owner.URL))) },
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	done := make(chan struct{}, 1)
	limits := Limits{OutboxAge: 100 * time.Millisecond, CloseTimeout: 100 * time.Millisecond}
	r = newRig(t, Config{Limits: limits, Node: "a", Elsewhere: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		defer func() { done <- struct{}{} }()
		proxy.ServeHTTP(w, r)
		return true
	}})
	return r, done
}

// asksAndWaits is a client that has sent a request and does nothing more, not even read.
func (r *rig) asksAndWaits(t *testing.T, request string) net.Conn {
	t.Helper()
	conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
	t.Cleanup(func() { _ = conn.Close() })
	must[int](t)(io.WriteString(conn, request))
	return conn
}

// takeOver answers that the protocol changes.
func takeOver(t *testing.T, w http.ResponseWriter) net.Conn {
	t.Helper()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	}
	if err != nil {
		t.Error(err)
	}
	return conn
}

// writeOn writes until somebody has had enough.
func writeOn(w io.Writer) {
	for err := error(nil); err == nil; {
		_, err = w.Write(make([]byte, 32<<10))
	}
}

const (
	foreignPoll   = "GET /socket.io/?EIO=4&transport=polling&sid=x.b HTTP/1.1\r\nHost: x\r\n\r\n"
	foreignPost   = "POST /socket.io/?EIO=4&transport=polling&sid=x.b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx"
	foreignSocket = "GET /socket.io/?EIO=4&transport=websocket&sid=x.b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)

// The node that has a session does not see whether the client takes what it is sent.
func TestAForeignSessionsClientThatReadsNothingIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		request string
		serve   http.HandlerFunc
	}{
		"a poll":      {foreignPoll, func(w http.ResponseWriter, _ *http.Request) { writeOn(w) }},
		"a WebSocket": {foreignSocket, func(w http.ResponseWriter, _ *http.Request) { writeOn(takeOver(t, w)) }},
	} {
		t.Run(name, func(t *testing.T) {
			r, ended := ownedBy(t, c.serve)
			r.asksAndWaits(t, c.request)
			await(t, ended)
		})
	}
}

// A client that does not close its side would keep its connection for as long as it likes.
func TestAForeignWebSocketEndsWithItsSession(t *testing.T) {
	r, ended := ownedBy(t, func(w http.ResponseWriter, _ *http.Request) {
		if err := takeOver(t, w).Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	r.asksAndWaits(t, foreignSocket)
	await(t, ended)
}

// The node that has a session may answer before it has the whole request. The rest of it is waited for, but not for long.
func TestAForeignRequestThatDoesNotEndIsGivenUp(t *testing.T) {
	r, _ := ownedBy(t, func(w http.ResponseWriter, _ *http.Request) {
		answer := http.NewResponseController(w)
		if err := errors.Join(answer.EnableFullDuplex(), answer.SetReadDeadline(time.Now())); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusBadRequest)
	})
	conn := r.asksAndWaits(t, foreignPost)
	closed := make(chan struct{}, 1)
	go func() {
		_, _ = io.Copy(io.Discard, conn) // ends with the test at the latest
		closed <- struct{}{}
	}()
	await(t, closed)
}
