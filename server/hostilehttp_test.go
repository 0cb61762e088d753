package server_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/engine"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/namespaces/echo"
	"gatehouse/server"
)

// knock opens a TCP connection and writes to it.
func knock(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// status reads the head of an answer; 0 when the connection ended without one.
func status(c net.Conn) int {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// head is the beginning of a request for a session.
func head(method, sid, more string) string {
	return method + " /socket.io/?EIO=4&transport=polling&sid=" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + more + "\r\n"
}

func TestFramesRightBehindTheHandshakeAreTheSessions(t *testing.T) {
	r := hostileServer(t)
	for _, frames := range []string{"3", "2", "42", "4", "", "1", "5", "2probe", `42/echo,["echo",1]`} {
		c := knock(t, r.addr, wiretest.Opening("")+string(wiretest.Frame(ws.OpText, true, []byte(frames))))
		if got := status(c); got != http.StatusSwitchingProtocols {
			t.Errorf("%q: %d", frames, got)
		}
		_ = c.Close()
		r.serves(t)
	}
}

func TestAChunkedPOSTWithoutEndIsCutAtTheLimit(t *testing.T) {
	r := hostileServer(t)
	a := &attacker{t: t, r: r, c: come(t, r.addr, way{transport: "polling"})}
	c := knock(t, r.addr, head("POST", a.c.session(), "Transfer-Encoding: chunked\r\n"))
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 1000, strings.Repeat("4", 1000))
	for range 66 { // one more than 64 KiB take
		if _, err := io.WriteString(c, chunk); err != nil {
			break
		}
	}
	if got := status(c); got != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d", got)
	}
	a.ends()
	a.c.close()
	r.serves(t)
}

func TestTwoRequestsOfAKindAtOnceEndTheSession(t *testing.T) {
	r := hostileServer(t)
	for name, open := range map[string]string{
		"GET":  head("GET", "%s", ""),
		"POST": head("POST", "%s", "Content-Length: 100\r\n") + "4",
	} {
		t.Run(name, func(t *testing.T) {
			a := come(t, r.addr, way{transport: "polling"})
			first := knock(t, r.addr, fmt.Sprintf(open, a.session()))
			second := knock(t, r.addr, fmt.Sprintf(open, a.session()))
			seen := []int{status(second), status(first)} // either may reach the server first
			if seen[0] != 400 && seen[1] != 400 {
				t.Errorf("answered %d", seen)
			}
			if got := a.next(); got != "1" && !strings.HasPrefix(got, "400 ") {
				t.Errorf("afterwards %q", got)
			}
			r.serves(t)
		})
	}
}

func TestAnUpgradeOfSomebodyElsesSessionIsRefused(t *testing.T) {
	r := hostileServer(t)
	a := &attacker{t: t, r: r, c: come(t, r.addr, way{transport: "polling"})}
	a.enters()
	for name, c := range map[string]struct {
		w    way
		sid  string
		want int
	}{
		"an id that is none":       {way{}, strings.Repeat("A", 22), 400},
		"a socket's public id":     {way{}, "AAAAAAAAAAAAAAAAAAAA", 400},
		"with another user's pass": {way{header: http.Header{"Authorization": {"Bearer " + token(t, "mallory")}}}, a.c.session(), 403},
	} {
		_, err := c.w.openWebSocket(t, r.addr, c.sid)
		if got := statusOf(err); got != c.want {
			t.Errorf("%s: %d %v, want %d", name, got, err, c.want)
		}
		a.goesOn()
	}
	w := come(t, r.addr, way{transport: "websocket"})
	// A client that knows the id of an upgraded session gets only a close, as with
	// Node's server.
	second, err := (way{}).openWebSocket(t, r.addr, w.session())
	if err != nil {
		t.Fatal(err)
	}
	if got := second.next(); got != "closed 1008 " {
		t.Errorf("a second WebSocket for a session: %q", got)
	}
	r.serves(t)
}

// A probe that breaks the protocol ends, and the session goes on over polling.
func TestAHostileProbeLeavesTheSessionAlone(t *testing.T) {
	r := hostileServer(t)
	a := &attacker{t: t, r: r, c: come(t, r.addr, way{transport: "polling"})}
	a.enters()
	for name, frames := range map[string][][]byte{
		"5 without a probe":   {wiretest.Frame(ws.OpText, true, []byte("5"))},
		"a message":           {wiretest.Frame(ws.OpText, true, []byte(`42/echo,["echo",1]`))},
		"a binary message":    {wiretest.Frame(ws.OpBinary, true, []byte("2probe"))},
		"two probes":          {wiretest.Frame(ws.OpText, true, []byte("2probe")), wiretest.Frame(ws.OpText, true, []byte("2probe"))},
		"an unmasked frame":   {{0x81, 6, '2', 'p', 'r', 'o', 'b', 'e'}},
		"a close frame":       {wiretest.Frame(ws.OpClose, true, []byte{3, 232})},
		"half a probe":        {wiretest.Frame(ws.OpText, true, []byte("2probe"))[:7], nil},
		"a probe that closes": {wiretest.Frame(ws.OpText, true, []byte("2probe")), nil},
	} {
		t.Log(name)
		probe := openProbe(t, r.addr, a.c.session())
		for _, b := range frames {
			if b == nil {
				probe.close()
				continue
			}
			_, _ = probe.ws.Conn.Write(b)
		}
		for got := probe.next(); got == "3probe"; {
			got = probe.next()
		}
		a.goesOn()
	}
	a.c.close()
	r.serves(t)
}

// openProbe opens a WebSocket for a session that polls, when the last one has
// been given up: there is one at a time.
func openProbe(t *testing.T, addr, sid string) client {
	t.Helper()
	var err error
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); {
		var probe client
		if probe, err = (way{}).openWebSocket(t, addr, sid); err == nil {
			return probe
		}
	}
	t.Fatal(err)
	return client{}
}

// impatient is a server whose deadlines are so short that a test sees them.
func impatient(t *testing.T) *running {
	return serve(t, server.Config{
		Engine:    server.Engine{Limits: engine.Limits{PingInterval: time.Second, PingTimeout: time.Second, MaxPayload: 100_000, OutboxBytes: 200_000}},
		Handshake: server.Handshake{ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: time.Second, AdmitTimeout: time.Second}},
		HTTP:      server.HTTP{ReadHeaderTimeout: time.Second, IdleTimeout: time.Second},
		Admin:     server.Admin{Addr: "127.0.0.1:0"},
	}, echo.New())
}

// lingering are attacks that take time on purpose. Each returns when the server
// has ended it.
var lingering = map[string]func(a *attacker){
	"a connection that never speaks": func(a *attacker) { over404(a.t, knock(a.t, a.r.addr, "")) },
	"half a request":                 func(a *attacker) { over404(a.t, knock(a.t, a.r.addr, "GET /socket.io/?EIO=4&tran")) },
	"half a POST": func(a *attacker) {
		c := come(a.t, a.r.addr, way{transport: "polling"})
		over404(a.t, knock(a.t, a.r.addr, head("POST", c.session(), "Content-Length: 100\r\n")+"4"))
	},
	"a chunk that never ends": func(a *attacker) {
		c := come(a.t, a.r.addr, way{transport: "polling"})
		over404(a.t, knock(a.t, a.r.addr, head("POST", c.session(), "Transfer-Encoding: chunked\r\n")+"ffff\r\n4"))
	},
	"a body for nobody": func(a *attacker) {
		over404(a.t, knock(a.t, a.r.addr, head("POST", "x", "Transfer-Encoding: chunked\r\n")+"ffff\r\n4"))
	},
	"a WebSocket that never signs in": func(a *attacker) {
		a.c = come(a.t, a.r.addr, way{transport: "websocket"})
		a.ends()
	},
	"half a frame before signing in": func(a *attacker) {
		a.c = come(a.t, a.r.addr, way{transport: "websocket"})
		a.raw(wiretest.Frame(ws.OpText, true, []byte("40/echo,"))[:9])
		a.ends()
	},
	"half a frame": func(a *attacker) {
		a.c = come(a.t, a.r.addr, way{transport: "websocket"})
		a.enters()
		a.raw(wiretest.Frame(ws.OpText, true, []byte(`42/echo,["echo"]`))[:9])
		a.silent()
	},
	"half-open TCP": func(a *attacker) {
		a.c = come(a.t, a.r.addr, way{transport: "upgrade"})
		a.enters()
		a.silent()
	},
	"a poller that vanishes": func(a *attacker) { come(a.t, a.r.addr, way{transport: "polling"}) },
	"a probe that never goes on": func(a *attacker) {
		c := come(a.t, a.r.addr, way{transport: "polling"})
		if _, err := (way{}).openWebSocket(a.t, a.r.addr, c.session()); err != nil {
			a.t.Error(err)
		}
	},
	"an attachment never sent": func(a *attacker) {
		a.c = come(a.t, a.r.addr, way{transport: "websocket"})
		a.enters()
		a.texts(`451-/echo,["echo",{"_placeholder":true,"num":0}]`)
		a.silent()
	},
	"a slow reader": func(a *attacker) {
		a.c = come(a.t, a.r.addr, way{transport: "websocket"})
		a.enters()
		conn := a.c.ws.Conn
		ask := wiretest.Frame(ws.OpText, true, []byte(`42/echo,1["echo","`+strings.Repeat("x", 50_000)+`"]`))
		for { // until the server cuts the connection, or reads no more
			_ = conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			if _, err := conn.Write(ask); err != nil {
				return
			}
		}
	},
}

// over404 expects a status that is no success, or the end of the connection.
func over404(t *testing.T, c net.Conn) {
	t.Helper()
	if got := status(c); got != 0 && got < 400 {
		t.Errorf("answered %d", got)
	}
}

// silent leaves every PING unanswered and waits for the end.
func (a *attacker) silent() {
	a.t.Helper()
	for range 40 {
		if got := a.c.next(); strings.HasPrefix(got, "closed ") {
			if !strings.Contains(got, "ping timeout") {
				a.t.Errorf("ended with %q", got)
			}
			return
		}
	}
	a.t.Error("does not end")
}

func TestWhoLingersIsEndedAndNobodyElse(t *testing.T) {
	t.Parallel()
	r := impatient(t)
	t.Run("attacks", func(t *testing.T) {
		for name, attack := range lingering {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				attack(&attacker{t: t, r: r})
				r.serves(t)
			})
		}
	})
	r.empties(t, r.adminAddr(), nil)
}

// empties asks the server again and again until nothing is left.
func (r *running) empties(t *testing.T, addr string, operator http.Header) {
	t.Helper()
	var held struct{ Connections, Pending, Sockets, Rooms, Silent int }
	again := time.NewTicker(10 * time.Millisecond) // others need the processor meanwhile
	defer again.Stop()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); <-again.C {
		_, text := ask(t, "http://"+addr+"/api/v1/stats", operator, "")
		if err := json.Unmarshal([]byte(text), &held); err != nil {
			t.Fatal(err)
		}
		if held.Connections+held.Pending+held.Sockets+held.Rooms+held.Silent == 0 {
			return
		}
	}
	t.Errorf("left behind: %+v", held)
}

// An announced body that never comes holds nothing for long: when a handler
// answers without reading it, net/http waits for it.
func TestABodyThatNeverComesHoldsNothing(t *testing.T) {
	t.Parallel()
	r := serve(t, server.Config{}, echo.New())
	session := come(t, r.addr, way{transport: "polling"}).session()
	var all sync.WaitGroup // run in parallel, as many of them take ten seconds
	for name, begin := range map[string]string{
		"a handshake":     "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n",
		"a poll":          "GET /socket.io/?EIO=4&transport=polling&sid=" + session + " HTTP/1.1\r\n",
		"a preflight":     "OPTIONS /socket.io/ HTTP/1.1\r\n",
		"a refusal":       "GET /socket.io/?EIO=4&transport=x HTTP/1.1\r\n",
		"a WebSocket":     "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
		"health":          "GET /healthz HTTP/1.1\r\n",
		"readiness":       "GET /readyz HTTP/1.1\r\n",
		"a wrong method":  "POST /healthz HTTP/1.1\r\n",
		"a cleaned path":  "GET //socket.io/../socket.io/ HTTP/1.1\r\n",
		"a ticket":        "POST /auth/tickets HTTP/1.1\r\n",
		"the client":      "GET /socket.io/socket.io.js HTTP/1.1\r\n",
		"a page":          "GET / HTTP/1.1\r\n",
		"an unknown path": "GET /nothing HTTP/1.1\r\n",
	} {
		for _, body := range []string{"Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"} {
			c := knock(t, r.addr, begin+"Host: x\r\n"+body+"\r\n")
			all.Go(func() {
				_ = c.SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s, %q: the connection is still there", name, body)
				}
			})
		}
	}
	all.Wait()
}
