package engine

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAClientThatTakesNothingForTooLongIsCut(t *testing.T) {
	onPaths(t, Config{Limits: Limits{OutboxAge: 100 * time.Millisecond, CloseTimeout: 50 * time.Millisecond}}, func(t *testing.T, cfg Config) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) { cutOld(t, newRig(t, cfg), transport) })
		}
		t.Run("TLS", func(t *testing.T) { cutOld(t, newRig(t, cfg, overTLS), "websocket") })
	})
}

func cutOld(t *testing.T, r *rig, transport string) {
	slow, quick := r.dial(t, transport), r.dial(t, "websocket")
	slowSide, quickSide := r.opened.next(t), r.opened.next(t)
	for range 56 { // more than the kernel holds for a client
		if slowSide.Send(NewFrame(make([]byte, 256<<10), nil)) != nil {
			break // cut already
		}
	}
	if c := slowSide.end(t, ReasonSlow); !errors.Is(c.Err, errOutboxAge) {
		t.Errorf("cut because of %v", c.Err)
	}
	if cuts := r.srv.Stats().Cuts; cuts != (Cuts{Age: 1}) {
		t.Errorf("counted as %+v", cuts)
	}
	check(t, quickSide.Send(NewFrame([]byte("still here"), nil)))
	if p := must[packet](t)(quick.next()); p.data != "still here" {
		t.Errorf("got %q", p)
	}
	r.expectNothingHeld(t, slowSide)
	_ = slow
}

// expectNothingHeld waits until the last session that was cut is gone and checks
// that nothing counts any more.
func (r *rig) expectNothingHeld(t *testing.T, cut *side) {
	t.Helper()
	cut.awaitState(t, func() bool {
		return cut.current() == stateClosed && cut.sending == nil && r.srv.budget.held.Load() == 0
	})
}

func TestAPollThatIsNotReadIsCut(t *testing.T) {
	const responses = 24
	r := newRig(t, Config{Limits: Limits{OutboxAge: 100 * time.Millisecond, OutboxBytes: responses << 20}})
	p := r.dialPolling(t)
	s := r.opened.next(t)
	for range responses {
		if s.Send(NewFrame(make([]byte, 900_000), nil)) != nil {
			break // cut already
		}
	}
	conn := must[net.Conn](t)(net.Dial("tcp", r.web.Listener.Addr().String()))
	defer conn.Close()
	for range responses { // one response after the other, of which none is read
		_, err := conn.Write([]byte("GET " + strings.TrimPrefix(p.URL(), r.web.URL) + " HTTP/1.1\r\nHost: x\r\n\r\n"))
		check(t, err)
	}
	if c := s.end(t, ReasonSlow); !errors.Is(c.Err, errOutboxAge) {
		t.Errorf("cut because of %v", c.Err)
	}
	s.Session.destroy()
	r.expectNothingHeld(t, s)
}

func TestOneResponseIsWrittenAtATime(t *testing.T) {
	r := newRig(t, Config{})
	r.dialPolling(t)
	s := r.opened.next(t)
	g, next := &pendingGET{batch: make(chan []*Frame, 1)}, &pendingGET{batch: make(chan []*Frame, 1)}
	check(t, s.beginGET(g))
	check(t, s.Send(NewFrame([]byte("a"), nil)))
	batch := await(t, g.batch)
	check(t, s.Send(NewFrame([]byte("b"), nil)))
	check(t, s.beginGET(next))
	if len(next.batch) > 0 {
		t.Error("answered while the response before is written")
	}
	s.afterGET(g, batch, nil)
	batch = await(t, next.batch)
	if string(batch[0].text) != "b" {
		t.Errorf("got %q", batch[0].text)
	}
	s.afterGET(next, batch, nil)
	if n := r.srv.Stats().OutboxBytes; n != 0 {
		t.Errorf("%d bytes count", n)
	}
}

// thin is a stream that takes little at a time, or nothing.
type thin struct {
	countingStream
	room  int
	queue int
}

func (s *thin) tryWrite(b []byte) (int, error) {
	n := min(len(b), s.room)
	s.room -= n
	return n, nil
}
func (s *thin) queued() int { return s.queue }

// onThinLine has a session with a WebSocket whose stream the test controls, in a
// synctest bubble.
func onThinLine(t *testing.T, test func(t *testing.T, line *thin, s *Session, h *side)) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{Limits: Limits{PingInterval: time.Hour}})
		defer windUp(s.srv)
		s.flusher = newFlusher(nil)
		done := make(chan struct{})
		go func() { s.flusher.run(); close(done) }()
		defer func() { close(s.flusher.stop); <-done }()
		line := &thin{queue: -1}
		s.link = &websocket{s: s, stream: line}
		test(t, line, s, h)
	})
}

func TestAClientIsCutOnlyWhenItTakesNothing(t *testing.T) {
	onThinLine(t, func(t *testing.T, line *thin, s *Session, h *side) {
		check(t, s.Send(NewFrame(make([]byte, 1000), nil)))
		for range 10 { // a little now and then
			pass(defaults.OutboxAge - 5*time.Second)
			line.room = 10
			s.socket().writable()
		}
		if len(h.closed) > 0 {
			t.Fatal("closed although it takes something")
		}
		for range 10 { // seen by the kernel only
			pass(defaults.OutboxAge - 10*time.Second)
			s.mu.Lock()
			line.queue += 100
			s.mu.Unlock()
		}
		if len(h.closed) > 0 {
			t.Fatal("closed although the kernel gets rid of something")
		}
		pass(2 * defaults.OutboxAge)
		h.end(t, ReasonSlow)
	})
}

func TestAQuietSessionHasNoAge(t *testing.T) {
	onThinLine(t, func(t *testing.T, line *thin, s *Session, h *side) {
		check(t, s.Send(NewFrame(make([]byte, 1000), nil)))
		synctest.Wait()
		line.room = 1 << 20
		s.socket().writable()
		pass(3 * defaults.OutboxAge)
		check(t, s.Send(NewFrame(make([]byte, 1000), nil)))
		pass(3 * defaults.OutboxAge)
		if len(h.closed) > 0 {
			t.Error("closed")
		}
		if s.stall != (stall{}) {
			t.Errorf("left: %+v", s.stall)
		}
	})
}

func TestAPollThatDoesNotComeBackIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, h := beating(Config{Limits: Limits{PingInterval: time.Hour}})
		defer windUp(s.srv)
		check(t, s.Send(NewFrame([]byte("x"), nil)))
		pass(defaults.OutboxAge - 2*time.Second)
		if len(h.closed) > 0 {
			t.Fatal("too early")
		}
		pass(defaults.OutboxAge/4 + 2*time.Second)
		h.end(t, ReasonSlow)
	})
}
