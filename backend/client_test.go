package backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/handshake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// The vector of the Standard Webhooks documentation.
func TestSignaturesAreThoseOfStandardWebhooks(t *testing.T) {
	signing, err := keys(Config{Secret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, signing, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if got, want := h.Get("webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	if h.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || h.Get("webhook-timestamp") != "1614265330" {
		t.Errorf("headers %v", h)
	}
}

// serve runs a back end and returns a client of it. change may be nil.
func serve(t *testing.T, change func(*Config), h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg := Config{URL: srv.URL, Secret: testSecret}
	if change != nil {
		change(&cfg)
	}
	return client(t, cfg)
}

func client(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, stop := context.WithCancel(context.Background())
		stop() // what is still kept is given up
		_ = c.Close(ctx)
	})
	return c
}

func TestAnEventIsAskedAndAnswered(t *testing.T) {
	var got Event
	c := serve(t, nil, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		if signed(t, r, body) != r.Header.Get("webhook-signature") {
			t.Error("the signature is not over the id, the timestamp and the body that came")
		}
		_, _ = io.WriteString(w, `{"ack":[{"ok":true}],"emit":[{"to":"desk","event":"order:created","args":[1]}],"join":["desk"],"leave":["hall"],"disconnect":true}`)
	})
	answer, err := c.Ask(t.Context(), Event{
		Type: ClientEvent, Namespace: "/app", Socket: "s1", User: &User{Subject: "u-1"}, Event: "order:create",
		Args: []json.RawMessage{[]byte(`{"_placeholder":true,"num":0}`)}, Attachments: [][]byte{{1, 2, 3}}, ExpectsAck: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID == "" || got.At == 0 || got.Event != "order:create" || got.User.Subject != "u-1" || !bytes.Equal(got.Attachments[0], []byte{1, 2, 3}) {
		t.Errorf("the back end got %+v", got)
	}
	if string(answer.Ack[0]) != `{"ok":true}` || answer.Emit[0].To != "desk" || answer.Join[0] != "desk" || answer.Leave[0] != "hall" || !answer.Disconnect {
		t.Errorf("answer %+v", answer)
	}
}

// signed returns the signature of a request by the test's secret.
func signed(t *testing.T, r *http.Request, body []byte) string {
	t.Helper()
	unix, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		t.Error(err)
	}
	signing, err := keys(Config{Secret: testSecret})
	if err != nil {
		t.Error(err)
	}
	h := http.Header{}
	sign(h, signing, r.Header.Get("webhook-id"), time.Unix(unix, 0), body)
	return h.Get("webhook-signature")
}

func TestNothingAtAllIsAnAnswer(t *testing.T) {
	c := serve(t, nil, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	if _, err := c.Ask(t.Context(), Event{Type: Connect}); err != nil {
		t.Error(err)
	}
}

func TestASecretIsReplacedWithAnOverlap(t *testing.T) {
	next := handshake.Secret("whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	var got, want string
	c := serve(t, func(c *Config) { c.OldSecrets, c.Secret = []handshake.Secret{c.Secret}, next }, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = strings.Fields(r.Header.Get("webhook-signature"))[1]
		want = signed(t, r, body)
	})
	if _, err := c.Ask(t.Context(), Event{Type: Connect}); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the second signature %s is not the old secret's, %s", got, want)
	}
}

func TestWrongAnswersSayWhatIsWrong(t *testing.T) {
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<h1>Welcome</h1>")
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}
	}
	body := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	for _, c := range []struct {
		name, says  string
		unavailable bool
		handler     http.HandlerFunc
	}{
		{"HTML", "no JSON of the documented form", false, html},
		{"another type", "no JSON of the documented form", false, body(`{"ack":"yes"}`)},
		{"a typing mistake", `unknown field "emits"`, false, body(`{"emits":[]}`)},
		{"more than one value", "there is text after the JSON", false, body(`{} {}`)},
		{"an emit to nobody", "emit[0]: names to, user or socket", false, body(`{"emit":[{"event":"x"}]}`)},
		{"an emit to two", "emit[0]: names to, user or socket", false, body(`{"emit":[{"event":"x","to":"a","user":"b"}]}`)},
		{"an emit without an event", "emit[0]: event", false, body(`{"emit":[{"to":"a"}]}`)},
		{"an error beside an ack", "error: needs a code", false, body(`{"error":{"code":"x"},"ack":[1]}`)},
		{"too much", "larger than answer_bytes (1000)", false, body(strings.Repeat(" ", 2000))},
		{"a redirect", "redirects are not followed", false, status(302, "Location", "http://127.0.0.1:1/")},
		{"not found", "status 404", false, status(404)},
		{"its own fault", "status 500", true, status(500)},
		{"too many", "status 429", true, status(429, "Retry-After", "7")},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked := serve(t, func(cfg *Config) { cfg.AnswerBytes = 1000 }, c.handler)
			_, err := asked.Ask(t.Context(), Event{Type: ClientEvent})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error %v, want one that says %q", err, c.says)
			}
			var unavailable *Unavailable
			if errors.As(err, &unavailable) != c.unavailable {
				t.Errorf("unavailable: %v, want %v", !c.unavailable, c.unavailable)
			}
			if c.name == "too many" && unavailable.RetryAfter != 7*time.Second {
				t.Errorf("retry after %s, want what the back end said", unavailable.RetryAfter)
			}
		})
	}
}

func TestQuestionsWaitForAPlace(t *testing.T) {
	var now, most atomic.Int32
	c := serve(t, func(c *Config) { c.MaxInFlight = 2 }, func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
	})
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			if _, err := c.Ask(t.Context(), Event{Type: ClientEvent, User: &User{Subject: fmt.Sprint(i % 5)}}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if most.Load() > 2 {
		t.Errorf("%d requests at once, at most 2 are allowed", most.Load())
	}
}

func TestWhoWaitsTooLongIsToldToComeAgain(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 1)
	c := serve(t, func(c *Config) { c.MaxInFlight = 1 }, func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	})
	first := make(chan error, 1)
	go func() { _, err := c.Ask(t.Context(), Event{Type: ClientEvent}); first <- err }()
	<-asked
	ctx, stop := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() { _, err := c.Ask(ctx, Event{Type: ClientEvent}); waiting <- err }()
	for c.counted().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	stop()
	var unavailable *Unavailable
	if err := <-waiting; !errors.As(err, &unavailable) || unavailable.RetryAfter <= 0 {
		t.Errorf("error %v, want one that says when to try again", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// A back end closes a connection that was idle for too long just when the next
// request is on its way.
func TestARequestOnAClosedConnectionIsSentAgainWithTheSameID(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ids := make(chan string, 3)
	go func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answerOnce(conn, ids, n == 0)
		}
	}()
	c := client(t, Config{URL: "http://" + l.Addr().String(), Secret: testSecret})
	for range 2 {
		if _, err := c.Ask(t.Context(), Event{Type: ClientEvent}); err != nil {
			t.Fatal(err)
		}
	}
	first, dropped, again := <-ids, <-ids, <-ids
	if dropped != again || first == again {
		t.Errorf("ids %s, then %s and %s; the last two are one event", first, dropped, again)
	}
}

// answerOnce answers one request; when more is true it reads a second one and
// closes the connection without a word.
func answerOnce(conn net.Conn, ids chan<- string, more bool) {
	defer func() { _ = conn.Close() }()
	in := newRequests(conn)
	ids <- in.next()
	_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	if more {
		ids <- in.next()
	}
}

func TestABackEndThatIsDownIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &fakeTransport{err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
		c := fake(t, Config{}, down)
		var last *Unavailable
		for range 10 {
			if _, err := c.Ask(t.Context(), Event{Type: ClientEvent}); !errors.As(err, &last) {
				t.Fatalf("error %v, want unavailable", err)
			}
		}
		if n := down.calls.Load(); n >= 10 {
			t.Errorf("%d calls to a back end that is down", n)
		}
		down.set(nil)
		time.Sleep(last.RetryAfter)
		if _, err := c.Ask(t.Context(), Event{Type: ClientEvent}); err != nil {
			t.Errorf("back again, and still refused: %v", err)
		}
	})
}

func TestAPauseIsThatOfTheURL(t *testing.T) {
	for to, url := range map[string]string{"the same": "http://localhost", "another": "http://localhost/other"} {
		t.Run(to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down := &fakeTransport{err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
				c := fake(t, Config{}, down)
				for range 10 {
					_, _ = c.Ask(t.Context(), Event{Type: ClientEvent})
				}
				down.set(nil)
				use, err := c.Prepare(Config{URL: url, Secret: testSecret, Timeout: time.Second})
				if err != nil {
					t.Fatal(err)
				}
				use()
				_, err = c.Ask(t.Context(), Event{Type: ClientEvent})
				if paused := errors.As(err, new(*Unavailable)); paused != (to == "the same") {
					t.Errorf("asked: %v", err)
				}
			})
		})
	}
}

func TestABatchSendsWhatWaitsTogether(t *testing.T) {
	release := make(chan struct{})
	sizes := make(chan int, 10)
	c := serve(t, func(c *Config) { c.Batch = true; c.MaxInFlight = 1 }, func(w http.ResponseWriter, r *http.Request) {
		var events []Event
		if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
			t.Error(err)
		}
		sizes <- len(events)
		<-release
		answers := make([]Answer, len(events))
		for i, e := range events {
			answers[i].Ack = []json.RawMessage{[]byte(`"` + e.Event + `"`)}
		}
		_ = json.NewEncoder(w).Encode(answers)
	})
	var group sync.WaitGroup
	ask := func(name string) {
		group.Go(func() {
			answer, err := c.Ask(t.Context(), Event{Type: ClientEvent, Event: name, User: &User{Subject: name}})
			if err != nil || string(answer.Ack[0]) != `"`+name+`"` {
				t.Errorf("%s was answered with %s, %v", name, answer.Ack, err)
			}
		})
	}
	ask("first")
	if n := <-sizes; n != 1 {
		t.Fatalf("%d events in the first request", n)
	}
	for i := range 5 {
		ask(fmt.Sprint("next-", i))
	}
	for waits := 0; waits < 5; {
		c.mu.Lock()
		waits = len(c.waiting)
		c.mu.Unlock()
	}
	close(release)
	if n := <-sizes; n != 5 {
		t.Errorf("%d of 5 waiting events in one request", n)
	}
	group.Wait()
}

func TestWhatIsToldComesInOrderThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTransport{err: errors.New("away")}
		c := fake(t, Config{}, f)
		for i := range 20 {
			c.Tell(t.Context(), Event{Type: Disconnect, Socket: "s", Reason: fmt.Sprint(i)}, nil)
		}
		time.Sleep(10 * time.Second)
		f.set(nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var reasons []string
		for _, e := range f.delivered() {
			reasons = append(reasons, e.Reason)
		}
		for i := range 20 {
			if i >= len(reasons) || reasons[i] != fmt.Sprint(i) {
				t.Fatalf("delivered %v", reasons)
			}
		}
		if s := c.counted(); s.Told != 20 || s.Lost != 0 || s.Untold != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestWhatCannotBeToldIsGivenUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTransport{err: errors.New("away")}
		c := fake(t, Config{Backlog: 3, RetryFor: time.Minute}, f)
		for range 5 {
			c.Tell(t.Context(), Event{Type: Disconnect, Socket: "s"}, nil)
		}
		if s := c.counted(); s.Lost != 2 || s.Untold != 3 {
			t.Errorf("with a backlog of 3: %+v", s)
		}
		time.Sleep(3 * time.Minute)
		if s := c.counted(); s.Lost != 5 || s.Untold != 0 {
			t.Errorf("after retry_for: %+v", s)
		}
	})
}

func TestCloseGivesUpWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := fake(t, Config{}, &fakeTransport{err: errors.New("away")})
		c.Tell(t.Context(), Event{Type: Disconnect}, nil)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if s := c.counted(); s.Lost != 1 {
			t.Errorf("stats %+v", s)
		}
		if _, err := c.Ask(t.Context(), Event{}); !errors.Is(err, ErrClosed) {
			t.Errorf("ask after close: %v", err)
		}
	})
}
