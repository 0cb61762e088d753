package server_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

type tenantKey struct{}

// asked is a namespace whose handler answers with what it sees of the request.
func asked() *namespaces.Namespace {
	ns := namespaces.New("/asked")
	namespaces.On(ns, "request", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) ([]string, error) {
		r := s.Request()
		tenant, _ := ctx.Value(tenantKey{}).(string)
		return []string{r.Header.Get("X-Shop"), r.URL().RequestURI(), tenant, s.Transport()}, nil
	})
	return ns
}

// TestTheEndpointIsTheProgramsToShape checks the path, the kept and the added
// headers, the cookie for balancers and the values of an outer handler, over all
// transports.
func TestTheEndpointIsTheProgramsToShape(t *testing.T) {
	cfg := server.Config{
		Path:        "/live/",
		KeepHeaders: []string{"x-shop"},
		Engine:      server.Engine{Cookie: "io"},
		JWT:         handshake.JWTConfig{HMACSecret: secret},
		Headers:     func(h http.Header, _ *http.Request) { h.Set("X-Served-By", "one\r\nX-Evil: 1") },
		Context:     func(r *http.Request) context.Context { return r.Context() },
	}
	s, err := server.New(cfg, asked())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Handler().ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), tenantKey{}, "acme")))
	}))
	t.Cleanup(web.Close)
	addr := strings.TrimPrefix(web.URL, "http://")
	for transport, now := range map[string]string{"polling": "polling", "websocket": "websocket", "upgrade": "websocket"} {
		t.Run(transport, func(t *testing.T) {
			c, err := wiretest.Dial(t.Context(), addr, transport, wiretest.Options{
				Path: "/live/", Query: "page=7", Header: http.Header{"X-Shop": {"tea"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Drop()
			if reply, err := wiretest.Enter(c, "/asked", `{"token":"`+token(t, "ada")+`"}`); err != nil || !strings.HasPrefix(reply, "40/asked,") {
				t.Fatalf("%s, %v", reply, err)
			}
			if err := c.Send(`42/asked,0["request"]`); err != nil {
				t.Fatal(err)
			}
			p, err := c.Next()
			if want := `43/asked,0[["tea","/live/?page=7","acme","` + now + `"]]`; err != nil || p.Text != want {
				t.Errorf("%s %v, want %s", p.Text, err, want)
			}
		})
	}
	for _, upgrade := range []bool{false, true} {
		res := openingAt(t, web.URL+"/live/", upgrade)
		cookie := res.Header.Get("Set-Cookie")
		if res.Header.Get("X-Served-By") != "one  X-Evil: 1" && res.Header.Get("X-Served-By") != "one X-Evil: 1" || res.Header.Get("X-Evil") != "" {
			t.Errorf("upgrade %t: %v", upgrade, res.Header)
		}
		if !strings.HasPrefix(cookie, "io=") || !strings.HasSuffix(cookie, "; Path=/; HttpOnly; SameSite=Lax") {
			t.Errorf("upgrade %t: Set-Cookie: %s", upgrade, cookie)
		}
	}
	for path, status := range map[string]int{"/live/socket.io.js": 200, "/socket.io/?EIO=4&transport=polling": 404, "/live?EIO=4&transport=polling": 200} {
		if res := openingAt(t, web.URL+path, false); res.StatusCode != status {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// openingAt requests a session, or whatever is at a URL.
func openingAt(t *testing.T, url string, upgrade bool) *http.Response {
	t.Helper()
	transport := "polling"
	if upgrade {
		transport = "websocket"
	}
	if !strings.Contains(url, "?") {
		url += "?EIO=4&transport=" + transport
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if upgrade {
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func TestTransportsAndTheClientBundleAreSwitchedOff(t *testing.T) {
	for allowed, other := range map[string]string{"polling": "websocket", "websocket": "polling"} {
		cfg := server.Config{NoClient: true, Engine: server.Engine{Transports: allowed}, JWT: handshake.JWTConfig{HMACSecret: secret}}
		addr := serve(t, cfg, asked()).addr
		if c, err := wiretest.Dial(t.Context(), addr, allowed, wiretest.Options{}); err != nil {
			t.Errorf("%s is refused: %v", allowed, err)
		} else {
			_ = c.Leave()
		}
		if c, err := wiretest.Dial(t.Context(), addr, other, wiretest.Options{}); err == nil {
			c.Drop()
			t.Errorf("%s is taken", other)
		}
		if res := openingAt(t, "http://"+addr+"/socket.io/socket.io.js", false); res.StatusCode != http.StatusNotFound {
			t.Errorf("the client bundle: %d", res.StatusCode)
		}
	}
}

func TestTheProgramIsAskedBeforeThereIsASession(t *testing.T) {
	cfg := server.Config{
		JWT: handshake.JWTConfig{HMACSecret: secret},
		AllowRequest: func(r *http.Request) error {
			switch r.URL.Query().Get("shop") {
			case "closed":
				return &handshake.Refusal{Code: handshake.CodeForbidden, Message: "Closed."}
			case "broken":
				return errors.New("store")
			}
			return nil
		},
	}
	addr := serve(t, cfg, asked()).addr
	for shop, status := range map[string]int{"open": 200, "closed": 403, "broken": 503} {
		for _, transport := range []string{"polling", "websocket"} {
			res := openingAt(t, "http://"+addr+"/socket.io/?EIO=4&shop="+shop+"&transport="+transport, transport == "websocket")
			want := status
			if status == 200 && transport == "websocket" {
				want = 101
			}
			if res.StatusCode != want {
				t.Errorf("%s over %s: %d, want %d", shop, transport, res.StatusCode, want)
			}
		}
	}
}

func TestAnEndpointThatCannotBeIsRefused(t *testing.T) {
	for key, cfg := range map[string]server.Config{
		`path: "/"`:              {Path: "/"},
		`path: "live"`:           {Path: "live"},
		`path: "/a/../b"`:        {Path: "/a/../b"},
		`path: "/api/live/"`:     {Path: "/api/live/"},
		`path: "/healthz"`:       {Path: "/healthz"},
		`engine.cookie: "a b"`:   {Engine: server.Engine{Cookie: "a b"}},
		`engine.transports: "x"`: {Engine: server.Engine{Transports: "x"}},
		`keep_headers: "a:"`:     {KeepHeaders: []string{"a:"}},
	} {
		cfg.JWT.HMACSecret = secret
		if err := cfg.WithDefaults().Check(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
