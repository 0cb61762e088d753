package engine

import (
	"errors"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// expectEnd expects the server's good-bye: a close frame, or the packet "1".
func expectEnd(t *testing.T, c client, code int, reason string) {
	t.Helper()
	p := must[packet](t)(c.next())
	want := packet{kind: kindEnd, code: code, data: reason}
	if _, polls := c.(pollClient); polls {
		want = packet{kind: typeClose}
	}
	if p != want {
		t.Errorf("got %q, want %q", p, want)
	}
}

// expectCut reads the end of a session that was cut while no poll was pending: a
// polling client learns from its next poll that there is no such session.
func expectCut(t *testing.T, c client, code int, reason string) {
	t.Helper()
	p, polls := c.(pollClient)
	if !polls {
		expectEnd(t, c, code, reason)
		return
	}
	if status, body, err := p.get(); err != nil || status != http.StatusBadRequest {
		t.Errorf("the next poll is answered %d %s %v", status, body, err)
	}
}

func TestCloseDeliversWhatWasSentBefore(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		check(t, s.sendNumbers())
		s.Session.Close(4000, "enough")
		if err := s.Send(NewFrame(nil, nil)); !errors.Is(err, ErrClosed) {
			t.Errorf("Send after Close: %v", err)
		}
		if s.SendVolatile(NewFrame(nil, nil)) {
			t.Error("SendVolatile after Close")
		}
		check(t, readNumbers(c, 0))
		expectEnd(t, c, 4000, "enough")
		s.end(t, ReasonForcedClose)
	})
}

func TestTheClientClosesAndTheOwnerIsToldOnce(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		check(t, c.send("last words"))
		check(t, c.leave())
		s.end(t, ReasonTransportClose)
		if m := s.got.next(t); m.data != "last words" {
			t.Errorf("got %q", m)
		}
		if _, polling := c.(pollClient); !polling { // a polling client has said good-bye and sends no further poll
			expectEnd(t, c, 1000, string(ReasonTransportClose))
		}
		s.awaitState(t, func() bool { return s.current() == stateClosed })
		s.Session.Close(CodeNormal, "too late")
		if len(s.closed) > 0 {
			t.Error("told twice")
		}
	})
}

func TestAConnectionThatBreaksEndsItsSession(t *testing.T) {
	for name, hurt := range map[string]func(wsClient) error{
		"cut": func(w wsClient) error { return w.Conn.Close() },
		"half closed": func(w wsClient) error {
			if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
				return c.CloseWrite()
			}
			return nil
		},
		"reset": func(w wsClient) error {
			if c, ok := w.Conn.(*net.TCPConn); ok {
				check(t, c.SetLinger(0))
			}
			return w.Conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyWS(t, func(t *testing.T, w wsClient, s *side) {
				check(t, hurt(w))
				s.end(t, ReasonTransportClose)
				s.awaitState(t, func() bool { return s.current() == stateClosed })
			})
		})
	}
}

func TestAClosingSessionThatNobodyFetchesEndsByItself(t *testing.T) {
	everywhere(t, Config{Limits: Limits{CloseTimeout: 20 * time.Millisecond}}, func(t *testing.T, _ client, s *side) {
		s.Session.Close(CodeNormal, "bye")
		s.end(t, ReasonForcedClose)
		s.awaitState(t, func() bool { return s.current() == stateClosed && s.srv.session(s.id) == nil })
	})
}

func TestTheServerAnswersAClosingHandshakeOfItsOwnAtOnce(t *testing.T) {
	everyWS(t, func(t *testing.T, w wsClient, s *side) {
		s.Session.Close(CodeServiceRestart, "restart")
		expectEnd(t, w, CodeServiceRestart, "restart")
		check(t, w.send("crossing")) // on its way before the client saw the end
		check(t, w.frame(ws.OpClose, closeBody(CodeServiceRestart, "")))
		w.expectCut(t)
		s.awaitState(t, func() bool { return s.current() == stateClosed })
		if s.got.length() > 0 {
			t.Error("a message after Close")
		}
	})
}

func TestAPanickingHandlerEndsItsOwnSessionOnly(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg, onOpen(func(s *side) {
			s.hook = func(_ *side, m message) {
				if m.data == "panic" {
					panic("on purpose")
				}
			}
		}))
		for _, transport := range transports {
			good := r.dial(t, "websocket")
			goodSide := r.opened.next(t)
			bad := r.dial(t, transport)
			badSide := r.opened.next(t)
			_ = bad.send("panic")
			badSide.end(t, ReasonForcedClose)
			expectCut(t, bad, CodeInternal, "internal error")
			check(t, good.send("fine"))
			goodSide.got.next(t)
		}
	})
}

func TestAPanicAtTheOpeningEndsTheSession(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg, onOpen(func(*side) { panic("on purpose") }))
		for _, transport := range []string{"polling", "websocket"} {
			if transport == "polling" {
				p := r.newPoller(t)
				expectEnd(t, p, 0, "")
				continue
			}
			w := r.dialWS(t, "")
			if open, err := w.next(); err != nil || open.kind != typeOpen { // it went out with the 101
				t.Errorf("got %v, %v before the end", open, err)
			}
			expectEnd(t, w, CodeInternal, "internal error")
		}
	})
}

func TestServerCloseEndsSessionsInEveryState(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		var sides []*side
		open := func(transport string) client {
			c := r.dial(t, transport)
			sides = append(sides, r.opened.next(t))
			return c
		}
		last := func() *side { return sides[len(sides)-1] }

		open("polling") // between polls
		pending := open("polling").(pollClient)
		answered := goes(func() error { _, _, err := pending.get(); return err })
		last().awaitGET(t)
		posting := open("polling").(pollClient)
		body, _ := posting.slowPOST()
		defer func() { _ = body.Close() }()
		reading := last()
		reading.awaitState(t, func() bool { return reading.longPollLocked().post != nil })
		held := open("polling")
		last().Pause()
		heldBack := goes(func() error { return held.send("held back") })
		waits := last()
		waits.awaitState(t, func() bool { return waits.longPollLocked().resumed != nil })
		probed := open("polling").(pollClient)
		check(t, r.dialWS(t, probed.SID()).frame(ws.OpText, []byte("2probe")))
		open("websocket")
		open("upgrade")
		open("websocket")
		last().Pause()
		open("websocket")
		last().fill(t)
		open("websocket")
		last().Session.Close(CodeNormal, "closing")
		open("polling")
		last().Session.Close(CodeNormal, "closing")

		r.srv.Close()
		for _, s := range sides {
			s.end(t, ReasonShutdown, ReasonForcedClose)
		}
		check(t, await(t, answered))
		<-heldBack
		if n := r.srv.Sessions(); n != 0 {
			t.Errorf("%d sessions", n)
		}
		r.srv.Close() // again
		if got, _ := r.request(t, "GET", "EIO=4&transport=polling", nil); got[:3] != "503" {
			t.Errorf("a closed server answers %s", got)
		}
	})
}

// fill sends until the client's connection takes no more.
func (h *side) fill(t *testing.T) {
	t.Helper()
	f := NewFrame(make([]byte, 256<<10), nil)
	full := func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.socket().blocked }
	for deadline := time.Now().Add(patience); !full(); runtime.Gosched() {
		if h.SendVolatile(f); time.Now().After(deadline) {
			t.Fatal("never full")
		}
	}
}

func TestSessionsThatOpenAndEndWhileTheServerClosesAreAllTold(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		const clients = 40
		ready := make(chan error, clients)
		for n := range clients {
			go func() {
				var err error
				if n%2 == 0 {
					_, _, err = r.newPoller(t).get()
				} else if w, e := r.tryWS(""); e == nil {
					_, err = w.next()
					_ = w.Conn.Close()
				}
				ready <- err
			}()
		}
		<-ready
		for s, ok := r.opened.pop(); ok; s, ok = r.opened.pop() {
			go s.Session.Close(CodeNormal, "bye")
			r.opened.push(s)
			break
		}
		r.srv.Close()
		for s, ok := r.opened.pop(); ok; s, ok = r.opened.pop() {
			if len(s.closed) != 1 {
				t.Errorf("told %d times by the time of Close", len(s.closed))
			}
		}
		for range clients - 1 {
			<-ready
		}
	})
}
