package handshake

import "testing"

// replaced makes two gates of one memory, as a reload does.
func replaced(t *testing.T, cfg, next GateConfig) (old, now *Gate) {
	t.Helper()
	cfg.Deps.Memory = NewMemory(cfg.Deps.Clock)
	next.Deps = cfg.Deps
	return newGate(t, cfg), newGate(t, next)
}

func TestATicketStaysTheSessionsOverAReload(t *testing.T) {
	cfg := GateConfig{JWT: JWTConfig{HMACSecret: secret}}
	cfg.Deps = Deps{Clock: atNoon, Tickets: NewMemoryTickets(10, atNoon)}
	old, now := replaced(t, cfg, cfg)
	ticket := mint(t, old, signIn(t, old), TicketBinding{})
	check := func(g *Gate, session string, want Code) {
		t.Helper()
		_, err := g.Check(t.Context(), withTicket(ticket, session, "/"))
		wantCode(t, err, want)
	}
	check(old, "one", "")
	check(now, "one", "")
	check(now, "two", CodeTicketInvalid)
	now.SessionClosed("one")
	check(old, "one", CodeTicketInvalid)
}

func TestALowerLimitOfRememberedSessionsForgetsNone(t *testing.T) {
	cfg := GateConfig{JWT: JWTConfig{HMACSecret: secret}}
	cfg.Deps = Deps{Clock: atNoon, Tickets: NewMemoryTickets(10, atNoon)}
	next := cfg
	next.Tickets.MaxRemembered = 1
	old, now := replaced(t, cfg, next)
	tickets := map[string]string{}
	redeem := func(g *Gate, session string, want Code) {
		t.Helper()
		_, err := g.Check(t.Context(), withTicket(tickets[session], session, "/"))
		wantCode(t, err, want)
	}
	for _, session := range []string{"one", "two", "three"} {
		tickets[session] = mint(t, old, signIn(t, old), TicketBinding{})
	}
	redeem(old, "one", "")
	redeem(old, "two", "")
	redeem(now, "three", "") // is let in, and not remembered
	redeem(now, "three", CodeTicketInvalid)
	redeem(now, "one", "")
	redeem(now, "two", "")
}
