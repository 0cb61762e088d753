package engine

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// probing is a polling session with a WebSocket that has had its probe answered.
func probing(t *testing.T, cfg Config) (*rig, pollClient, wsClient, *side) {
	t.Helper()
	r := newRig(t, cfg)
	p := r.dialPolling(t)
	w := r.dialWS(t, p.SID())
	check(t, w.frame(ws.OpText, []byte("2probe")))
	if answer := must[packet](t)(w.next()); answer != (packet{kind: typePong, data: "probe"}) {
		t.Fatalf("answer to the probe: %q", answer)
	}
	return r, p, w, r.opened.next(t)
}

// expectCut expects the connection to end without anything more.
func (c wsClient) expectCut(t *testing.T) {
	t.Helper()
	if p, err := c.next(); err == nil {
		t.Errorf("got %q", p)
	}
}

// expectUnwanted expects a WebSocket that is opened and closed at once: the session
// has no use for it.
func (c wsClient) expectUnwanted(t *testing.T) {
	t.Helper()
	if p := must[packet](t)(c.next()); p.kind != kindEnd || p.code != CodePolicy {
		t.Errorf("got %q", p)
	}
	c.expectCut(t)
}

func (c pollClient) expectWorks(t *testing.T, s *side) {
	t.Helper()
	check(t, c.send("up"))
	if m := s.got.next(t); m.data != "up" {
		t.Errorf("got %q", m)
	}
	check(t, s.Send(NewFrame([]byte("down"), nil)))
	if p := must[packet](t)(c.next()); p.data != "down" {
		t.Errorf("got %q", p)
	}
}

func TestANoopFreesThePendingGETWhileProbing(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		_, p, w, s := probing(t, cfg)
		for range 2 {
			if status, body, err := p.get(); status != 200 || body != "6" || err != nil {
				t.Fatalf("GET: %d %q %v", status, body, err)
			}
		}
		check(t, w.frame(ws.OpText, []byte("5")))
		check(t, w.send("up"))
		s.got.next(t)
	})
}

func TestAPendingGETIsFreedByTheUpgradeItself(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		p := r.dialPolling(t)
		s := r.opened.next(t)
		body := make(chan string, 1)
		go func() { _, b, _ := p.get(); body <- b }()
		s.awaitGET(t)
		w := r.dialWS(t, p.SID())
		check(t, w.Write(append(clientFrame(ws.OpText, []byte("2probe")), clientFrame(ws.OpText, []byte("5"))...)))
		if b := await(t, body); b != "6" {
			t.Errorf("the GET brought %q", b)
		}
		if answer := must[packet](t)(w.next()); answer.data != "probe" {
			t.Errorf("got %q", answer)
		}
		check(t, w.send("up"))
		s.got.next(t)
	})
}

func TestMessagesRightBehindTheUpgradePacketAreTheSessions(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		_, _, w, s := probing(t, cfg)
		check(t, w.Write(append(clientFrame(ws.OpText, []byte("5")), clientFrame(ws.OpText, []byte("4first"))...)))
		if m := s.got.next(t); m.data != "first" {
			t.Errorf("got %q", m)
		}
		if got := s.Transport(); got != "websocket" {
			t.Errorf("transport %q", got)
		}
	})
}

func TestAWrongPacketWhileProbingEndsTheProbeOnly(t *testing.T) {
	for name, packets := range map[string][]string{
		"message first":         {"4hello"},
		"upgrade first":         {"5"},
		"ping without probe":    {"2"},
		"empty":                 {""},
		"message after probe":   {"2probe", "4hello"},
		"two probes":            {"2probe", "2probe"},
		"close after the probe": {"2probe", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			onPaths(t, Config{}, func(t *testing.T, cfg Config) {
				r := newRig(t, cfg)
				p := r.dialPolling(t)
				s := r.opened.next(t)
				w := r.dialWS(t, p.SID())
				for _, text := range packets {
					check(t, w.frame(ws.OpText, []byte(text)))
				}
				for err := error(nil); err == nil; {
					_, err = w.next()
				}
				p.expectWorks(t, s)
				again := r.dialWS(t, p.SID()) // the place for a probe is free again
				check(t, p.upgrade(again))
				check(t, again.send("up"))
				s.got.next(t)
			})
		})
	}
}

func TestAProbeThatIsBrokenOffLeavesThePollingAlone(t *testing.T) {
	for name, spoil := range map[string]func(wsClient) error{
		"cut":         func(w wsClient) error { return w.Conn.Close() },
		"close frame": wsClient.leave,
		"bad frame":   func(w wsClient) error { return w.Write([]byte{0x81, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			onPaths(t, Config{}, func(t *testing.T, cfg Config) {
				_, p, w, s := probing(t, cfg)
				check(t, spoil(w))
				s.awaitState(t, func() bool { return s.probe == nil })
				p.expectWorks(t, s)
			})
		})
	}
}

func TestAProbeHasALimitedTime(t *testing.T) {
	for _, packets := range [][]string{nil, {"2probe"}} {
		onPaths(t, Config{Limits: Limits{UpgradeTimeout: 20 * time.Millisecond}}, func(t *testing.T, cfg Config) {
			r := newRig(t, cfg)
			p := r.dialPolling(t)
			s := r.opened.next(t)
			w := r.dialWS(t, p.SID())
			for _, text := range packets {
				check(t, w.frame(ws.OpText, []byte(text)))
				must[packet](t)(w.next())
			}
			w.expectCut(t)
			p.expectWorks(t, s)
		})
	}
}

func TestOnlyOneUpgradeAtATime(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r, p, w, s := probing(t, cfg)
		r.dialWS(t, p.SID()).expectUnwanted(t)
		check(t, w.frame(ws.OpText, []byte("5")))
		check(t, w.send("up"))
		s.got.next(t)
		r.dialWS(t, p.SID()).expectUnwanted(t)
		check(t, w.send("still up"))
		if m := s.got.next(t); m.data != "still up" {
			t.Errorf("got %q", m)
		}
	})
}

func TestNoUpgradesMeansNone(t *testing.T) {
	r := newRig(t, Config{NoUpgrades: true})
	p := r.dialPolling(t)
	r.dialWS(t, p.SID()).expectUnwanted(t)
	p.expectWorks(t, r.opened.next(t))
}

func TestTheEndOfASessionTakesItsProbeAlong(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		_, p, w, s := probing(t, cfg)
		s.Session.Close(CodeNormal, "bye")
		if _, body, _ := p.get(); body != "1" {
			t.Errorf("GET brings %q", body)
		}
		w.expectCut(t)
		s.end(t, ReasonForcedClose)
	})
}

func TestACloseInTheMiddleOfAnUpgradeLosesNothing(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		_, _, w, s := probing(t, cfg)
		check(t, s.Send(NewFrame([]byte("last words"), nil)))
		s.Session.Close(4000, "bye")
		check(t, w.frame(ws.OpText, []byte("5")))
		if p := must[packet](t)(w.next()); p.data != "last words" {
			t.Errorf("got %q", p)
		}
		expectEnd(t, w, 4000, "bye")
		s.end(t, ReasonForcedClose)
	})
}

func TestAGETThatIsAbortedByTheUpgradeDoesNotEndTheSession(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		for range 20 {
			p := r.dialPolling(t)
			s := r.opened.next(t)
			gone := goes(func() error { _, _, err := p.get(); return err })
			s.awaitGET(t)
			w := r.dialWS(t, p.SID())
			check(t, w.frame(ws.OpText, []byte("2probe")))
			must[packet](t)(w.next())
			check(t, w.frame(ws.OpText, []byte("5")))
			p.HTTP.Transport.(*http.Transport).CloseIdleConnections()
			check(t, w.send("up"))
			s.got.next(t)
			check(t, await(t, gone))
			check(t, s.Send(NewFrame([]byte("down"), nil)))
			if got := must[packet](t)(w.next()); got.data != "down" {
				t.Fatalf("got %q", got)
			}
		}
	})
}

func TestAPausedSessionDoesNotKeepWhatItsProbeSends(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg, onOpen(func(s *side) { s.Pause() }))
		p := r.dialPolling(t)
		s := r.opened.next(t)
		w := r.dialWS(t, p.SID())
		check(t, p.upgrade(w))
		check(t, w.send("1", "2", "3"))
		s.awaitState(t, func() bool { return s.socket() != nil })
		if n := s.got.length(); n > 0 {
			t.Errorf("%d messages while paused", n)
		}
		s.Resume()
		for _, want := range []string{"1", "2", "3"} {
			if m := s.got.next(t); m.data != want {
				t.Errorf("got %q, want %s", m, want)
			}
		}
	})
}

// stuck is a response whose client does not read until it is told to, or has gone by
// then.
type stuck struct {
	*httptest.ResponseRecorder
	wrote chan struct{}
	read  chan error
}

func newStuck() *stuck {
	return &stuck{httptest.NewRecorder(), make(chan struct{}, 1), make(chan error, 1)}
}

func (w *stuck) Write(b []byte) (int, error) {
	w.wrote <- struct{}{}
	if err := <-w.read; err != nil {
		return 0, err
	}
	return w.ResponseRecorder.Write(b)
}

// A client that upgrades may abort a GET that brings a NOOP, but no frame behind
// the NOOP may get lost in silence.
func TestAMessageBehindANoopIsNotLostInSilence(t *testing.T) {
	r := newRig(t, Config{CompressAbove: -1})
	c := r.dialPolling(t)
	s := r.opened.next(t)
	get := func(w http.ResponseWriter) (done chan struct{}) {
		done = make(chan struct{})
		go func() {
			defer close(done)
			s.serveGET(w, httptest.NewRequest(http.MethodGet, c.URL(), nil))
		}()
		return done
	}
	first, second := newStuck(), newStuck()
	firstDone := get(first)
	s.awaitGET(t)
	check(t, s.Send(NewFrame([]byte("one"), nil)))
	await(t, first.wrote) // the handler is still writing it
	secondDone := get(second)
	s.awaitGET(t) // the client has read it and polls again
	w := r.dialWS(t, c.SID())
	check(t, w.Write(clientFrame(1, []byte("2probe"))))
	if p := must[packet](t)(w.next()); p.data != "probe" {
		t.Fatal(p)
	}
	s.awaitState(t, func() bool { return !s.out.empty() }) // the NOOP
	check(t, s.Send(NewFrame([]byte("two"), nil)))
	first.read <- nil
	await(t, firstDone)
	await(t, second.wrote)
	second.read <- errors.New("connection reset")
	await(t, secondDone)
	s.end(t, ReasonTransportError, ReasonTransportClose) // "two" is lost, and the client learns that
}

func TestAPingWhileProbingIsAnswered(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		_, _, w, _ := probing(t, cfg)
		for _, ping := range []string{"one", "two"} {
			check(t, w.frame(ws.OpPing, []byte(ping)))
		}
		check(t, w.frame(ws.OpText, []byte("5")))
		if p := must[packet](t)(w.next()); p != (packet{kind: 'P', data: "two"}) {
			t.Errorf("got %v", p)
		}
	})
}

// A client has its POST answered before it upgrades. One that has not holds neither
// the session nor a request.
func TestAPOSTThatIsUnderWayDoesNotOutliveTheUpgrade(t *testing.T) {
	_, p, w, s := probing(t, Config{})
	body, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	answered := make(chan int, 1)
	go func() {
		req, _ := http.NewRequest(http.MethodPost, p.URL(), body)
		if res, err := p.HTTP.Do(req); err == nil {
			_ = res.Body.Close()
			answered <- res.StatusCode
		} else {
			answered <- 0
		}
	}()
	_, err := feed.Write([]byte("4"))
	check(t, err)
	s.awaitState(t, func() bool { return s.longPollLocked().post != nil && s.longPollLocked().post.body != nil })
	check(t, w.frame(ws.OpText, []byte("5")))
	if status := await(t, answered); status != http.StatusBadRequest {
		t.Errorf("the POST is answered with %d", status)
	}
	check(t, w.send("still there"))
	s.got.next(t)
}

// deadlines is a response that keeps the deadline of its request.
type deadlines struct {
	*httptest.ResponseRecorder
	read time.Time
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = at
	return nil
}

// When bytes of a body come just as the body is given up, the rest gets no more time.
func TestABodyThatIsGivenUpGetsNoMoreTime(t *testing.T) {
	_, _, w, s := probing(t, Config{})
	res, post := &deadlines{ResponseRecorder: httptest.NewRecorder()}, &pendingPOST{}
	check(t, s.beginPOST(post))
	s.setReading(post, http.NewResponseController(res))
	check(t, w.frame(ws.OpText, []byte("5")))
	s.awaitState(t, func() bool { return s.socket() != nil })
	(&bodyReader{s: s.Session, post: post, began: time.Now(), rc: http.NewResponseController(res)}).extend()
	if res.read.After(time.Unix(1, 0)) {
		t.Errorf("the rest of the body has until %v", res.read)
	}
}
