package engine

import (
	"strings"
	"testing"
	"time"
)

// held is how much counts in the budget now.
func (r *rig) held() int64 { return r.srv.Stats().OutboxBytes }

func TestASharedFrameCountsOnce(t *testing.T) {
	r := newRig(t, Config{})
	f := NewFrame(make([]byte, 100_000), [][]byte{make([]byte, 50_000)})
	var sides []*side
	for range 10 {
		r.dialPolling(t)
		s := r.opened.next(t)
		check(t, s.Send(f))
		sides = append(sides, s)
	}
	// It counts once itself, and once as a payload with base64.
	if n := r.held(); n < 300_000 || n > 340_000 {
		t.Errorf("%d bytes count", n)
	}
	for _, s := range sides {
		s.Session.Close(CodeNormal, "bye")
		s.destroy()
	}
	if n := r.held(); n != 0 {
		t.Errorf("%d bytes count in the end", n)
	}
}

func TestTheListsCountForEachClient(t *testing.T) {
	r := newRig(t, Config{})
	r.dialPolling(t)
	s := r.opened.next(t)
	f := NewFrame(nil, nil)
	for range 10_000 {
		check(t, s.Send(f))
	}
	if n := r.held(); n < 80_000 || n > 120_000 {
		t.Errorf("%d bytes count", n)
	}
	s.Session.Close(CodeNormal, "bye")
	s.destroy()
	if n := r.held(); n != 0 {
		t.Errorf("%d bytes count in the end", n)
	}
}

func TestNothingCountsThatWasTaken(t *testing.T) {
	everywhere(t, Config{}, func(t *testing.T, c client, s *side) {
		sent := goes(s.sendNumbers)
		check(t, readNumbers(c, 0))
		check(t, await(t, sent))
		s.awaitState(t, func() bool { return s.sending == nil && s.srv.budget.held.Load() == 0 })
	})
}

// Over the budget the largest backlogs go first, and the others stay.
func TestTheLargestBacklogIsCutFirst(t *testing.T) {
	const total = 8 << 20
	cfg := Config{Limits: Limits{OutboxTotal: total, CloseTimeout: 50 * time.Millisecond}}
	onPaths(t, cfg, func(t *testing.T, cfg Config) {
		for _, transport := range transports {
			t.Run(transport, func(t *testing.T) {
				r := newRig(t, cfg)
				var sides []*side
				for range 3 {
					r.dial(t, transport)
					s := r.opened.next(t)
					if transport != "polling" {
						s.block(t)
					}
					sides = append(sides, s)
				}
				frame := func(kb int) *Frame { return NewFrame(make([]byte, kb<<10), nil) }
				check(t, sides[0].Send(frame(500)))
				check(t, sides[1].Send(frame(2500)))
				check(t, sides[2].Send(frame(250)))
				_ = sides[2].Send(frame(450)) // 3.7 MB, which are 7.4 with their wire form
				sides[1].end(t, ReasonSlow)
				r.expectHeld(t, sides[1], total/8*7)
				for _, s := range []*side{sides[0], sides[2]} {
					if len(s.closed) > 0 {
						t.Error("cut with a smaller backlog")
					}
				}
				if cuts := r.srv.Stats().Cuts; cuts != (Cuts{Total: 1}) {
					t.Errorf("counted as %+v", cuts)
				}
			})
		}
	})
}

// block makes the session think that its WebSocket, which may not be there yet, is full.
func (h *side) block(t *testing.T) {
	t.Helper()
	h.awaitState(t, func() bool { return h.socket() != nil })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.socket().blocked = true
}

func (r *rig) expectHeld(t *testing.T, s *side, most int64) {
	t.Helper()
	s.awaitState(t, func() bool { return r.srv.budget.held.Load() <= most })
}

// At the limit, a session that is behind is sent no more, however slow the reaper is.
func TestTheBudgetIsNotExceeded(t *testing.T) {
	const total = 1 << 20
	r := newRig(t, Config{Limits: Limits{OutboxTotal: total}})
	var behind []*side
	for range 4 {
		r.dialPolling(t)
		behind = append(behind, r.opened.next(t))
	}
	quick := r.dial(t, "websocket")
	quickSide := r.opened.next(t)
	f := func() *Frame { return NewFrame([]byte(strings.Repeat("x", 10_000)), nil) }
	r.srv.mu.Lock() // holds up the reaper
	defer r.srv.mu.Unlock()
	for n := range 400 {
		_ = behind[n%4].Send(f())
		if held := r.held(); held > total {
			t.Fatalf("%d bytes", held)
		}
		// A small frame: the flusher may still hold one that the client has, and two large frames would
		// count.
		check(t, quickSide.Send(NewFrame([]byte("x"), nil)))
		must[packet](t)(quick.next())
	}
	if cuts := r.srv.Stats().Cuts; cuts.Total == 0 || cuts.Full+cuts.Age > 0 {
		t.Errorf("counted as %+v", cuts)
	}
}

func TestAVolatileFrameIsDroppedWhenTheBudgetIsSpent(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{OutboxTotal: 1000}})
	r.dialPolling(t)
	s := r.opened.next(t)
	r.srv.budget.add(1001)
	if s.SendVolatile(NewFrame([]byte("x"), nil)) {
		t.Error("taken")
	}
	if len(s.closed) > 0 {
		t.Error("cut for a volatile frame")
	}
	r.srv.budget.add(-1001)
}

// A user who has opened many sessions is cut before one with a single larger backlog.
func TestTheUserForWhomMostWaitsIsCutFirst(t *testing.T) {
	r := newRig(t, Config{Limits: Limits{OutboxTotal: 4 << 20, CloseTimeout: 50 * time.Millisecond}})
	open := func(subject string) *side {
		r.dialPolling(t)
		s := r.opened.next(t)
		s.Admit("", subject)
		return s
	}
	honest := open("ann")
	check(t, honest.Send(NewFrame(make([]byte, 400<<10), nil)))
	var many []*side
	for range 30 {
		s := open("eve")
		many = append(many, s)
		_ = s.Send(NewFrame(make([]byte, 50<<10), nil))
	}
	many[0].end(t, ReasonSlow)
	if len(honest.closed) > 0 {
		t.Error("the honest one was cut")
	}
}
