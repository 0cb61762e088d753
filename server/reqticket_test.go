package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/server"
)

// ticketStores are the servers that each ticket test runs on: in memory, and in
// Redis when TEST_REDIS_ADDR names one (make test starts it).
func ticketStores(t *testing.T, test func(t *testing.T, cfg server.Config)) {
	t.Run("memory", func(t *testing.T) { test(t, server.Config{}) })
	addr := os.Getenv("TEST_REDIS_ADDR")
	if addr == "" {
		t.Log("TEST_REDIS_ADDR is not set: the memory store only")
		return
	}
	t.Run("redis", func(t *testing.T) {
		test(t, server.Config{Redis: server.Redis{
			URL: handshake.Secret("redis://" + addr), Prefix: fmt.Sprintf("gatehouse:test:%d:", time.Now().UnixNano()),
		}})
	})
}

func TestReq09_ATicketLetsOneConnectionIn(t *testing.T) {
	ticketStores(t, func(t *testing.T, cfg server.Config) {
		r := serve(t, cfg, who("/who")...)
		ticket := r.ticket("ada", "", nil)
		var in, out atomic.Int32
		var all sync.WaitGroup
		for i := range 30 {
			c := come(t, r.addr, way{transport: wiretest.Transports[i%3]})
			all.Go(func() {
				switch got := sendConnect(c, "/who", `{"ticket":"`+ticket+`"}`); got {
				case "in":
					in.Add(1)
				case "ticket_invalid":
					out.Add(1)
				default:
					t.Error(got)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 || out.Load() != 29 {
			t.Errorf("%d got in and %d did not", in.Load(), out.Load())
		}
	})
}

func TestReq10_MintingIsAnAuthenticatedPOST(t *testing.T) {
	r := serve(t, withCookies(), who("/who")...)
	session := token(t, "ada")
	bearer := page("", "Authorization", "Bearer "+session)
	cookie := page("https://app.example", "Cookie", "__Host-session="+session)
	csrf := r.csrfOf(session)
	with := func(h http.Header, name, value string) http.Header {
		h = h.Clone()
		h.Set(name, value)
		return h
	}
	for name, c := range map[string]struct {
		method, body string
		header       http.Header
		status       int
		code         string
	}{
		"bearer":                     {"POST", ``, bearer, 200, ""},
		"token in the body":          {"POST", `{"token":"` + session + `"}`, nil, 200, ""},
		"for a namespace":            {"POST", `{"namespace":"/who"}`, bearer, 200, ""},
		"cookie, token in body":      {"POST", `{"csrf":"` + csrf + `"}`, cookie, 200, ""},
		"cookie, token in header":    {"POST", ``, with(cookie, "X-CSRF-Token", csrf), 200, ""},
		"cookie, namespace and csrf": {"POST", `{"namespace":"/who","csrf":"` + csrf + `"}`, cookie, 200, ""},
		"cookie alone":               {"POST", ``, cookie, 403, "forbidden"},
		"cookie, wrong token":        {"POST", `{"csrf":"x"}`, cookie, 403, "forbidden"},
		"cookie of a foreign page":   {"POST", `{"csrf":"` + csrf + `"}`, with(cookie, "Origin", "https://evil.example"), 403, "origin_forbidden"},
		"nothing":                    {"POST", ``, nil, 401, "unauthenticated"},
		"rubbish":                    {"POST", `{"token":"x"}`, nil, 401, "token_invalid"},
		"expired":                    {"POST", `{"token":"` + expired(t, "ada") + `"}`, nil, 401, "token_expired"},
		"GET":                        {"GET", ``, bearer, 405, "method_not_allowed"},
		"a form":                     {"POST", `token=x`, with(bearer, "Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type"},
		"no object":                  {"POST", `[1]`, bearer, 400, "bad_request"},
		"null":                       {"POST", `null`, bearer, 400, "bad_request"},
		"no namespace":               {"POST", `{"namespace":"chat"}`, bearer, 400, "bad_request"},
		"too large":                  {"POST", `{"token":"` + strings.Repeat("a", 20_000) + `"}`, bearer, 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			status, h, answer := r.call(c.method, "/auth/tickets", c.body, c.header)
			code, _ := codeOf(answer).(string)
			if status != c.status || code != c.code || h.Get("Cache-Control") != "no-store" {
				t.Fatalf("%d %v %v, want %d %s", status, answer, h["Cache-Control"], c.status, c.code)
			}
			if status != http.StatusOK {
				if answer["ok"] != false {
					t.Errorf("the answer is %v", answer)
				}
				return
			}
			expires, _ := answer["expiresAt"].(float64)
			if left := time.Until(time.UnixMilli(int64(expires))); left <= 0 || left > 30*time.Second {
				t.Errorf("the ticket is good for %s", left)
			}
		})
	}
}

func TestReq10_ATicketBuysNoTicketAndIsNotUsedUpByTrying(t *testing.T) {
	r := serve(t, server.Config{}, who("/who")...)
	ticket := r.ticket("ada", "", nil)
	for path, body := range map[string]string{"/auth/tickets": `{"ticket":"` + ticket + `"}`, "/auth/tickets?ticket=" + ticket: ""} {
		if status, _, answer := r.call(http.MethodPost, path, body, nil); status != http.StatusForbidden || codeOf(answer) != "forbidden" {
			t.Errorf("%d %v", status, answer)
		}
	}
	if got := sendConnect(come(t, r.addr, way{transport: "websocket"}), "/who", `{"ticket":"`+ticket+`"}`); got != "in" {
		t.Errorf("the ticket afterwards: %s", got)
	}
}

func TestReq10_MintingIsLimitedByAddressAndBySubject(t *testing.T) {
	r := serve(t, server.Config{
		TrustedProxies: []string{"127.0.0.1"},
		Connections:    server.ConnectionLimits{TicketsPerAddress: 4, TicketsPerSubject: 2},
	})
	from := func(addr, subject string) string {
		status, h, answer := r.call(http.MethodPost, "/auth/tickets", "", page("", "X-Forwarded-For", addr, "Authorization", "Bearer "+token(t, subject)))
		if status == http.StatusOK {
			return "ticket"
		}
		if status != http.StatusTooManyRequests || h.Get("Retry-After") == "" {
			t.Errorf("%d %v", status, answer)
		}
		return fmt.Sprint(codeOf(answer))
	}
	for i, c := range []struct{ addr, subject, want string }{
		{"203.0.113.1", "ada", "ticket"}, {"203.0.113.1", "ada", "ticket"}, {"203.0.113.1", "ada", "rate_limited"},
		{"203.0.113.1", "bob", "ticket"}, {"203.0.113.1", "eve", "rate_limited"}, // the address
		{"203.0.113.2", "ada", "rate_limited"}, {"203.0.113.2", "bob", "ticket"}, // the subject
	} {
		if got := from(c.addr, c.subject); got != c.want {
			t.Errorf("%d: %s from %s: %s, want %s", i, c.subject, c.addr, got, c.want)
		}
	}
}

func TestReq10_ATicketIsBoundToOriginNamespaceAndAddress(t *testing.T) {
	cfg := withCookies()
	cfg.Origins.Allow = append(cfg.Origins.Allow, "https://other.example")
	r := serve(t, cfg, who("/who", "/other")...)
	app := page("https://app.example", "Authorization", "Bearer "+token(t, "ada"))
	for name, c := range map[string]struct {
		body, namespace, origin, want string
	}{
		"where it was made":       {``, "/who", "https://app.example", "in"},
		"another page":            {``, "/who", "https://other.example", "ticket_invalid"},
		"no page":                 {``, "/who", "", "ticket_invalid"},
		"the namespace it is for": {`{"namespace":"/who"}`, "/who", "https://app.example", "in"},
		"another namespace":       {`{"namespace":"/who"}`, "/other", "https://app.example", "ticket_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			over(t, func(t *testing.T, transport string) {
				ticket := r.ticket("ada", c.body, app)
				got := sendConnect(come(t, r.addr, way{transport: transport, header: page(c.origin)}), c.namespace, `{"ticket":"`+ticket+`"}`)
				if got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			})
		})
	}
	r = serve(t, server.Config{TrustedProxies: []string{"127.0.0.1"}, Tickets: handshake.TicketConfig{BindAddress: true}}, who("/who")...)
	ticket := r.ticket("ada", "", page("", "X-Forwarded-For", "203.0.113.1"))
	for addr, want := range map[string]string{"203.0.113.2": "ticket_invalid"} {
		c := come(t, r.addr, way{transport: "websocket", header: page("", "X-Forwarded-For", addr)})
		if got := sendConnect(c, "/who", `{"ticket":"`+ticket+`"}`); got != want {
			t.Errorf("from %s: %s, want %s", addr, got, want)
		}
	}
}

// Long-polling repeats the query on every request and on the upgrade, and one
// connection enters several namespaces.
func TestReq11_OneTicketServesTheWholeSessionAndNoOther(t *testing.T) {
	ticketStores(t, func(t *testing.T, cfg server.Config) {
		r := serve(t, cfg, who("/", "/who", "/other")...)
		for _, place := range []string{"query", "auth"} {
			over(t, func(t *testing.T, transport string) {
				ticket := r.ticket("ada", "", nil)
				w, auth := way{transport: transport}, `{"ticket":"`+ticket+`"}`
				if place == "query" {
					w.query, auth = url.Values{"ticket": {ticket}}, ""
				}
				c := come(t, r.addr, w)
				for _, namespace := range []string{"/who", "/other"} {
					if got := sendConnect(c, namespace, auth); got != "in" {
						t.Errorf("%s: %s", namespace, got)
					}
				}
				if got := whoami(t, c, "/other"); got != `["ada by ticket"]` {
					t.Error(got)
				}
				c.send("41/who,")
				if got := sendConnect(c, "/who", auth); got != "in" {
					t.Errorf("a namespace that was left: %s", got)
				}
				// A reconnect is another session: it needs another ticket.
				if got := sendConnect(come(t, r.addr, w), "/who", auth); got != "ticket_invalid" {
					t.Errorf("another session: %s", got)
				}
			})
		}
	})
}

func TestReq12_WithoutItsStoreNoTicketOpensAnything(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := ln.Addr().String()
	_ = ln.Close() // nobody listens there
	r := serve(t, server.Config{Redis: server.Redis{URL: handshake.Secret("redis://user:hunter22@" + away + "/0")}}, who("/who", "/lobby")...)
	status, h, answer := r.call(http.MethodPost, "/auth/tickets", "", page("", "Authorization", "Bearer "+token(t, "ada")))
	if status != http.StatusServiceUnavailable || codeOf(answer) != "unavailable" || h.Get("Retry-After") == "" {
		t.Errorf("minting: %d %v", status, answer)
	}
	over(t, func(t *testing.T, transport string) {
		ticket := strings.Repeat("A", 43)
		c := come(t, r.addr, way{transport: transport})
		if got := sendConnect(c, "/lobby", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Fatal(got) // a client in no other namespace is put on hold, not refused
		}
		if got := sendConnect(c, "/who", `{"ticket":"`+ticket+`"}`); got != "unavailable" {
			t.Errorf("redeeming: %s", got)
		}
		if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Errorf("a token, which needs no store: %s", got)
		}
	})
	if status, _, answer := r.call(http.MethodGet, "/readyz", "", nil); status != http.StatusOK || answer["redis"] != "unavailable" {
		t.Errorf("/readyz: %d %v", status, answer)
	}
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
	says(t, r.log.String(), "redis cannot be reached")
	if strings.Contains(r.log.String(), "hunter22") {
		t.Error("the log has the password of Redis")
	}
}

// relay passes connections on to Redis from an address at which nothing
// listened before.
func relay(t *testing.T, at, redis string) {
	t.Helper()
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", redis)
			if err != nil {
				t.Error(err)
				return
			}
			for _, pair := range [][2]net.Conn{{conn, there}, {there, conn}} {
				all.Go(func() {
					_, _ = io.Copy(pair[0], pair[1])
					_, _ = pair[0].Close(), pair[1].Close()
				})
			}
		}
	})
}

func TestReq12_TicketsWorkOnceRedisIsThere(t *testing.T) {
	redis := os.Getenv("TEST_REDIS_ADDR")
	if redis == "" {
		t.Log("TEST_REDIS_ADDR is not set: nothing to come back")
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := ln.Addr().String()
	_ = ln.Close()
	r := serve(t, server.Config{Redis: server.Redis{URL: handshake.Secret("redis://" + at)}}, who("/who")...)
	if _, _, answer := r.call(http.MethodGet, "/readyz", "", nil); answer["redis"] != "unavailable" {
		t.Fatalf("/readyz: %v", answer)
	}
	relay(t, at, redis)
	for started := time.Now(); ; {
		if _, _, answer := r.call(http.MethodGet, "/readyz", "", nil); answer["redis"] == nil {
			break
		}
		if time.Since(started) > time.Minute {
			t.Fatal("Redis is there and is not seen")
		}
	}
	ticket := r.ticket("ada", "", nil)
	if got := sendConnect(come(t, r.addr, way{transport: "websocket"}), "/who", `{"ticket":"`+ticket+`"}`); got != "in" {
		t.Error(got)
	}
	if err := r.stopped(); err != nil {
		t.Error(err)
	}
}

func TestANamespaceThatTakesTicketsForMoreIsWarnedAbout(t *testing.T) {
	for ways, warned := range map[string]bool{"ticket": true, "ticket token bearer": false, "token": false} {
		r := serve(t, server.Config{Auth: handshake.AuthConfig{Namespaces: []handshake.NamespaceAuth{{Name: "/admin", Methods: strings.Fields(ways)}}}})
		if strings.Contains(r.log.String(), "opens /admin too") != warned {
			t.Errorf("%s: %s", ways, r.log.String())
		}
	}
}

func TestWaysIntoANamespaceThatIsNotThereAreWarnedAbout(t *testing.T) {
	cfg := server.Config{Auth: handshake.AuthConfig{Namespaces: []handshake.NamespaceAuth{
		{Name: "/who", Methods: []string{"token"}}, {Name: "/whom", Methods: []string{"token"}},
	}}}
	r := serve(t, cfg, who("/who")...)
	says(t, r.log.String(), "auth.namespaces[1].name: there is no namespace /whom")
	if strings.Contains(r.log.String(), "auth.namespaces[0]") {
		t.Error(r.log.String())
	}
}

func TestWarningsAreThoseOfTheLog(t *testing.T) {
	for name, cfg := range map[string]server.Config{
		"nothing": {},
		"dev":     {Dev: true, Addr: "127.0.0.1:0"},
		"much": {
			Admin: server.Admin{Key: adminKey}, Origins: handshake.OriginConfig{AllowLocalhost: true},
			Auth: handshake.AuthConfig{Namespaces: []handshake.NamespaceAuth{{Name: "/away", Methods: []string{"ticket", "query_token"}}}},
		},
	} {
		r := serve(t, cfg, who("/who")...)
		cfg.JWT = handshake.JWTConfig{HMACSecret: secret}
		warnings := cfg.Warnings(who("/who")...)
		if logged := strings.Count(r.log.String(), `"configuration: `); logged != len(warnings) {
			t.Errorf("%s: %d in the log, %q", name, logged, warnings)
		}
		for _, w := range warnings {
			says(t, r.log.String(), "configuration: "+w)
		}
	}
}

// A reload leaves the connections and their redeemed tickets.
func TestReq11_ATicketServesItsSessionOverAReload(t *testing.T) {
	ticketStores(t, func(t *testing.T, cfg server.Config) {
		r := serve(t, cfg, who("/who", "/other")...)
		over(t, func(t *testing.T, transport string) {
			ticket := r.ticket("ada", "", nil)
			c, auth := come(t, r.addr, way{transport: transport}), `{"ticket":"`+ticket+`"}`
			if got := sendConnect(c, "/who", auth); got != "in" {
				t.Fatal(got)
			}
			r.reloads(func(*server.Config) {})
			if got := sendConnect(c, "/other", auth); got != "in" {
				t.Errorf("after a reload: %s", got)
			}
			if got := sendConnect(come(t, r.addr, way{transport: transport}), "/who", auth); got != "ticket_invalid" {
				t.Errorf("another session: %s", got)
			}
		})
	})
}
