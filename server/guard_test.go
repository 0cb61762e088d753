package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/server"
)

// heldUp is a server that allows each address only a few wrong credentials.
func heldUp() server.Config {
	return server.Config{Connections: server.ConnectionLimits{AddressFailures: handshake.ThrottleConfig{Free: 3, Base: time.Minute, Max: time.Hour, Forget: time.Hour}}}
}

// Field fault 8, attack W2: wrong credentials from an address delay only other wrong
// ones.
func TestField08_WrongTokensOfAnAddressKeepNoValidOneOut(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			r := serve(t, heldUp(), who("/who", "/lobby")...)
			in := come(t, r.addr, way{transport: transport})
			if got := sendConnect(in, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
				t.Fatalf("ada: %s", got)
			}
			told := come(t, r.addr, way{transport: transport})
			if got := sendConnect(told, "/lobby", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
				t.Fatalf("ada: %s", got) // a client in no other namespace is put on hold, not refused
			}
			for range 5 {
				sendConnect(told, "/who", `{"token":"made up"}`)
			}
			if got := sendConnect(told, "/who", `{"token":"made up"}`); got != "rate_limited" {
				t.Errorf("a wrong one more: %s", got)
			}
			for range 3 {
				if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", `{"token":"`+token(t, "bob")+`"}`); got != "in" {
					t.Errorf("a valid one: %s", got)
				}
			}
			says(t, r.log.String(), "sign-ins of an address are held up", "127.0.0.1")
		})
	}
}

// Field fault 6: the log names the origin with which that of a page was compared.
func TestField06_TheLogNamesTheOwnOrigin(t *testing.T) {
	cfg := server.Config{TrustedProxies: []string{"127.0.0.0/8"}}
	r := serve(t, cfg, who("/who")...)
	_, err := way{transport: "websocket", header: page("https://" + r.addr)}.open(t, r.addr)
	if statusOf(err) != http.StatusForbidden {
		t.Fatalf("%v", err)
	}
	says(t, r.log.String(), `"own":"http://`+r.addr+`"`)
	for _, proto := range []string{"https", "wss"} { // as proxies say of an upgrade
		if _, err := (way{transport: "websocket", header: page("https://"+r.addr, "X-Forwarded-Proto", proto)}).open(t, r.addr); err != nil {
			t.Errorf("%s: %v", proto, err)
		}
	}
}

// Newcomers 10: the log names headers of an untrusted proxy as the cause.
func TestNewcomers10_AProxyThatIsNotTrustedIsTheCause(t *testing.T) {
	r := serve(t, server.Config{}, who("/who")...)
	status, _, answer := r.call(http.MethodPost, "/auth/tickets", "", page("https://"+r.addr, "X-Forwarded-Proto", "https"))
	if status != http.StatusForbidden {
		t.Fatalf("%d", status)
	}
	message, _ := answer["error"].(map[string]any)["message"].(string)
	says(t, message, "trusted_proxies")
	if _, err := (way{transport: "websocket", header: page("https://"+r.addr, "X-Forwarded-Proto", "https")}).open(t, r.addr); err == nil {
		t.Error("let in")
	}
	says(t, r.log.String(), "trusted_proxies")
}

// Newcomers 10: `config check` says so before the first client comes.
func TestNewcomers10_AForgottenProxyIsWarnedOf(t *testing.T) {
	page := handshake.OriginConfig{Allow: []string{"self", "https://app.example.com"}}
	for name, c := range map[string]struct {
		cfg  server.Config
		warn bool
	}{
		"pages with TLS and none here":     {server.Config{Addr: ":3000", Origins: page}, true},
		"this machine only":                {server.Config{Addr: "127.0.0.1:3000"}, true},
		"a proxy is trusted":               {server.Config{Addr: "127.0.0.1:3000", Origins: page, TrustedProxies: []string{"127.0.0.1"}}, false},
		"TLS of the program's own":         {server.Config{Origins: page, ExternalTLS: true}, false},
		"a developer's machine":            {server.Config{Dev: true, Addr: "127.0.0.1:3000"}, false},
		"the world, and pages without TLS": {server.Config{Addr: ":3000"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.JWT.HMACSecret = "a secret for tests only, longer than thirty-two bytes"
			if warned := strings.Contains(strings.Join(c.cfg.Warnings(), "\n"), "list it in trusted_proxies"); warned != c.warn {
				t.Errorf("%q", c.cfg.Warnings())
			}
		})
	}
}

// Field fault 17: a cookie that is renewed while the back end is away ends no session.
func TestField17_ASessionLivesUntilWhatItShowsIsKnownToBeBad(t *testing.T) {
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"subject":"ada"}`)) }
	away := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }
	bad := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	now := make(chan http.HandlerFunc, 1)
	now <- answer
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := <-now
		now <- h
		h(w, r)
	}))
	t.Cleanup(backend.Close)
	say := func(h http.HandlerFunc) { <-now; now <- h }
	cfg := withCookies()
	cfg.Callback = handshake.CallbackConfig{URL: backend.URL, Secret: "callback-secret-callback-secret-callback", Kinds: []string{"cookie"}}
	r := serve(t, cfg, who("/who")...)
	in := func(cookie string) http.Header {
		return page("https://app.example", "Cookie", "__Host-session="+cookie)
	}
	p := come(t, r.addr, way{transport: "polling", header: in("one")})
	if got := sendConnect(p, "/who", `{"csrf":"`+r.csrfOf("one")+`"}`); got != "in" {
		t.Fatalf("in: %s", got)
	}
	say(away)
	if status, body := p.do(http.MethodPost, "3", in("two")); status != http.StatusOK {
		t.Errorf("with the back end away: %d %s", status, body)
	}
	say(bad)
	if status, body := p.do(http.MethodPost, "3", in("three")); status != http.StatusUnauthorized {
		t.Errorf("known to be bad: %d %s", status, body)
	}
}

// Field fault 19: operators change their key with an overlap.
func TestField19_OldAndNewKeysOfOperators(t *testing.T) {
	const key, previous = "a-new-key-of-operators-a-new-key-of-operators", "an-old-key-of-operators-an-old-key-of-operators"
	r := serve(t, server.Config{Admin: server.Admin{Key: key, PreviousKey: previous}}, who("/who")...)
	for given, want := range map[string]int{key: 200, previous: 200, "another": 401, "": 401} {
		if status, _, _ := r.call(http.MethodGet, "/api/v1/stats", "", page("", "Authorization", "Bearer "+given)); status != want {
			t.Errorf("%q: %d", given, status)
		}
	}
}
