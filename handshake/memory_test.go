package handshake

import (
	"crypto/elliptic"
	"testing"
	"time"
)

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

// The issuer is away when the configuration is read again.
func TestAKeySetThatWasReadServesOverAReload(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	for name, c := range map[string]struct {
		change func(cfg *JWTConfig)
		want   Code
	}{
		"as before":                   {func(*JWTConfig) {}, ""},
		"other times":                 {func(cfg *JWTConfig) { cfg.JWKSRefresh = time.Second }, ""},
		"older than it may be now":    {func(cfg *JWTConfig) { cfg.JWKSMaxStale = time.Second }, CodeUnavailable},
		"of another address":          {func(cfg *JWTConfig) { cfg.JWKSURL += "/other" }, CodeUnavailable},
		"read with another algorithm": {func(cfg *JWTConfig) { cfg.Algorithm = "ES256" }, CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			p, moment := newIDP(t, jwks(jwk(t, key, "k", "", ""))), noon
			cfg := GateConfig{JWT: JWTConfig{JWKSURL: p.URL}, Deps: Deps{Clock: func() time.Time { return moment }}}
			next := cfg
			c.change(&next.JWT)
			old, now := replaced(t, cfg, next)
			t.Cleanup(old.Close)
			t.Cleanup(now.Close)
			token := auth(sign(t, "ES256", key, good(), "kid", "k"))
			_, err := old.Check(t.Context(), token)
			wantCode(t, err, "")
			p.serve(nil)
			moment = moment.Add(2 * time.Second)
			now.ReadKeySets(t.Context())
			_, err = now.Check(t.Context(), token)
			wantCode(t, err, c.want)
		})
	}
}

func TestAReloadReadsKeySetsAgain(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	p := newIDP(t, jwks(jwk(t, key, "k", "", "")))
	cfg := GateConfig{JWT: JWTConfig{JWKSURL: p.URL}, Deps: Deps{Clock: atNoon}}
	old, now := replaced(t, cfg, cfg)
	t.Cleanup(old.Close)
	t.Cleanup(now.Close)
	token := auth(sign(t, "ES256", key, good(), "kid", "k"))
	_, err := old.Check(t.Context(), token)
	wantCode(t, err, "")
	p.serve(jwks(jwk(t, ecKey(t, elliptic.P256()), "k", "", "")))
	now.ReadKeySets(t.Context())
	_, err = now.Check(t.Context(), token)
	wantCode(t, err, CodeTokenInvalid)
}

func TestWrongPasswordsCountOverAReload(t *testing.T) {
	moment := noon
	cfg := GateConfig{
		Auth:  AuthConfig{Methods: []string{MethodBasic}},
		Basic: BasicConfig{Users: []BasicUser{{Name: "bob", Hash: argon2Of("swordfish")}}, Throttle: ThrottleConfig{Free: -1, Base: 20 * time.Second}},
		Deps:  Deps{Clock: func() time.Time { return moment }},
	}
	next := cfg
	next.Basic.Throttle.Base = time.Second
	old, now := replaced(t, cfg, next)
	check := func(g *Gate, password string, want Code, wait time.Duration) {
		t.Helper()
		_, err := g.Check(t.Context(), basic("bob", password))
		wantCode(t, err, want)
		if want != "" && refusalOf(t, err).RetryAfter != wait {
			t.Errorf("wait %s, want %s", refusalOf(t, err).RetryAfter, wait)
		}
	}
	check(old, "guess", CodeUnauthenticated, 20*time.Second)
	check(now, "swordfish", CodeRateLimited, 20*time.Second)
	moment = moment.Add(20 * time.Second)
	check(now, "guess", CodeUnauthenticated, 2*time.Second) // the second failure, by the limits of now
	moment = moment.Add(2 * time.Second)
	check(old, "guess", CodeUnauthenticated, 30*time.Second) // a request that is late
	moment = moment.Add(30 * time.Second)
	check(now, "guess", CodeUnauthenticated, 8*time.Second)
	moment = moment.Add(8 * time.Second)
	check(now, "swordfish", "", 0)
}
