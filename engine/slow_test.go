package engine

import (
	"strings"
	"testing"
	"time"
)

func TestASlowConsumerIsCutWhileOthersAreServed(t *testing.T) {
	onPaths(t, Config{Limits: Limits{OutboxBytes: 1 << 20, CloseTimeout: 50 * time.Millisecond}}, func(t *testing.T, cfg Config) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) { cutSlow(t, newRig(t, cfg), transport) })
		}
		t.Run("TLS", func(t *testing.T) { cutSlow(t, newRig(t, cfg, overTLS), "websocket") })
	})
}

func cutSlow(t *testing.T, r *rig, transport string) {
	slow, quick := r.dial(t, transport), r.dial(t, "websocket")
	slowSide, quickSide := r.opened.next(t), r.opened.next(t)
	f := NewFrame([]byte(strings.Repeat("x", 64<<10)), nil)
	for n := 0; slowSide.Send(f) == nil; n++ {
		if n > 10_000 {
			t.Fatal("never cut")
		}
		check(t, quickSide.Send(f))
		must[packet](t)(quick.next())
	}
	slowSide.end(t, ReasonSlow)
	if slowSide.SendVolatile(f) {
		t.Error("took a volatile frame after the end")
	}
	slowSide.awaitState(t, func() bool { return slowSide.current() == stateClosed && slowSide.out.bytes == 0 })
	check(t, quickSide.Send(NewFrame([]byte("still here"), nil)))
	for p := must[packet](t)(quick.next()); p.data != "still here"; {
		p = must[packet](t)(quick.next())
	}
	_ = slow
}

func TestTheOutboxLimitCountsSmallFramesToo(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{OutboxBytes: 100 * frameOverhead}})
	r.dialPolling(t)
	s := r.opened.next(t)
	f := NewFrame(nil, nil)
	n := 0
	for ; s.Send(f) == nil; n++ {
	}
	if n != 100 {
		t.Errorf("%d frames taken", n)
	}
	s.end(t, ReasonSlow)
}

func TestVolatileFramesAreDroppedWhenTheClientIsBehind(t *testing.T) {
	everyWS(t, func(t *testing.T, w wsClient, s *side) {
		if !s.SendVolatile(NewFrame([]byte("a"), nil)) {
			t.Error("dropped for a client that is not behind")
		}
		if p := must[packet](t)(w.next()); p.data != "a" {
			t.Errorf("got %q", p)
		}
		s.fill(t)
		more := NewFrame(make([]byte, 1<<20), nil) // the kernel may yet take a part
		check(t, s.Send(more))
		check(t, s.Send(more))
		if s.SendVolatile(NewFrame([]byte("b"), nil)) {
			t.Error("taken for a client that is behind")
		}
		check(t, s.Send(NewFrame([]byte("c"), nil)))
		for p := must[packet](t)(w.next()); p.data != "c"; p = must[packet](t)(w.next()) {
			if p.data == "b" {
				t.Fatal("the dropped frame came")
			}
		}
	})
	t.Run("polling", func(t *testing.T) {
		r := newRig(t, Config{})
		r.dialPolling(t)
		s := r.opened.next(t)
		n := 0
		for f := NewFrame(make([]byte, 1000), nil); s.SendVolatile(f); n++ {
		}
		if n < 1 || n > 5 {
			t.Errorf("%d volatile frames wait for a GET", n)
		}
	})
}

func TestASlowReaderGetsEverythingInOrder(t *testing.T) {
	everyWS(t, func(t *testing.T, w wsClient, s *side) {
		const many = 1200
		text := strings.Repeat("x", 10_000)
		sent := goes(func() error {
			for n := range many {
				if err := s.Send(NewFrame([]byte(number(n)+text), nil)); err != nil {
					return err
				}
			}
			return nil
		})
		check(t, await(t, sent)) // the client reads only now
		for n := range many {
			if p := must[packet](t)(w.next()); p.data != number(n)+text {
				t.Fatalf("got %q instead of %d", p, n)
			}
		}
	})
}
