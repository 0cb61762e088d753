package server_test

import (
	"net/http"
	"testing"

	"gatehouse/handshake"
	"gatehouse/server"
)

const csrfSecret = "a-secret-of-the-tests-for-csrf-tokens"

// withCookies is a server whose users have sessions.
func withCookies() server.Config {
	return server.Config{
		Auth:    handshake.AuthConfig{Methods: []string{"token", "ticket", "bearer", "cookie"}},
		Cookie:  handshake.CookieConfig{CSRFSecret: csrfSecret},
		Origins: handshake.OriginConfig{Allow: []string{"self", "https://app.example"}},
	}
}

func page(origin string, more ...string) http.Header {
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

// csrfOf gets the CSRF token of a session, as its page would.
func (r *running) csrfOf(session string) string {
	r.t.Helper()
	status, _, answer := r.call(http.MethodGet, "/auth/csrf", "", page("https://app.example", "Cookie", "__Host-session="+session))
	text, _ := answer["csrf"].(string)
	if status != http.StatusOK || text == "" {
		r.t.Fatalf("GET /auth/csrf: %d %v", status, answer)
	}
	return text
}

func TestReq01_ForeignPagesAreRefusedOnEveryRequest(t *testing.T) {
	r := serve(t, withCookies(), who("/who")...)
	for _, origin := range []string{"https://evil.example", "null", "https://app.example.evil.example", "http://app.example", "file://"} {
		for _, transport := range []string{"polling", "websocket"} {
			_, err := way{transport: transport, header: page(origin)}.open(t, r.addr)
			if statusOf(err) != http.StatusForbidden {
				t.Errorf("%s from %s: %v", transport, origin, err)
			}
		}
		if status, _, answer := r.call(http.MethodPost, "/auth/tickets", "", page(origin, "Authorization", "Bearer "+token(t, "ada"))); status != http.StatusForbidden || codeOf(answer) != "origin_forbidden" {
			t.Errorf("a ticket for %s: %d %v", origin, status, answer)
		}
		if _, h, _ := r.call(http.MethodOptions, "/auth/tickets", "", page(origin, "Access-Control-Request-Method", "POST")); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("the preflight allows %s", origin)
		}
		// Neither a POST nor an upgrade of an open session may come from a foreign
		// page.
		p := come(t, r.addr, way{transport: "polling"})
		if status, body := p.do(http.MethodPost, "40/who,", page(origin)); status != http.StatusForbidden {
			t.Errorf("a POST from %s: %d %s", origin, status, body)
		}
		if _, err := (way{header: page(origin)}).openWebSocket(t, r.addr, p.session()); err == nil {
			t.Errorf("an upgrade from %s was let through", origin)
		}
	}
	if _, h, _ := r.call(http.MethodOptions, "/auth/tickets", "", page("https://app.example", "Access-Control-Request-Method", "POST")); h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("the preflight of a listed page: %v", h)
	}
}

// Browsers leave Origin out of same-origin GETs, so the request that carries
// CONNECT decides: the POST, or the WebSocket's.
func TestReq02_ACookieCountsOnlyFromAListedPage(t *testing.T) {
	r := serve(t, withCookies(), who("/who")...)
	session := token(t, "ada")
	csrf := `{"csrf":"` + r.csrfOf(session) + `"}`
	cookie := "__Host-session=" + session
	bare := page("", "Cookie", cookie)
	listed := page("https://app.example", "Cookie", cookie)
	for name, c := range map[string]struct {
		open, connect http.Header
		want          string
	}{
		"listed page":                       {listed, listed, "in"},
		"own page, which says so":           {page("", "Cookie", cookie, "Sec-Fetch-Site", "same-origin"), listed, "in"},
		"GET without, POST with an Origin":  {bare, listed, "in"},
		"nobody says where it comes from":   {bare, bare, "origin_forbidden"},
		"GET with, POST without any Origin": {listed, page("", "Cookie", cookie), "origin_forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			p := come(t, r.addr, way{transport: "polling", header: c.open})
			p.poll.Header = c.connect
			if got := sendConnect(p, "/who", csrf); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	for _, transport := range []string{"websocket", "upgrade"} {
		c := come(t, r.addr, way{transport: transport, header: listed})
		if got := sendConnect(c, "/who", csrf); got != "in" {
			t.Errorf("%s from a listed page: %s", transport, got)
		}
	}
	if c := come(t, r.addr, way{transport: "websocket", header: bare}); sendConnect(c, "/who", csrf) != "origin_forbidden" {
		t.Error("a WebSocket without an Origin may use a cookie")
	}
	for _, transport := range []string{"polling", "websocket"} {
		cross := page("", "Cookie", cookie, "Sec-Fetch-Site", "cross-site")
		if _, err := (way{transport: transport, header: cross}).open(t, r.addr); err == nil {
			t.Errorf("a cross-site %s that leaves its Origin out was let through", transport)
		}
	}
}

func TestReq03_ACookieNeedsItsCSRFToken(t *testing.T) {
	r := serve(t, withCookies(), who("/who")...)
	session, other := token(t, "ada"), token(t, "bob")
	over(t, func(t *testing.T, transport string) {
		for auth, want := range map[string]string{
			`{"csrf":"` + r.csrfOf(session) + `"}`: "in",
			`{"csrf":"` + r.csrfOf(other) + `"}`:   "forbidden",
			`{"csrf":"x"}`:                         "forbidden",
			``:                                     "forbidden",
		} {
			c := come(t, r.addr, way{transport: transport, header: page("https://app.example", "Cookie", "__Host-session="+session)})
			if got := sendConnect(c, "/who", auth); got != want {
				t.Errorf("auth %.20s: %s, want %s", auth, got, want)
			}
		}
	})
	for _, h := range []http.Header{page("https://app.example"), page("https://evil.example", "Cookie", "__Host-session="+session), page("", "Cookie", "__Host-session="+session)} {
		if status, _, answer := r.call(http.MethodGet, "/auth/csrf", "", h); status/100 != 4 || answer["csrf"] != nil {
			t.Errorf("a CSRF token for %v: %d", h["Origin"], status)
		}
	}
}

func TestReq04_UnsafeCookiesDoNotStart(t *testing.T) {
	cfg := withCookies()
	cfg.Cookie.InsecureNoCSRF, cfg.Origins.InsecureAllowAny = true, true
	if err := startsWith(t, cfg); err == nil {
		t.Fatal("it starts without any check of where a cookie comes from")
	} else {
		says(t, err.Error(), "cookie.insecure_no_csrf", "origins.insecure_allow_any")
	}
}

func TestReq05_LaterRequestsNeverChangeWhoASessionBelongsTo(t *testing.T) {
	r := serve(t, server.Config{}, who("/who")...)
	bearer := func(subject string) http.Header { return page("", "Authorization", "Bearer "+token(t, subject)) }
	for name, c := range map[string]struct {
		later  http.Header
		status int
	}{
		"none":                     {nil, http.StatusOK},
		"another of the same user": {bearer("ada"), http.StatusOK},
		"another user":             {bearer("bob"), http.StatusForbidden},
		"rubbish":                  {page("", "Authorization", "Bearer x.y.z"), http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			p := come(t, r.addr, way{transport: "polling", header: bearer("ada")})
			if got := sendConnect(p, "/who", ""); got != "in" {
				t.Fatal(got)
			}
			if status, body := p.do(http.MethodPost, `42/who,7["whoami",{}]`, c.later); status != c.status {
				t.Errorf("POST: %d %s, want %d", status, body, c.status)
			}
			w, err := way{header: c.later}.openWebSocket(t, r.addr, p.session())
			if (err == nil) != (c.status == http.StatusOK) {
				t.Errorf("upgrade: %v", err)
			}
			if err != nil {
				p.poll.Header = nil // the session goes on
				if got := whoami(t, p, "/who"); got != `["ada by bearer"]` {
					t.Errorf("the session is now %s", got)
				}
				return
			}
			w.send("2probe")
			if w.next() == "3probe" {
				w.send("5")
			}
			if got := whoami(t, w, "/who"); got != `["ada by bearer"]` {
				t.Errorf("after the upgrade the session is %s", got)
			}
		})
	}
}
