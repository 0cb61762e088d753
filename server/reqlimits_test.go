package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

func TestReq06_WhoIsAdmittedNowhereInTimeIsClosed(t *testing.T) {
	r := serve(t, server.Config{Handshake: server.Handshake{ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: 50 * time.Millisecond}}}, who("/who")...)
	over(t, func(t *testing.T, transport string) {
		c := come(t, r.addr, way{transport: transport})
		if end := answerTo(c, "1", "closed"); end != "1" && !strings.Contains(end, "connect timeout") {
			t.Errorf("the client saw %q", end)
		}
	})
}

func TestReq06_OverTheLimitInAllTheOldestStrangerGoes(t *testing.T) {
	r := serve(t, server.Config{Handshake: server.Handshake{ConnectLimits: namespaces.ConnectLimits{MaxPending: 2}}}, who("/who")...)
	oldest := come(t, r.addr, way{transport: "websocket"})
	known := come(t, r.addr, way{transport: "websocket"})
	if got := sendConnect(known, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
		t.Fatal(got)
	}
	newer := []client{come(t, r.addr, way{transport: "websocket"}), come(t, r.addr, way{transport: "websocket"})}
	if end := oldest.next(); !strings.Contains(end, "too many pending connections") {
		t.Errorf("the oldest saw %q", end)
	}
	for _, c := range append(newer, known) {
		c.send("40/nowhere,")
		if got := c.next(); !strings.HasPrefix(got, "44/nowhere,") {
			t.Errorf("another one saw %q", got)
		}
	}
}

func TestReq06_OverTheLimitOfAnAddressThereIsNoUpgrade(t *testing.T) {
	r := serve(t, server.Config{
		TrustedProxies: []string{"127.0.0.1"},
		Connections:    server.ConnectionLimits{MaxPendingPerAddress: 2},
	}, who("/who")...)
	from := func(addr string) http.Header { return page("", "X-Forwarded-For", addr) }
	first := come(t, r.addr, way{transport: "websocket", header: from("203.0.113.7")})
	come(t, r.addr, way{transport: "polling", header: from("203.0.113.7")})
	for _, transport := range []string{"polling", "websocket"} {
		_, err := way{transport: transport, header: from("203.0.113.7")}.open(t, r.addr)
		if statusOf(err) != http.StatusServiceUnavailable {
			t.Errorf("%s: %v, want 503", transport, err)
		}
		come(t, r.addr, way{transport: transport, header: from("203.0.113.8")}).close()
	}
	// An admitted client is not a stranger any more, and makes room.
	if got := sendConnect(first, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
		t.Fatal(got)
	}
	come(t, r.addr, way{transport: "websocket", header: from("203.0.113.7")})
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	says(t, r.log.String(), `"code":"too_many_connections"`, `"peer":"203.0.113.7"`)
}

func TestReq06_TheServerCanHaveALimitOfConnections(t *testing.T) {
	r := serve(t, server.Config{Connections: server.ConnectionLimits{MaxConnections: 1}}, who("/who")...)
	first := come(t, r.addr, way{transport: "websocket"})
	if got := sendConnect(first, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
		t.Fatal(got)
	}
	if _, err := (way{transport: "websocket"}).open(t, r.addr); err == nil {
		t.Error("a second connection was let in")
	}
}

func TestReq06_TheOldestConnectionOfAUserGivesWay(t *testing.T) {
	r := serve(t, server.Config{Session: server.Session{MaxPerUser: 1}}, who("/who")...)
	over(t, func(t *testing.T, transport string) {
		old := come(t, r.addr, way{transport: transport})
		auth := `{"token":"` + token(t, "ada "+transport) + `"}`
		if got := sendConnect(old, "/who", auth); got != "in" {
			t.Fatal(got)
		}
		if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", auth); got != "in" {
			t.Fatal(got)
		}
		if end := answerTo(old, "41/who"); !strings.HasPrefix(end, "41/who") {
			t.Errorf("the old one saw %q", end)
		}
	})
}

// filesAllowed is how many files this process may have open.
func filesAllowed(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Cur, 1<<20))
}

// strangers opens many connections from many addresses of this machine and
// leaves them alone. It returns the first ones.
func strangers(t *testing.T, addr string, count int, greeting string) []net.Conn {
	t.Helper()
	const dialers, perAddress = 32, 100
	var early [dialers]net.Conn
	var all sync.WaitGroup
	for d := range dialers {
		all.Go(func() {
			for i := d; i < count; i += dialers {
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i/perAddress))}}
				conn, err := dialer.DialContext(t.Context(), "tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = conn.Close() })
				if i == d {
					early[d] = conn
				}
				_, _ = conn.Write([]byte(greeting))
				if strings.HasSuffix(greeting, "\r\n\r\n") {
					_, _ = conn.Read(make([]byte, 256)) // the answer, or the end
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return early[:]
}

// oneEnds waits until the server has closed one of the connections. It need not be the very first: one whose request came
// late is net/http's, and stands in another list.
func oneEnds(t *testing.T, conns []net.Conn) {
	t.Helper()
	ended := make(chan error, len(conns))
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		go func() {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		}()
	}
	if err := <-ended; err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("none of the first strangers was closed: %v", err)
	}
}

// Connections that never speak TCP, HTTP or Socket.IO keep out no client that
// does.
func TestReq06_ThousandsWhoNeverSpeakKeepNobodyOut(t *testing.T) {
	many := min(wiretest.Crowd(5000), filesAllowed(t)/4) // each is two files here: the stranger's and the server's
	websocket := "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	polling := "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, greeting := range map[string]string{
		"TCP": "", "half a request": "GET / HTTP/1.1\r\nHost:", "kept-alive HTTP": "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
		"WebSocket": websocket, "polling": polling,
	} {
		t.Run(name, func(t *testing.T) {
			r := serve(t, server.Config{
				Log:         server.Log{Level: "info"},
				Handshake:   server.Handshake{ConnectLimits: namespaces.ConnectLimits{MaxPending: 500, ConnectTimeout: time.Minute}},
				Connections: server.ConnectionLimits{MaxSilent: 500},
				HTTP:        server.HTTP{ReadHeaderTimeout: time.Minute},
				Engine:      server.Engine{Limits: engine.Limits{CloseTimeout: 50 * time.Millisecond}}, // strangers fetch no last packet
			}, who("/who")...)
			oneEnds(t, strangers(t, r.addr, many, greeting))
			over(t, func(t *testing.T, transport string) {
				c := come(t, r.addr, way{transport: transport})
				if got := sendConnect(c, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
					t.Fatal(got)
				}
				if got := whoami(t, c, "/who"); got != `["ada by token"]` {
					t.Error(got)
				}
			})
		})
	}
}

func TestReq07_TheHandshakePayloadHasItsOwnLimit(t *testing.T) {
	r := serve(t, server.Config{}, who("/who")...)
	large := func(n int) string { return `{"token":"` + strings.Repeat("a", n) + `"}` }
	over(t, func(t *testing.T, transport string) {
		if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", large(20_000)); got != "unauthenticated" && got != "token_invalid" {
			t.Errorf("an auth payload of 20,000 bytes: %s", got)
		}
	})
	c := come(t, r.addr, way{transport: "websocket"})
	c.send("40/who," + large(70_000))
	if end := c.next(); !strings.Contains(end, "closed 1009") {
		t.Errorf("a message of 70,000 bytes before admission: %s", end)
	}
	p := come(t, r.addr, way{transport: "polling"})
	if status, _ := p.do(http.MethodPost, "40/who,"+large(70_000), nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a POST of 70,000 bytes before admission: %d", status)
	}
}

// refusalOf sends CONNECT and returns the refusal's code and wait.
func refusalOf(c client, auth string) (code string, retryAfterMs int) {
	c.send("40/who," + auth)
	got := answerTo(c, "44/who,", "40/who,")
	var refusal struct {
		Data struct {
			Code         string
			RetryAfterMs int
		}
	}
	_ = json.Unmarshal([]byte(strings.TrimPrefix(got, "44/who,")), &refusal)
	return refusal.Data.Code, refusal.Data.RetryAfterMs
}

func TestReq07_FailuresSlowDownTheirConnection(t *testing.T) {
	r := serve(t, server.Config{Connections: server.ConnectionLimits{
		ConnectionFailures: handshake.ThrottleConfig{Free: 2, Base: time.Minute, Max: time.Hour},
	}}, who("/who", "/lobby")...)
	over(t, func(t *testing.T, transport string) {
		c := come(t, r.addr, way{transport: transport})
		if got := sendConnect(c, "/lobby", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Fatal(got) // a client in no other namespace is put on hold, not refused
		}
		for range 3 {
			if code, _ := refusalOf(c, `{"token":"x"}`); code != "token_invalid" {
				t.Fatal(code)
			}
		}
		if code, wait := refusalOf(c, `{"token":"`+token(t, "ada")+`"}`); code != "rate_limited" || wait < 1000 {
			t.Errorf("after three failures: %s, wait %d ms", code, wait)
		}
		if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Errorf("another connection: %s", got)
		}
	})
}

func TestReq07_GuessesSlowDownTheirAddress(t *testing.T) {
	r := serve(t, server.Config{
		TrustedProxies: []string{"127.0.0.1"},
		Connections:    server.ConnectionLimits{AddressFailures: handshake.ThrottleConfig{Free: 4, Base: time.Minute, Max: time.Hour, Forget: time.Hour}},
	}, who("/who", "/lobby")...)
	from := func(addr string) way {
		return way{transport: "websocket", header: page("", "X-Forwarded-For", addr)}
	}
	good, old := `{"token":"`+token(t, "ada")+`"}`, `{"token":"`+expired(t, "ada")+`"}`
	told := come(t, r.addr, from("203.0.113.7"))
	if got := sendConnect(told, "/lobby", good); got != "in" {
		t.Fatal(got) // a client in no other namespace is put on hold, not refused
	}
	// The failures of honest clients do not count.
	for range 10 {
		if got := sendConnect(come(t, r.addr, from("203.0.113.7")), "/who", old); got != "token_expired" {
			t.Fatal(got)
		}
		if got := sendConnect(come(t, r.addr, from("203.0.113.7")), "/who", ""); got != "unauthenticated" {
			t.Fatal(got)
		}
	}
	for range 5 {
		if got := sendConnect(come(t, r.addr, from("203.0.113.7")), "/who", `{"ticket":"x"}`); got != "ticket_invalid" {
			t.Fatal(got)
		}
	}
	if code, wait := refusalOf(told, `{"ticket":"x"}`); code != "rate_limited" || wait < 1000 {
		t.Errorf("the address of the guesses: %s, wait %d ms", code, wait)
	}
	status, h, answer := r.call(http.MethodPost, "/auth/tickets", "", page("", "X-Forwarded-For", "203.0.113.7", "Authorization", "Bearer x"))
	if status != http.StatusTooManyRequests || codeOf(answer) != "rate_limited" || h.Get("Retry-After") == "" {
		t.Errorf("a ticket for it: %d %v", status, answer)
	}
	if got := sendConnect(come(t, r.addr, from("203.0.113.7")), "/who", good); got != "in" {
		t.Errorf("a good one of that address: %s", got)
	}
	if got := sendConnect(come(t, r.addr, from("203.0.113.8")), "/who", good); got != "in" {
		t.Errorf("another address: %s", got)
	}
}

func TestReq08_AnIdentityOpensOneNamespace(t *testing.T) {
	cfg := server.Config{Auth: handshake.AuthConfig{Namespaces: []handshake.NamespaceAuth{{Name: "/public", Methods: []string{"token", "anonymous"}}}}}
	r := serve(t, cfg, who("/", "/who", "/public")...)
	over(t, func(t *testing.T, transport string) {
		c := come(t, r.addr, way{transport: transport})
		for _, step := range []struct{ namespace, auth, want string }{
			{"/public", ``, "in"},
			{"/who", ``, "unauthenticated"},
			{"/who", `{"pid":"` + token(t, "ada") + `","offset":"1"}`, "unauthenticated"},
			{"/who", `{"token":"` + token(t, "ada") + `"}`, "in"},
			{"/", ``, ""},
		} {
			if step.namespace == "/" {
				c.send("40")
				if got := answerTo(c, "44"); !strings.Contains(got, "unauthenticated") {
					t.Errorf("/: %s", got)
				}
				continue
			}
			if got := sendConnect(c, step.namespace, step.auth); got != step.want {
				t.Errorf("%s %s: %s, want %s", step.namespace, fmt.Sprintf("%.12s", step.auth), got, step.want)
			}
		}
		if got := whoami(t, c, "/public"); !strings.HasPrefix(got, `["anonymous:`) {
			t.Errorf("in /public the client became %s", got)
		}
	})
}
