package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	rules "gatehouse/namespaces/relay"
	"gatehouse/server"
)

// reloads takes over another configuration, and fails the test when that is not possible as a whole.
func (r *running) reloads(change func(*server.Config)) {
	r.t.Helper()
	cfg := r.config
	change(&cfg)
	if restart, err := r.server.Reload(cfg); err != nil || len(restart) > 0 {
		r.t.Fatalf("needs a restart: %v, %v", restart, err)
	}
}

func TestRulesChangeUnderWhoSends(t *testing.T) {
	cfg := server.Config{}
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	r := serve(t, cfg)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for open := true; ; open = !open {
			select {
			case <-ended:
				return
			default:
			}
			changed := app()
			if !open {
				changed.Rooms = changed.Rooms[1:]
			}
			next := r.config
			next.Namespaces = map[string]rules.Config{"/app": changed}
			if _, err := r.server.Reload(next); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for _, transport := range wiretest.Transports {
		ann := arrives(t, r.addr, transport, editor("ann", transport))
		for range 50 {
			ack, _ := ann.ask("room:join", `{"room":"doc:`+transport+`:1"}`)
			if !strings.Contains(ack, `"ok":true`) && !strings.Contains(ack, `"code":"forbidden"`) {
				t.Errorf("%s: neither rule answers so: %s", transport, ack)
			}
		}
	}
	close(ended)
	<-done
}

// A user who was in a room before it began to tell presence counts from the next join.
func TestARoomBeginsAndStopsToTellWhoIsThere(t *testing.T) {
	for _, transport := range wiretest.Transports {
		t.Run(transport, func(t *testing.T) {
			cfg := server.Config{}
			quiet := app()
			quiet.Rooms[0].Presence = false
			cfg.Namespaces = map[string]rules.Config{"/app": quiet}
			r := serve(t, cfg)
			room := `{"room":"doc:acme:1"}`
			ann, bob := arrives(t, r.addr, transport, editor("ann", "acme")), arrives(t, r.addr, transport, editor("bob", "acme"))
			for _, one := range []*guest{ann, bob} {
				ack, _ := one.ask("room:join", room)
				says(t, ack, `"ok":true`)
			}
			r.reloads(func(c *server.Config) { c.Namespaces = map[string]rules.Config{"/app": app()} })
			ack, _ := ann.ask("room:leave", room)
			says(t, ack, `"ok":true`)
			ack, _ = bob.ask("room:join", room)
			says(t, ack, `"count":1`, `"user":"bob"`)
			r.reloads(func(c *server.Config) { c.Namespaces = map[string]rules.Config{"/app": quiet} })
			ack, _ = bob.ask("presence:get", room)
			says(t, ack, `"code":"bad_request"`)
			ack, _ = bob.ask("room:leave", room)
			says(t, ack, `"ok":true`)
		})
	}
}

// When one new part cannot be made, all others stay as they are.
func TestAReloadIsAllOrNothing(t *testing.T) {
	cfg := server.Config{}
	cfg.Namespaces = map[string]rules.Config{"/app": app()}
	r := serve(t, cfg)
	ann := arrives(t, r.addr, "websocket", editor("ann", "acme"))
	closed := app()
	closed.Rooms = nil
	for name, wrong := range map[string]func(*server.Config){
		"a rule":           func(c *server.Config) { c.Namespaces["/other"] = rules.Config{Admit: "nonsense("} },
		"a limit":          func(c *server.Config) { c.Sockets.MaxRooms = -1 },
		"a key of the API": func(c *server.Config) { c.API.Keys = append(c.API.Keys, c.API.Keys...) },
		"a secret":         func(c *server.Config) { c.JWT.HMACSecret = "short" },
		"passwords whose TLS waits for a restart": func(c *server.Config) {
			c.TrustedProxies = []string{"127.0.0.1"} // makes the whole a right one
			c.Auth.Methods = append(slices.Clone(c.Auth.Methods), handshake.MethodBearer, handshake.MethodBasic)
			c.Basic.Users = []handshake.BasicUser{{Name: "ada", Hash: handshake.Secret(wiretest.PasswordHash("open sesame"))}}
		},
	} {
		next := r.config
		next.API = everything()
		next.Namespaces = map[string]rules.Config{"/app": closed}
		wrong(&next)
		restart, err := r.server.Reload(next)
		if err == nil {
			t.Errorf("%s is taken: %v", name, restart)
		}
		if strings.HasPrefix(name, "passwords") {
			says(t, fmt.Sprint(err), "auth.methods: basic would send passwords", "because trusted_proxies, ", " cannot change before a restart")
		}
		ack, _ := ann.ask("room:join", `{"room":"doc:acme:1"}`)
		says(t, ack, `"ok":true`)
	}
}

// A back end that asked for a pause gets it, also after a reload.
func TestACallbackThatIsAwayIsLeftAloneOverAReload(t *testing.T) {
	var asked atomic.Int32
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(backend.Close)
	cfg := server.Config{TrustedProxies: []string{"127.0.0.0/8"}}
	cfg.Callback = handshake.CallbackConfig{URL: backend.URL, Secret: "callback-secret-callback-secret-callback"}
	r := serve(t, cfg, who("/who", "/lobby")...)
	n := 0
	comes := func() {
		t.Helper()
		n++
		in := come(t, r.addr, way{transport: "websocket", header: page("", "X-Forwarded-For", fmt.Sprint("203.0.113.", n))})
		if got := sendConnect(in, "/lobby", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Fatalf("ada: %s", got) // a client in no other namespace is put on hold, not refused
		}
		if got := sendConnect(in, "/who", `{"token":"opaque"}`); got != "unavailable" {
			t.Errorf("number %d: %s", n, got)
		}
	}
	for range 10 {
		comes()
	}
	before := asked.Load()
	r.reloads(func(*server.Config) {})
	comes()
	if asked.Load() != before {
		t.Error("asked again at once")
	}
	r.reloads(func(c *server.Config) { c.Callback.URL += "/elsewhere" })
	comes()
	if asked.Load() != before+1 {
		t.Error("another address is left alone, too")
	}
}
