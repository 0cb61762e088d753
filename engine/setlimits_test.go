package engine

import (
	"strings"
	"testing"
	"time"

	"gatehouse/internal/budget"
)

// bare is a server with the defaults that has not started.
func bare() *Server {
	srv := &Server{cfg: Config{}.withDefaults()}
	srv.live.Store(srv.cfg.live())
	return srv
}

func setLimits(t *testing.T, srv *Server, cfg Config) {
	t.Helper()
	use, err := srv.PrepareLimits(cfg)
	check(t, err)
	use()
}

func TestLimitsChangeWhileTheServerRuns(t *testing.T) {
	cfg := Config{Limits: Limits{MaxPayload: 1000, OutboxBytes: 1000}}
	for _, transport := range []string{"polling", "websocket", "upgrade"} {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t, cfg)
			r.dial(t, transport)
			old := r.opened.next(t)
			raised := cfg
			raised.MaxPayload, raised.OutboxBytes, raised.IncomingTotal = 2000, 3000, 64<<20
			setLimits(t, r.srv, raised)
			after := r.dial(t, transport)
			s := r.opened.next(t)
			s.Admit("", "ann")
			check(t, after.send(strings.Repeat("x", 1900)))
			s.got.next(t)
			check(t, s.Send(NewFrame([]byte(strings.Repeat("y", 2500)), nil)))
			if p, err := after.next(); err != nil || len(p.data) != 2500 {
				t.Errorf("a raised send queue: %d bytes, %v", len(p.data), err)
			}
			if got := old.maxMessage.Load(); got != 1000 {
				t.Errorf("who was there may send %d bytes", got)
			}
			setLimits(t, r.srv, cfg)
			if err := s.Send(NewFrame([]byte(strings.Repeat("y", 2500)), nil)); err == nil {
				t.Error("a lowered send queue takes as much as before")
			}
		})
	}
}

func working(perSecond int) *Early {
	return &Early{AddressLimits: AddressLimits{WorkPerAddress: perSecond}}
}

func TestAChangeOfLimitsIsWholeOrNone(t *testing.T) {
	r := newRig(t, Config{Early: working(20)})
	for name, change := range map[string]func(*Config){
		"out of range":   func(c *Config) { c.OutboxAge = -1 },
		"the heartbeat":  func(c *Config) { c.PingInterval = time.Minute },
		"without a rate": func(c *Config) { c.Early = nil },
	} {
		cfg := Config{Early: working(30), Limits: Limits{CloseTimeout: time.Hour}}
		change(&cfg)
		if _, err := r.srv.PrepareLimits(cfg); err == nil || r.srv.limits().CloseTimeout == time.Hour {
			t.Errorf("%s: %v, and the limits are %+v", name, err, r.srv.limits())
		}
	}
	cfg := Config{Early: working(1), Limits: Limits{OutboxTotal: 1 << 20}}
	setLimits(t, r.srv, cfg)
	owner := budget.Owner(2)
	r.srv.earlyWork.TakeN(owner, 1000) // more than the whole burst at once, to be earned afterwards
	if wait := r.srv.earlyWork.TakeN(owner, 1); wait < 500*time.Second {
		t.Errorf("at one a second: %v", wait)
	}
	if got := r.srv.budget.limit.Load(); got != 1<<20 {
		t.Errorf("the budget of send queues: %d", got)
	}
}
