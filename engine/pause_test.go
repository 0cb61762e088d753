package engine

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/budget"
)

// pauseAfterEach pauses the session at each message.
func pauseAfterEach(s *side) { s.hook = func(s *side, _ message) { s.Pause() } }

func TestAPausedSessionHandsUpOneMessagePerResume(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) {
				r := newRig(t, cfg, onOpen(pauseAfterEach))
				c := r.dial(t, transport)
				s := r.opened.next(t)
				sent := goes(func() error { return c.send("0", "1", "2", "3", "4") })
				for n := range 5 {
					if m := s.got.next(t); m.data != number(n) {
						t.Fatalf("got %q", m)
					}
					if k := s.got.length(); k > 0 {
						t.Fatalf("%d more while paused", k)
					}
					s.Resume()
				}
				check(t, await(t, sent))
			})
		}
	})
}

func TestThousandsOfMessagesPassThroughPauses(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) {
				r := newRig(t, cfg, onOpen(func(s *side) {
					s.hook = func(s *side, m message) {
						if len(m.data) > 0 && m.data[len(m.data)-1] == '7' {
							s.Pause()
							go s.Resume()
						}
					}
				}))
				c := r.dial(t, transport)
				sent := goes(func() error { return sendNumbers(c) })
				r.opened.next(t).expectNumbers(t)
				check(t, await(t, sent))
			})
		}
	})
}

func TestAPausedPOSTIsAnsweredOnlyAfterwards(t *testing.T) {
	r := newRig(t, Config{}, onOpen(pauseAfterEach))
	c := r.dialPolling(t)
	s := r.opened.next(t)
	sent := goes(func() error { return c.send("1", "2") })
	s.got.next(t)
	s.awaitState(t, func() bool { return s.longPollLocked().resumed != nil })
	if len(sent) > 0 {
		t.Error("answered while paused")
	}
	s.Resume()
	s.got.next(t)
	check(t, await(t, sent))
}

func TestAConnectionPausedFromTheStartIsNotRead(t *testing.T) {
	const large = 16 // messages, of 512 KiB
	everyPath := func(t *testing.T, cfg Config, options ...rigOption) {
		r := newRig(t, cfg, append(options, onOpen(func(s *side) { s.Pause() }))...)
		w := r.dialWS(t, "")
		s := r.opened.next(t)
		w.expectOpen(t)
		full := clientFrame(ws.OpBinary, make([]byte, 512<<10))
		stuck := goes(func() error {
			for range large {
				if err := w.Write(full); err != nil {
					return err
				}
			}
			return nil
		})
		s.Send(NewFrame([]byte("x"), nil))
		must[packet](t)(w.next())
		if n := s.got.length(); n > 0 {
			t.Errorf("%d messages while paused", n)
		}
		s.in.Lock()
		kept := s.socket().reader.Pending()
		s.in.Unlock()
		if kept > 2*readBytes {
			t.Errorf("%d bytes kept while paused", kept)
		}
		s.Resume()
		for range large {
			s.got.next(t)
		}
		check(t, await(t, stuck))
	}
	onPaths(t, Config{}, func(t *testing.T, cfg Config) { everyPath(t, cfg) })
	t.Run("TLS", func(t *testing.T) {
		onPaths(t, Config{}, func(t *testing.T, cfg Config) { everyPath(t, cfg, overTLS) })
	})
}

func TestAPauseThatLastsTooLongEndsTheSession(t *testing.T) {
	everywhere(t, Config{Limits: Limits{PauseTimeout: 20 * time.Millisecond}}, func(t *testing.T, c client, s *side) {
		s.Pause()
		s.end(t, ReasonOverload)
		if p, polls := c.(pollClient); polls {
			p.expectGone(t)
			return
		}
		expectEnd(t, c, CodeTryAgainLater, string(ReasonOverload))
	})
}

func TestAPausedClientThatIsCutEndsItsSession(t *testing.T) {
	onPaths(t, Config{Limits: Limits{PauseTimeout: time.Second}}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		w := r.dial(t, "websocket").(wsClient)
		s := r.opened.next(t)
		s.Pause()
		check(t, w.Conn.(*net.TCPConn).SetLinger(0)) // by a reset, which is seen without reading
		_ = w.Conn.Close()
		s.end(t, ReasonTransportClose, ReasonOverload)
	})
}

// beating is a polling session on a server whose wheel a test turns, inside a
// synctest bubble.
func beating(cfg Config) (*Session, *side) {
	cfg = cfg.withDefaults()
	srv := &Server{cfg: cfg, began: time.Now(), sessions: map[string]*Session{}, emptied: make(chan struct{}), incoming: budget.New(budget.Limits{}), long: newLongQueue()}
	srv.live.Store(cfg.live())
	srv.wheel = newWheel(cfg.tick(), srv.now)
	go srv.wheel.run()
	s := &Session{srv: srv, id: "x", peer: &Peer{}}
	s.link = &longPoll{s: s}
	h := &side{Session: s, got: newQueue[message](), closed: make(chan Close, 2)}
	s.handler = h
	srv.remember(s)
	s.startBeat()
	return s, h
}

func (s *Session) heard(kind byte) {
	s.in.Lock()
	defer s.in.Unlock()
	_ = s.receive(kind, nil)
}

func (s *Session) pings() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.out.take(1<<20, &s.srv.budget) {
		if f == pingFrame {
			n++
		}
	}
	return n
}

// pass lets a little more time than d go by, because the wheel rounds up.
func pass(d time.Duration) {
	time.Sleep(d + time.Second)
	synctest.Wait()
}

func inBubble(t *testing.T, test func(t *testing.T, s *Session, h *side)) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{})
		defer windUp(s.srv)
		test(t, s, h)
	})
}

func TestThePingComesOneIntervalAfterThePong(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Session, h *side) {
		for range 3 {
			pass(defaults.PingInterval - 2*time.Second)
			if n := s.pings(); n != 0 {
				t.Fatalf("%d pings too early", n)
			}
			pass(2 * time.Second)
			if n := s.pings(); n != 1 {
				t.Fatalf("%d pings", n)
			}
			pass(10 * time.Second)
			s.heard(typePong)
		}
		if len(h.closed) > 0 {
			t.Error("closed")
		}
	})
}

func TestAShortIntervalIsKeptWithALongTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := beating(Config{Limits: Limits{PingInterval: 5 * time.Second, PingTimeout: 20 * time.Second}})
		defer windUp(s.srv)
		for range 3 {
			pass(5 * time.Second)
			if n := s.pings(); n != 1 {
				t.Fatalf("%d pings", n)
			}
			s.heard(typePong)
		}
	})
}

func TestAPingThatIsNotAnsweredEndsTheSession(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Session, h *side) {
		pass(defaults.PingInterval)
		pass(defaults.PingTimeout)
		h.end(t, ReasonPingTimeout)
		pass(defaults.CloseTimeout)
		if s.current() != stateClosed || len(s.srv.sessions) != 0 || s.slot.linked {
			t.Error("not gone")
		}
	})
}

func TestOtherPacketsExtendTheWaitForAPongOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Session, h *side) {
		pass(defaults.PingInterval)
		for range 2 {
			pass(defaults.PingTimeout - 5*time.Second)
			if len(h.closed) > 0 {
				t.Fatal("closed too early")
			}
			s.heard(typeMessage)
		}
		pass(5 * time.Second)
		h.end(t, ReasonPingTimeout)
	})
}

// A PONG that cannot be read is not waited for.
func TestAPauseStopsTheWaitForAPong(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Session, h *side) {
		pass(10 * time.Second)
		for range 3 { // never longer than the limit at a time
			s.Pause()
			for range 5 {
				pass(10 * time.Second)
				s.pings() // the client has got the PING, and cannot answer
			}
			s.Resume()
		}
		if len(h.closed) > 0 {
			t.Fatal("closed in a pause")
		}
		pass(defaults.PingTimeout - 5*time.Second)
		if len(h.closed) > 0 {
			t.Fatal("closed too early")
		}
		pass(5 * time.Second)
		h.end(t, ReasonPingTimeout)
	})
}

// A client ends a connection on which no PING came for PingInterval and
// PingTimeout together (engine.io-client, socket.ts), whatever the server does with what
// it sends.
func TestAPauseKeepsTheClient(t *testing.T) {
	for name, c := range map[string]struct {
		at, length time.Duration // of the pause
		late       bool          // the PONGs from before the pause are on their way when it begins
	}{
		"over the moment of the PING": {at: 24 * time.Second, length: 2 * time.Second},
		"with a PONG unread":          {at: 27 * time.Second, length: 30 * time.Second, late: true},
		"nearly as long as it may be": {at: 10 * time.Second, length: 59 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Session, h *side) {
				time.Sleep(70 * time.Millisecond) // not on a tick of the wheel
				s.startBeat()
				var unread bool
				began, last := time.Now(), time.Now()
				for now := time.Duration(0); now < 3*time.Minute; now = time.Since(began) {
					time.Sleep(100 * time.Millisecond)
					paused := now >= c.at && now < c.at+c.length
					s.setPaused(paused)
					if unread && !paused && now >= c.at {
						s.heard(typePong)
						unread = false
					}
					switch {
					case s.pings() == 0:
					case paused || c.late && now < c.at:
						last, unread = time.Now(), true
					default:
						last = time.Now()
						s.heard(typePong)
					}
					if gap := time.Since(last); gap > defaults.PingInterval+defaults.PingTimeout || len(h.closed) > 0 {
						t.Fatalf("after %v: no PING for %v, %d closed", now, gap, len(h.closed))
					}
				}
			})
		})
	}
}

func TestAPauseEndsAtItsLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Session, h *side) {
		s.Pause()
		pass(defaults.PauseTimeout - 2*time.Second)
		if len(h.closed) > 0 {
			t.Fatal("closed too early")
		}
		pass(2 * time.Second)
		h.end(t, ReasonOverload)
	})
}

// A session that is on the wheel for another reason keeps its limit.
func TestAStallDoesNotMoveTheLimitOfAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{Limits: Limits{PauseTimeout: 2 * time.Second}})
		defer windUp(s.srv)
		s.Pause()
		check(t, s.Send(NewFrame([]byte("x"), nil))) // nobody polls
		pass(2 * time.Second)
		if len(h.closed) == 0 {
			t.Error("not closed at the limit")
		}
		pass(30 * time.Second)
		h.end(t, ReasonOverload)
	})
}

// A drain may find a session that is being admitted.
func TestADrainBeforeTheFirstBeatKeepsItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{})
		defer windUp(s.srv)
		s.shutdown()
		s.startBeat()
		pass(defaults.CloseTimeout)
		h.end(t, ReasonShutdown)
		if s.current() != stateClosed {
			t.Errorf("still closing; the wheel looks in %v", time.Duration(s.slot.due-s.srv.now()))
		}
	})
}
