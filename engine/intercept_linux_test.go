package engine

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/engine/internal/rfc6455"
)

// counted counts the requests that the http.Server sees.
func counted(seen *atomic.Int32) rigOption {
	return func(_ testing.TB, r *rig) {
		inner := r.web.Config.Handler
		r.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen.Add(1)
			inner.ServeHTTP(w, r)
		})
	}
}

// raw sends a request in pieces and returns the connection and the answer's head.
func (r *rig) raw(t *testing.T, pieces ...string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	for i, p := range pieces {
		if i > 0 {
			time.Sleep(20 * time.Millisecond) // so that the pieces are likely read apart; the test holds in either case
		}
		must[int](t)(conn.Write([]byte(p)))
	}
	return conn, bufio.NewReader(conn)
}

// ends checks that nothing more comes and that the server has closed the connection,
// which the client holds open.
func ends(t *testing.T, in *bufio.Reader) {
	t.Helper()
	b, err := in.ReadByte()
	if err == nil {
		t.Errorf("%q came", b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is open")
	}
}

func TestPlainRequestsDoNotPassTheHTTPServer(t *testing.T) {
	var seen atomic.Int32
	r := newRig(t, Config{}, counted(&seen))
	r.keepSilent()
	c := r.dial(t, "websocket")
	s := r.opened.next(t)
	check(t, c.send("hello"))
	if got := s.got.next(t); got.data != "hello" {
		t.Error(got)
	}
	if got := s.Peer().RemoteAddr.String(); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("it comes from %s", got)
	}
	p := r.dial(t, "polling")
	check(t, p.send("hello"))
	if got := r.opened.next(t).got.next(t); got.data != "hello" {
		t.Error(got)
	}
	if n := seen.Load(); n != 0 {
		t.Errorf("the http.Server saw %d requests", n)
	}
}

// Heads that are long or unusual, or come in pieces, go through net/http. The bytes
// behind a head are not lost on either way.
func TestHeadsOfEveryShapeOpenWebSockets(t *testing.T) {
	head := opens(target)
	early := string(clientFrame(0x1, []byte("4early")))
	for name, c := range map[string]struct {
		pieces []string
		passes bool
	}{
		"plain":               {[]string{head}, true},
		"and a frame":         {[]string{head + early}, true},
		"in two pieces":       {[]string{head[:40], head[40:]}, false},
		"byte by byte":        {strings.Split(head, ""), false},
		"long":                {[]string{opens(target, "Cookie: a="+strings.Repeat("x", 2*rfc6455.MaxRequest)+"\r\n")}, false},
		"long and a frame":    {[]string{opens(target, "Cookie: a="+strings.Repeat("x", 2*rfc6455.MaxRequest)+"\r\n") + early}, false},
		"with an odd field":   {[]string{opens(target, "X-A!: b\r\n")}, false},
		"odd and a frame":     {[]string{opens(target, "X-A!: b\r\n") + early}, false},
		"odd, then a frame":   {[]string{opens(target, "X-A!: b\r\n"), early}, false},
		"plain, then a frame": {[]string{head, early}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if len(c.pieces) > 10 {
				c.pieces = append(c.pieces[:10:10], strings.Join(c.pieces[10:], ""))
			}
			var seen atomic.Int32
			r := newRig(t, Config{}, counted(&seen))
			conn, in := r.raw(t, c.pieces...)
			res := must[*http.Response](t)(http.ReadResponse(in, nil))
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%d", res.StatusCode)
			}
			if passed := seen.Load() == 0; passed != c.passes {
				t.Errorf("past the http.Server: %t", passed)
			}
			w := byHand(conn, in)
			w.expectOpen(t)
			check(t, w.send("later"))
			s := r.opened.next(t)
			if strings.HasSuffix(strings.Join(c.pieces, ""), early) {
				if got := s.got.next(t); got.data != "early" {
					t.Error(got)
				}
			}
			if got := s.got.next(t); got.data != "later" {
				t.Error(got)
			}
		})
	}
}

// A refused client gets the same answer on both ways.
func TestRefusalsAreThoseOfTheHTTPServer(t *testing.T) {
	cfg := Config{
		Check: func(r *http.Request) *Refusal {
			if r.URL.Query().Has("no") {
				return &Refusal{Status: http.StatusTooManyRequests, Code: codeForbidden, Message: "later", RetryAfter: time.Second}
			}
			return nil
		},
		Subprotocol: func(r *http.Request) (string, error) {
			if r.Header.Get("Sec-Websocket-Protocol") != "" {
				return "", fmt.Errorf("none")
			}
			return "", nil
		},
		AllowOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == "https://good.example" },
	}
	direct, http11 := newRig(t, cfg), newRig(t, cfg, throughHTTP)
	for _, head := range []string{
		opens("/socket.io/"),
		opens("/socket.io/?EIO=3&transport=websocket"),
		opens("/socket.io/?EIO=4&transport=polling"),
		opens("/socket.io/?EIO=4&transport=websocket&sid=none"),
		opens(target+"&no", "Origin: https://good.example\r\n"),
		opens(target+"&no", "Origin: https://bad.example\r\n"),
		opens(target, "Sec-WebSocket-Protocol: x\r\n"),
		strings.Replace(opens(target), "Version: 13", "Version: 8", 1),
		strings.Replace(opens(target), "Key: dGhl", "Key: ", 1),
		strings.Replace(opens(target), "keep-alive, Upgrade", "keep-alive", 1),
	} {
		got, want := answered(t, direct, head), answered(t, http11, head)
		if got != want {
			t.Errorf("%q is answered\n%s\nand through net/http\n%s", head, got, want)
		}
	}
}

// answered returns the answer to a request without the parts that differ each time.
func answered(t *testing.T, r *rig, head string) string {
	t.Helper()
	_, in := r.raw(t, head)
	res := must[*http.Response](t)(http.ReadResponse(in, nil))
	body := must[[]byte](t)(io.ReadAll(res.Body))
	if _, err := http.ParseTime(res.Header.Get("Date")); err != nil {
		t.Error(err)
	}
	res.Header.Del("Date")
	res.Header.Del("Connection") // net/http keeps the connection for another request
	return fmt.Sprint(res.Status, res.Header, string(body))
}

func TestAPanicInAHandshakeEndsItsConnectionOnly(t *testing.T) {
	r := newRig(t, Config{Check: func(r *http.Request) *Refusal {
		if r.URL.Query().Has("panic") {
			panic("on purpose")
		}
		return nil
	}})
	_, in := r.raw(t, opens(target+"&panic"))
	ends(t, in)
	r.dial(t, "websocket")
}

func TestCloseWaitsForAHandshakeUnderWay(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	r := newRig(t, Config{Limits: Limits{CloseTimeout: time.Second}, Check: func(*http.Request) *Refusal {
		close(asked)
		<-answer
		return nil
	}})
	_, in := r.raw(t, opens(target))
	await(t, asked)
	closed := make(chan struct{})
	go func() {
		r.srv.Close()
		close(closed)
	}()
	for !r.srv.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-closed:
		t.Error("it did not wait")
	default:
	}
	close(answer)
	await(t, closed)
	res := must[*http.Response](t)(http.ReadResponse(in, nil))
	if res.StatusCode != http.StatusServiceUnavailable && res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("%d", res.StatusCode)
	}
	_, in = r.raw(t, opens(target)) // the listener is open still
	if res := must[*http.Response](t)(http.ReadResponse(in, nil)); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("%d", res.StatusCode)
	}
}

// A client that was refused holds no file, whatever it does.
func TestTheConnectionOfARefusedClientCloses(t *testing.T) {
	r := newRig(t, Config{})
	for name, pieces := range map[string][]string{
		"silent":      {opens("/socket.io/?EIO=3&transport=websocket")},
		"sends more":  {opens("/socket.io/?EIO=3&transport=websocket") + strings.Repeat("x", 10_000)},
		"goes on":     {opens("/socket.io/?EIO=3&transport=websocket"), "GET / HTTP/1.1\r\n\r\n"},
		"half closed": {opens("/socket.io/?EIO=3&transport=websocket")},
	} {
		conn, in := r.raw(t, pieces...)
		if name == "half closed" {
			check(t, conn.(*net.TCPConn).CloseWrite())
		}
		res, err := http.ReadResponse(in, nil)
		if name == "goes on" && err != nil {
			continue // the bytes that came after the answer have reset the connection
		}
		check(t, err)
		if _, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, %v", name, res.StatusCode, err)
		}
		ends(t, in)
	}
}

// A connection that was reset before it was accepted has no address: net/http
// must not serve its request.
func TestARequestOfNobodyIsNotServed(t *testing.T) {
	r := newRig(t, Config{}, func(_ testing.TB, r *rig) {
		inner := r.web.Config.Handler
		r.web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if !strings.HasPrefix(req.RemoteAddr, "127.0.0.1:") {
				t.Errorf("a request of %q", req.RemoteAddr)
			}
			inner.ServeHTTP(w, req)
		})
	})
	for range 300 {
		conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
		must[int](t)(conn.Write([]byte("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n")))
		check(t, conn.(*net.TCPConn).SetLinger(0))
		_ = conn.Close()
	}
	r.dial(t, "polling")
	r.dial(t, "websocket")
}

// Messages take the same way, whether the engine or net/http read the handshake.
func TestHandshakesThroughNetHTTP(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t, Config{}, throughHTTP)
			c := r.dial(t, transport)
			s := r.opened.next(t)
			check(t, c.send("up"))
			if got := s.got.next(t); got.data != "up" {
				t.Error(got)
			}
			check(t, s.Send(NewFrame([]byte("down"), nil)))
			for {
				p := must[packet](t)(c.next())
				if p.kind == typeMessage {
					if p.data != "down" {
						t.Error(p)
					}
					break
				}
			}
		})
	}
}

// opens is a head as a browser sends it; more are header fields, each with its end
// of line.
func opens(target string, more ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: chat.example:3000\r\n" +
		"Connection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(more, "") + "\r\n"
}

const target = "/socket.io/?EIO=4&transport=websocket"

// A server may be closed before it has begun to accept.
func TestAListenerMayBeClosedAsItBeginsToAccept(t *testing.T) {
	r := newRig(t, Config{})
	for range 200 {
		l := r.srv.Intercept(must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0")), "/")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if conn, err := l.Accept(); err == nil {
				t.Errorf("%v was accepted", conn.RemoteAddr())
			}
		}()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	}
}
