package engine

import (
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// The JavaScript client with forceBase64 sends and expects base64 text for binary
// data.
func TestAClientThatAsksForBase64GetsIt(t *testing.T) {
	onPaths(t, Config{Deflate: Deflate{Enabled: true, Threshold: 1}}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		z := r.dialZipped(t, "&b64=1")
		if z.answer != "" {
			t.Errorf("compression was agreed on: %q", z.answer)
		}
		s := r.opened.next(t)
		check(t, z.Write(clientFrame(ws.OpText, []byte("b"+base64.StdEncoding.EncodeToString([]byte("up\x00"))))))
		must[ws.Frame](t)(z.NextFrame()) // the open packet
		if m := s.got.next(t); !m.binary || m.data != "up\x00" {
			t.Errorf("got %q", m)
		}
		f := NewFrame([]byte("with"), [][]byte{[]byte("down\x01")})
		check(t, s.Send(f))
		for _, want := range []string{"4with", "b" + base64.StdEncoding.EncodeToString([]byte("down\x01"))} {
			frame := must[ws.Frame](t)(z.NextFrame())
			if frame.Header.OpCode != ws.OpText || string(frame.Payload) != want {
				t.Errorf("got %v %q, want %q", frame.Header.OpCode, frame.Payload, want)
			}
		}
	})
}

func TestAnUpgradedSessionClosesAnotherWebSocketAtOnce(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		c := r.dialWS(t, "")
		s := r.opened.next(t)
		other := r.dialWS(t, s.id)
		if f, err := other.NextFrame(); err != nil || f.Header.OpCode != ws.OpClose {
			t.Errorf("got %v, %v", f.Header.OpCode, err)
		}
		check(t, c.send("still"))
		if m := s.got.next(t); m.data != "still" {
			t.Errorf("got %q", m)
		}
	})
}

func TestAfterAFaultAPollingSessionIsUnknown(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	if status, _, err := c.post("not a packet"); err != nil || status != http.StatusBadRequest {
		t.Errorf("the fault: %d, %v", status, err)
	}
	s.end(t, ReasonParseError)
	status, body, err := c.get()
	if err != nil || status != http.StatusBadRequest || !strings.Contains(body, "Session ID unknown") {
		t.Errorf("the next poll: %d %q, %v", status, body, err)
	}
}

func TestTheClientsCloseFreesItsPollWithANoop(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	polled := make(chan string, 1)
	go func() { _, body, _ := c.get(); polled <- body }()
	s.awaitGET(t)
	check(t, c.leave())
	if body := await(t, polled); body != "6" {
		t.Errorf("the poll is answered %q", body)
	}
}

// A browser sends its good-bye over another connection than its poll.
func TestAPollThatTheGoodByeOvertakesIsFreedToo(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{CloseTimeout: patience}})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	check(t, c.leave())
	s.end(t, ReasonTransportClose)
	if status, body, err := c.get(); err != nil || status != http.StatusOK || body != "6" {
		t.Errorf("the poll is answered %d %q, %v", status, body, err)
	}
	c.expectGone(t)
}

func TestNobodyWaitsLongForAPollThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{})
		defer windUp(s.srv)
		s.fail(errPeerClosed)
		h.end(t, ReasonTransportClose)
		pass(overtaken)
		if s.current() != stateClosed || len(s.srv.sessions) > 0 {
			t.Error("not gone")
		}
	})
}

// A poll that comes after the server has cut its session finds none, whatever the
// cause.
func TestAPollingSessionThatIsCutIsUnknown(t *testing.T) {
	for name, why := range map[string]*protocolError{
		"ping timeout": errPingTimeout, "overload": errOverload, "slow consumer": errOutboxAge,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			c := r.dialPolling(t)
			s := r.opened.next(t)
			s.cut(why)
			s.end(t, why.reason)
			c.expectGone(t)
		})
	}
}

// A PING, and the end of a session without a PONG, never come early, and are late by
// at most a hundredth of their period or 2 ms.
func TestTheHeartbeatIsOnTime(t *testing.T) {
	for _, cfg := range []Config{
		{},
		{Limits: Limits{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}},
		{Limits: Limits{PingInterval: 5 * time.Second, PingTimeout: 20 * time.Second}},
		{Limits: Limits{PingInterval: 50 * time.Millisecond, PingTimeout: 20 * time.Millisecond}},
	} {
		for offset := range 10 {
			synctest.Test(t, func(t *testing.T) {
				s, h := beating(cfg)
				defer windUp(s.srv)
				cfg := s.srv.cfg
				time.Sleep(cfg.tick()*time.Duration(offset)/10 + 1)
				s.startBeat()
				began := s.srv.now()
				<-h.closed
				onTime(t, "the PING", s.beat.pinged-began, cfg.PingInterval)
				onTime(t, "the end", s.srv.now()-s.beat.pinged, cfg.PingTimeout)
			})
		}
	}
}

func onTime(t *testing.T, what string, took int64, period time.Duration) {
	t.Helper()
	if late := time.Duration(took) - period; late < 0 || late > max(period/100, 2*time.Millisecond) {
		t.Errorf("%s came after %v: late by %v", what, period, late)
	}
}

func TestTheOpenPacketComesInAWriteOfItsOwnWhereAsked(t *testing.T) {
	for apart, want := range map[bool]int{false: 1, true: 2} {
		writes := &writesStream{}
		c := &websocket{s: &Session{srv: &Server{cfg: Config{OpenApart: apart}}}, stream: writes}
		check(t, c.respondOpen([]byte("101"), []byte("0{}")))
		if len(writes.wrote) != want || strings.Join(writes.wrote, "") != "1010{}" {
			t.Errorf("apart %t: %q", apart, writes.wrote)
		}
	}
	onPaths(t, Config{OpenApart: true}, func(t *testing.T, cfg Config) {
		newRig(t, cfg).dialWS(t, "").expectOpen(t)
	})
}

// writesStream keeps what is written.
type writesStream struct {
	stream
	wrote []string
}

func (w *writesStream) tryWrite(b []byte) (int, error) {
	w.wrote = append(w.wrote, string(b))
	return len(b), nil
}

// A request with two Host lines is refused, whatever they say, as net/http does.
func TestTwoHostsAreNotTaken(t *testing.T) {
	r := newRig(t, Config{})
	for _, hosts := range []string{"Host: \r\nHost: x", "Host: x\r\nHost: ", "Host: x\r\nHost: x"} {
		conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
		_, _ = conn.Write([]byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + hosts + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 12)
		_, _ = conn.Read(b)
		if string(b) != "HTTP/1.1 400" {
			t.Errorf("%q is answered %q", hosts, b)
		}
		_ = conn.Close()
	}
}

// hiding is what a middleware puts around a ResponseWriter without an Unwrap method.
type hiding struct{ http.ResponseWriter }

func TestAFailedTakeoverNamesTheResponseWriter(t *testing.T) {
	var seen lockedBuffer
	r := newRig(t, Config{Logger: slog.New(slog.NewTextHandler(&seen, nil))}, throughHTTP)
	inner := r.web.Config.Handler
	r.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { inner.ServeHTTP(hiding{w}, q) })
	for range 2 {
		if _, err := r.tryWS(""); err == nil {
			t.Fatal("a WebSocket was opened")
		}
	}
	if all := seen.String(); strings.Count(all, "responseWriter=engine.hiding") != 1 {
		t.Errorf("logged: %s", all)
	}
}

// lockedBuffer takes what is logged.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
