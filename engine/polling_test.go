package engine

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestASecondGETEndsTheSession(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	first := make(chan string, 1)
	go func() { _, body, _ := c.get(); first <- body }()
	s.awaitGET(t)
	if status, body, _ := c.get(); status != 400 || body != `{"code":3,"message":"Bad request"}` {
		t.Errorf("second GET: %d %s", status, body)
	}
	if body := await(t, first); body != "1" {
		t.Errorf("first GET: %q", body)
	}
	s.end(t, ReasonTransportError)
	c.expectGone(t)
}

// awaitGET returns when a GET is pending.
func (h *side) awaitGET(t *testing.T) {
	t.Helper()
	h.awaitState(t, func() bool { return h.link != nil && h.link.flow() == flowPoll })
}

// awaitState polls the session's state until it is as told. Nothing tells a test
// that a request has arrived at its waiting place.
func (h *side) awaitState(t *testing.T, reached func() bool) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-look.C {
		h.mu.Lock()
		ok := reached()
		h.mu.Unlock()
		if ok {
			return
		}
	}
	t.Fatal("state never reached")
}

func (c pollClient) expectGone(t *testing.T) {
	t.Helper()
	if status, body, err := c.get(); status != 400 || !strings.Contains(body, `"code":1`) {
		t.Errorf("the session is still known: %d %s %v", status, body, err)
	}
}

// slowPOST begins a POST whose body comes through the returned pipe.
func (c pollClient) slowPOST() (*io.PipeWriter, <-chan int) {
	out, in := io.Pipe()
	answer := make(chan int, 1)
	go func() {
		status, _, _ := c.Do(http.MethodPost, "text/plain", out)
		_ = out.Close()
		answer <- status
	}()
	return in, answer
}

func TestASecondPOSTEndsTheSession(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{CloseTimeout: 100 * time.Millisecond}})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	body, first := c.slowPOST()
	must[int](t)(body.Write([]byte("4")))
	s.awaitState(t, func() bool { return s.longPollLocked().post != nil })
	if status, _, _ := c.post("4x"); status != 400 {
		t.Errorf("second POST: %d", status)
	}
	s.end(t, ReasonTransportError)
	await(t, first) // the slow POST is let go with the session
	_ = body.Close()
}

func TestAnAbortedGETEndsTheSession(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	ctx, cancel := context.WithCancel(t.Context())
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, "GET", c.URL(), nil))
	gone := goes(func() error { _, err := c.HTTP.Do(req); return err })
	s.awaitGET(t)
	cancel()
	if await(t, gone) == nil {
		t.Error("the GET was answered")
	}
	s.end(t, ReasonTransportError)
}

func TestAnAbortedPOSTEndsTheSession(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	body, answer := c.slowPOST()
	must[int](t)(body.Write([]byte("4half a mess")))
	s.awaitState(t, func() bool { return s.longPollLocked().post != nil })
	_ = body.CloseWithError(io.ErrUnexpectedEOF)
	await(t, answer)
	s.end(t, ReasonTransportError)
	if s.got.length() > 0 {
		t.Error("half a message was handed up")
	}
}

// As Node's server does since engine.io 6.6.13.
func TestALargePOSTEndsItsSession(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{MaxPayload: 1000}})
	for name, body := range map[string]func() io.Reader{
		"with its length":     func() io.Reader { return strings.NewReader("4" + strings.Repeat("x", 1000)) },
		"chunked":             func() io.Reader { return io.MultiReader(strings.NewReader("4" + strings.Repeat("x", 1000))) },
		"chunked without end": func() io.Reader { return endless{} },
	} {
		t.Run(name, func(t *testing.T) {
			c := r.dialPolling(t)
			s := r.opened.next(t)
			status, _, err := c.Do(http.MethodPost, "text/plain", body())
			if err == nil && status != http.StatusRequestEntityTooLarge { // err: closed under the writer
				t.Errorf("answered %d", status)
			}
			if c := s.end(t, ReasonTransportError); !errors.Is(c.Err, errTooBig) {
				t.Errorf("ended because of %v", c.Err)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '4'
	}
	return len(b), nil
}

func TestAChunkedPOSTWithoutEndIsAnswered413(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{MaxPayload: 1000}})
	c := r.dialPolling(t)
	conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
	defer func() { _ = conn.Close() }()
	_, query, _ := strings.Cut(c.URL(), "?")
	must[int](t)(io.WriteString(conn, "POST /socket.io/?"+query+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"400\r\n"+strings.Repeat("x", 1024)+"\r\n"))
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	answer := make([]byte, 12)
	must[int](t)(io.ReadFull(conn, answer))
	if string(answer) != "HTTP/1.1 413" {
		t.Errorf("answered %q", answer)
	}
}

func TestAPOSTThatIsNotCompleteInTimeEndsItsSession(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{MessageTimeout: 50 * time.Millisecond}})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	body, answer := c.slowPOST()
	must[int](t)(body.Write([]byte("4")))
	if status := await(t, answer); status != http.StatusRequestTimeout && status != 0 {
		t.Errorf("answered %d", status)
	}
	_ = body.Close()
	if c := s.end(t, ReasonTransportError); !errors.Is(c.Err, errTooSlow) {
		t.Errorf("ended because of %v", c.Err)
	}
}

func TestAPOSTThatIsCutWithItsSessionLeavesNoConnectionBehind(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{CloseTimeout: 10 * time.Millisecond}})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
	defer func() { _ = conn.Close() }()
	_, query, _ := strings.Cut(c.URL(), "?")
	must[int](t)(io.WriteString(conn, "POST /socket.io/?"+query+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4"))
	s.awaitState(t, func() bool { return s.longPollLocked().post != nil && s.longPollLocked().post.body != nil })
	s.Session.Close(CodeNormal, "bye")
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	answer := string(must[[]byte](t)(io.ReadAll(conn))) // to the end of the connection
	if !strings.HasPrefix(answer, "HTTP/1.1 400") || !strings.Contains(answer, "\r\nConnection: close\r\n") {
		t.Errorf("answered %q", answer)
	}
}

func TestARefusedRequestIsNotWaitedFor(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{CloseTimeout: 10 * time.Millisecond}})
	for _, query := range []string{"EIO=4&transport=polling", "EIO=4&transport=polling&sid=x"} {
		conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
		must[int](t)(io.WriteString(conn, "POST /socket.io/?"+query+" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4"))
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if answer := must[[]byte](t)(io.ReadAll(conn)); !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
			t.Errorf("answered %q", answer)
		}
		_ = conn.Close()
	}
}

func TestBadPayloadsEndTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		kind   string
		reason Reason
	}{
		"empty":               {"", "text/plain", ReasonParseError},
		"empty packet":        {"4a\x1e\x1e4b", "text/plain", ReasonParseError},
		"unknown type":        {"9", "text/plain", ReasonParseError},
		"bad base64":          {"b!", "text/plain", ReasonParseError},
		"not UTF-8":           {"4\xff", "text/plain", ReasonTransportError},
		"a ping":              {"2", "text/plain", ReasonTransportError},
		"octet stream":        {"4a", "application/octet-stream", ReasonTransportError},
		"octet stream, param": {"4a", "application/octet-stream; x=y", ReasonTransportError},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Config{})
			p := r.dialPolling(t)
			s := r.opened.next(t)
			if status, answer, _ := p.Do("POST", c.kind, strings.NewReader(c.body)); status != 400 || answer != `{"code":3,"message":"Bad request"}` {
				t.Errorf("answered %d %s", status, answer)
			}
			s.end(t, c.reason)
			p.expectGone(t)
		})
	}
}

func TestKnownPacketsWithoutMeaningAreIgnored(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		switch c := c.(type) {
		case pollClient:
			check(t, c.Send("0\x1e3\x1e6\x1e5\x1e4end"))
		case wsClient:
			for _, text := range []string{"0", "3", "6", "5", "4end"} {
				check(t, c.frame(1, []byte(text)))
			}
		}
		if m := s.got.next(t); m.data != "end" {
			t.Errorf("got %q", m)
		}
	})
}

func TestLargeAnswersAreCompressedForWhoTakesIt(t *testing.T) {
	r := newRig(t, Config{CompressAbove: 100})
	text := strings.Repeat("compress me ", 100)
	for accept, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "": ""} {
		c := r.dialPolling(t)
		check(t, r.opened.next(t).Send(NewFrame([]byte(text), nil)))
		req := must[*http.Request](t)(http.NewRequest("GET", c.URL(), nil))
		req.Header.Set("Accept-Encoding", accept)
		res := must[*http.Response](t)(c.HTTP.Do(req))
		body := io.Reader(res.Body)
		if got := res.Header.Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: Content-Encoding %q", accept, got)
		} else if want != "" {
			body = must[*gzip.Reader](t)(gzip.NewReader(body))
		}
		if b := must[[]byte](t)(io.ReadAll(body)); string(b) != "4"+text {
			t.Errorf("got %.50q", b)
		}
		_ = res.Body.Close()
	}
}

func TestOneAnswerHoldsALimitedNumberOfBytes(t *testing.T) {
	r := newRig(t, Config{})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	const frames, size = 30, 100_000
	f := NewFrame([]byte(strings.Repeat("x", size)), nil)
	for range frames {
		check(t, s.Send(f))
	}
	s.Session.Close(CodeNormal, "bye")
	for n := 0; n < frames; {
		_, body, err := c.get()
		check(t, err)
		if len(body) > pollBytes {
			t.Fatalf("an answer of %d bytes", len(body))
		}
		if strings.Contains(body, "\x1e1") {
			t.Fatal("the close packet came together with messages: the client would act on it first")
		}
		n += strings.Count(body, "4")
	}
	if _, body, err := c.get(); err != nil || body != "1" {
		t.Errorf("after all frames: %q, %v", body, err)
	}
}
