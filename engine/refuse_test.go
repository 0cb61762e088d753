package engine

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// request makes one HTTP request and returns "status content-type body".
func (r *rig) request(t *testing.T, method, query string, header http.Header) (string, http.Header) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequest(method, r.url("http", query), nil))
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	p := r.newPoller(t)
	res := must[*http.Response](t)(p.HTTP.Do(req))
	defer func() { _ = res.Body.Close() }()
	body := make([]byte, 1<<12)
	n, _ := bufio.NewReader(res.Body).Read(body)
	return fmt.Sprintf("%d %s %s", res.StatusCode, res.Header.Get("Content-Type"), body[:n]), res.Header
}

var websocketHeader = http.Header{
	"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
	"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
}

// The answers are those of Node's engine.io 6.6 where it gives them over HTTP.
const (
	wantTransport = `400 application/json {"code":0,"message":"Transport unknown"}`
	wantSID       = `400 application/json {"code":1,"message":"Session ID unknown"}`
	wantMethod    = `400 application/json {"code":2,"message":"Bad handshake method"}`
	wantRequest   = `400 application/json {"code":3,"message":"Bad request"}`
	wantVersion   = `400 application/json {"code":5,"message":"Unsupported protocol version"}`
)

func TestHandshakesAreRefusedWithNumberedErrors(t *testing.T) {
	r := newRig(t, Config{})
	for _, c := range []struct {
		method, query string
		header        http.Header
		want          string
	}{
		{"GET", "EIO=4", nil, wantTransport},
		{"GET", "EIO=4&transport=", nil, wantTransport},
		{"GET", "EIO=4&transport=webtransport", nil, wantTransport},
		{"GET", "EIO=4&transport=flashsocket", nil, wantTransport},
		{"GET", "EIO=4&transport=polling&sid=abc", nil, wantSID},
		{"POST", "EIO=4&transport=polling&sid=abc", nil, wantSID},
		{"GET", "EIO=4&transport=websocket&sid=abc", websocketHeader, wantSID},
		{"POST", "EIO=4&transport=polling", nil, wantMethod},
		{"PUT", "EIO=4&transport=polling", nil, wantMethod},
		{"GET", "EIO=4&transport=websocket", nil, wantRequest},
		{"GET", "EIO=4&transport=polling", websocketHeader, wantRequest},
		{"GET", "transport=polling", nil, wantVersion},
		{"GET", "EIO=3&transport=polling", nil, wantVersion},
		{"GET", "EIO=5&transport=polling", nil, wantVersion},
		{"GET", "EIO=3&transport=websocket", websocketHeader, wantVersion},
	} {
		if got, _ := r.request(t, c.method, c.query, c.header); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.query, got, c.want)
		}
	}
	if n := r.srv.Sessions(); n != 0 {
		t.Errorf("%d sessions opened", n)
	}
}

func TestRequestsThatDoNotFitTheirSessionAreRefusedAndDoNotEndIt(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		polling := r.dialPolling(t)
		upgraded := r.dialPolling(t)
		w := r.dialWS(t, upgraded.SID())
		check(t, upgraded.upgrade(w))
		check(t, w.send("up"))
		sides := map[string]*side{}
		for range 2 {
			s := r.opened.next(t)
			sides[s.id] = s
		}
		sides[upgraded.SID()].got.next(t) // the upgrade is through
		for _, c := range []struct {
			method, query string
			header        http.Header
			want          string
		}{
			{"GET", "EIO=3&transport=polling&sid=" + polling.SID(), nil, wantRequest},
			{"GET", "transport=polling&sid=" + polling.SID(), nil, wantRequest},
			{"GET", "EIO=4&transport=websocket&sid=" + polling.SID(), nil, wantRequest},
			{"GET", "EIO=4&transport=polling&sid=" + polling.SID(), websocketHeader, wantRequest},
			{"DELETE", "EIO=4&transport=polling&sid=" + polling.SID(), nil, wantMethod},
			{"GET", "EIO=4&transport=polling&sid=" + upgraded.SID(), nil, wantRequest},
			{"POST", "EIO=4&transport=polling&sid=" + upgraded.SID(), nil, wantRequest},
		} {
			if got, _ := r.request(t, c.method, c.query, c.header); got != c.want {
				t.Errorf("%s %s: %s, want %s", c.method, c.query, got, c.want)
			}
		}
		check(t, polling.send("still here"))
		sides[polling.SID()].got.next(t)
		check(t, w.send("here too"))
		sides[upgraded.SID()].got.next(t)
	})
}

func TestCheckRefusesWithItsOwnStatusAndCode(t *testing.T) {
	refusal := &Refusal{Status: 429, Code: codeForbidden, Message: "slow down", RetryAfter: 1500 * time.Millisecond}
	r := newRig(t, Config{Check: func(*http.Request) *Refusal { return refusal }})
	const want = `429 application/json {"code":4,"message":"slow down"}`
	for query, header := range map[string]http.Header{"EIO=4&transport=polling": nil, "EIO=4&transport=websocket": websocketHeader} {
		got, h := r.request(t, "GET", query, header)
		if got != want || h.Get("Retry-After") != "2" {
			t.Errorf("%s: %s, Retry-After %q", query, got, h.Get("Retry-After"))
		}
	}
}

func TestTheLastSlashOfThePathDoesNotMatter(t *testing.T) {
	r := newRig(t, Config{})
	for _, path := range []string{"/socket.io", "/socket.io/"} {
		res := must[*http.Response](t)(r.newPoller(t).HTTP.Get(r.web.URL + path + "?EIO=4&transport=polling"))
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}

func TestForeignPagesReadAnswersOnlyFromAllowedOrigins(t *testing.T) {
	r := newRig(t, Config{AllowOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://good.example" }})
	for origin, allowed := range map[string]string{"https://good.example": "https://good.example", "https://evil.example": ""} {
		asked := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,x-own"}}
		got, h := r.request(t, "OPTIONS", "EIO=4&transport=polling", asked)
		if !strings.HasPrefix(got, "204 ") || h.Get("Access-Control-Allow-Origin") != allowed || !strings.Contains(h.Get("Vary"), "Origin") {
			t.Errorf("preflight from %s: %s %v", origin, got, h)
		}
		if allowed != "" && (h.Get("Access-Control-Allow-Headers") != "authorization,x-own" || h.Get("Access-Control-Allow-Credentials") != "true") {
			t.Errorf("preflight from %s: %v", origin, h)
		}
		for _, query := range []string{"EIO=4&transport=polling", "EIO=3&transport=polling", "EIO=4&transport=polling&sid=x"} {
			if _, h := r.request(t, "GET", query, asked); h.Get("Access-Control-Allow-Origin") != allowed {
				t.Errorf("%s from %s: %v", query, origin, h)
			}
		}
	}
}

func TestAWebSocketHandshakeThatIsNoneOpensNoSession(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		for name, status := range map[string]int{"Sec-Websocket-Key": 400, "Sec-Websocket-Version": 400, "Connection": 400} {
			h := websocketHeader.Clone()
			h.Del(name)
			got, _ := r.request(t, "GET", "EIO=4&transport=websocket", h)
			if !strings.HasPrefix(got, fmt.Sprint(status)) {
				t.Errorf("without %s: %s", name, got)
			}
		}
		if n := r.srv.Sessions(); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestTheSubprotocolIsOneThatTheServerPicks(t *testing.T) {
	r := newRig(t, Config{Subprotocol: func(r *http.Request) (string, error) {
		if r.Header.Get("Sec-WebSocket-Protocol") == "bad" {
			return "", errors.New("none fits")
		}
		return "chat", nil
	}})
	conn, _, hs, err := ws.Dialer{Protocols: []string{"token", "chat"}}.Dial(t.Context(), r.url("ws", "EIO=4&transport=websocket"))
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	if hs.Protocol != "chat" {
		t.Errorf("chosen: %q", hs.Protocol)
	}
	bad := websocketHeader.Clone()
	bad.Set("Sec-WebSocket-Protocol", "bad")
	if got, _ := r.request(t, "GET", "EIO=4&transport=websocket", bad); got != wantRequest {
		t.Errorf("refused with %s", got)
	}
}

func TestSessionsKnowTheirPeer(t *testing.T) {
	l := must[net.Listener](t)(net.Listen("tcp", "[::1]:0"))
	r := newRig(t, Config{KeepHeaders: []string{"Authorization"}}, onListener(l))
	for _, transport := range transports {
		c := r.dial(t, transport)
		s := r.opened.next(t)
		check(t, c.send("over IPv6"))
		s.got.next(t)
		if p := s.Peer(); !p.RemoteAddr.Addr().Is6() || p.Host != l.Addr().String() || p.Secure || p.Query != nil {
			t.Errorf("%s: peer %+v", transport, p)
		}
	}
	r.request(t, "GET", "EIO=4&transport=polling&ticket=abc&t=x", http.Header{"Authorization": {"Bearer x"}, "Cookie": {"c=d"}})
	p := r.opened.next(t).Peer()
	if len(p.Header) != 1 || p.Header.Get("Authorization") != "Bearer x" || p.Query.Encode() != "ticket=abc" {
		t.Errorf("peer %+v", p)
	}
}

// narrow listens with small kernel buffers for sending, which are soon full.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// A client that sends request after request and reads nothing is not waited
// for: net/http writes short answers without a limit of its own.
func TestAnswersThatNobodyReadsHoldNothing(t *testing.T) {
	unreadAnswersEnd(t, func(_ testing.TB, r *rig) { r.web.Listener = narrow{r.web.Listener} })
}

func unreadAnswersEnd(t *testing.T, narrowed rigOption) {
	t.Helper()
	r := newRig(t, Config{}, narrowed, func(_ testing.TB, r *rig) { r.srv.answerTimeout = 50 * time.Millisecond })
	p := r.dialPolling(t)
	for name, request := range map[string]string{
		"refusals":      "GET /socket.io/?EIO=4&transport=x HTTP/1.1\r\nHost: x\r\n\r\n",
		"preflights":    "OPTIONS /socket.io/ HTTP/1.1\r\nHost: x\r\n\r\n",
		"POSTs":         "POST /socket.io/?EIO=4&transport=polling&sid=" + p.SID() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4x",
		"upgrades":      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"unknown paths": "GET /socket.io/?EIO=4&transport=polling&sid=unknown HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
			defer func() { _ = c.Close() }()
			check(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
			check(t, c.SetWriteDeadline(time.Now().Add(patience)))
			many := []byte(strings.Repeat(request, 100))
			var err error
			for err == nil {
				_, err = c.Write(many)
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is still there")
			}
		})
	}
}

// A busy machine may leave a process waiting for longer than
// Config.CloseTimeout.
func TestAnswersAreNotLostToTheLimitOfAClosing(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg, func(_ testing.TB, r *rig) { r.srv.limits().CloseTimeout = time.Nanosecond })
		if got, _ := r.request(t, "GET", "EIO=5&transport=polling", nil); got != wantVersion {
			t.Errorf("a refusal: %s, want %s", got, wantVersion)
		}
		if status, answer, err := r.dialPolling(t).post("4x"); status != http.StatusOK || answer != "ok" || err != nil {
			t.Errorf("a POST: %d %q %v", status, answer, err)
		}
		for _, transport := range []string{"websocket", "upgrade"} {
			c := r.dial(t, transport)
			check(t, c.send("4x"))
		}
	})
}
