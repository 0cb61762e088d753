package handshake

import (
	"crypto/elliptic"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/limit"
)

// replaced makes two gates of one memory, as a reload does.
func replaced(t *testing.T, cfg, next GateConfig) (old, now *Gate) {
	t.Helper()
	cfg.Deps.Memory = NewMemory(cfg.Deps.Clock)
	next.Deps = cfg.Deps
	old, now = newGate(t, cfg), newGate(t, next)
	old.Rule()
	now.Rule()
	return old, now
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
	old.Rule() // the next one is made, and not yet taken into use
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
	now.Rule()
	check(now, "guess", CodeUnauthenticated, 2*time.Second) // the second failure, by the limits of now
	moment = moment.Add(2 * time.Second)
	check(old, "guess", CodeUnauthenticated, 4*time.Second) // over a connection from before, by the limits of now, too
	moment = moment.Add(4 * time.Second)
	check(now, "guess", CodeUnauthenticated, 8*time.Second)
	moment = moment.Add(8 * time.Second)
	check(now, "swordfish", "", 0)
}

// elsewhere are configurations that ask the server at an address.
var elsewhere = map[string]func(cfg *GateConfig, address string){
	"callback": func(cfg *GateConfig, address string) {
		cfg.Callback = CallbackConfig{URL: address, Secret: callbackSecret}
	},
	"introspection": func(cfg *GateConfig, address string) {
		cfg.Introspection = IntrospectionConfig{URL: address, ClientID: "id", ClientSecret: "secret"}
	},
}

func TestAServerThatIsAwayIsLeftAloneOverAReload(t *testing.T) {
	for name, ask := range elsewhere {
		for to, path := range map[string]string{"the same address": "", "another address": "/other"} {
			t.Run(name+" to "+to, func(t *testing.T) {
				address, asked := backend(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", "30")
					w.WriteHeader(http.StatusServiceUnavailable)
				})
				moment := noon
				cfg := GateConfig{Deps: Deps{Clock: func() time.Time { return moment }}}
				next := cfg
				ask(&cfg, address)
				ask(&next, address+path)
				old, now := replaced(t, cfg, next)
				for i := range 10 {
					_, err := old.Check(t.Context(), from(i, fmt.Sprint("token", i)))
					wantCode(t, err, CodeUnavailable)
				}
				before := asked.Load()
				if before == 10 {
					t.Fatal("the server is asked every time")
				}
				_, err := now.Check(t.Context(), from(99, "token"))
				wantCode(t, err, CodeUnavailable)
				if again := asked.Load() > before; again != (path != "") {
					t.Errorf("asked after the reload: %v", again)
				}
				moment = moment.Add(30 * time.Second)
				before = asked.Load()
				_, err = now.Check(t.Context(), from(99, "token"))
				wantCode(t, err, CodeUnavailable)
				if asked.Load() == before {
					t.Error("not asked after the pause")
				}
			})
		}
	}
}

// Calls that were under way at the reload hold places of those that are allowed now.
func TestCallsUnderWayCountOverAReload(t *testing.T) {
	for name, ask := range elsewhere {
		t.Run(name, func(t *testing.T) {
			at, hang := make(chan struct{}, 10), make(chan struct{})
			goOn := sync.OnceFunc(func() { close(hang) })
			defer goOn()
			address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
				at <- struct{}{}
				select {
				case <-hang:
				case <-r.Context().Done():
				}
				_, _ = w.Write([]byte(`{"subject":"ann","active":true,"sub":"ann"}`))
			})
			limited := func(most int) GateConfig {
				cfg := GateConfig{Deps: Deps{Clock: atNoon}}
				ask(&cfg, address)
				cfg.Callback.MaxInFlight, cfg.Introspection.MaxInFlight = most, most
				return cfg
			}
			old, now := replaced(t, limited(2), limited(3))
			ended := make(chan error, 4)
			check := func(g *Gate, i int) {
				_, err := g.Check(t.Context(), from(i, fmt.Sprint("token", i)))
				ended <- err
			}
			go check(old, 0)
			go check(old, 1)
			<-at
			<-at
			go check(now, 2)
			<-at // the place that is new
			go check(now, 3)
			places := callsOf(now)
			for places.Waiting() == 0 {
				select {
				case <-at:
					t.Fatal("four calls at once")
				case <-time.After(time.Millisecond):
				}
			}
			goOn()
			for range 4 {
				wantCode(t, <-ended, "")
			}
		})
	}
}

// callsOf is the queue of a gate that asks one server.
func callsOf(g *Gate) *limit.Queue[netip.Prefix] {
	for _, v := range g.verifiers {
		switch v := v.(type) {
		case *callback:
			return v.calls
		case *introspection:
			return v.calls
		}
	}
	return nil
}
