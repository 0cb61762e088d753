package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
)

func TestTheServerSaysThatItLivesAndIsReady(t *testing.T) {
	r := serve(t, server.Config{})
	for path, body := range map[string]string{"/healthz": `{"status":"alive"}`, "/readyz": `{"status":"ready"}`} {
		status, text := request(t, http.MethodGet, r.url(path), "", "")
		if status != http.StatusOK || strings.TrimSpace(text) != body {
			t.Errorf("%s: %d %s", path, status, text)
		}
		if status, _ := request(t, http.MethodPost, r.url(path), "", ""); status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, status)
		}
	}
}

func TestTheEndpointIsThereWithAndWithoutItsLastSlashAndBelow(t *testing.T) {
	r := serve(t, server.Config{})
	for _, path := range []string{"/socket.io", "/socket.io/", "/socket.io/anything/", "/socket.io/any/thing", "/socket.io//"} {
		status, body := request(t, http.MethodGet, r.url(path+"?EIO=4&transport=polling"), "", "")
		if status != http.StatusOK || !strings.HasPrefix(body, `0{"sid":`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestThereIsNoDemoLoginWithoutDevMode(t *testing.T) {
	r := serve(t, server.Config{})
	status, body := request(t, http.MethodPost, r.url("/demo/login"), "application/json", `{"name":"Ada"}`)
	if status/100 == 2 || strings.Contains(body, "token") {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheDemoLoginGivesATokenThatIsAccepted(t *testing.T) {
	whoami := namespaces.New("/whoami")
	names := make(chan string, 1)
	whoami.OnConnect(func(_ context.Context, s *namespaces.Socket) { names <- s.Identity().Subject + " " + s.Identity().Name })
	r := serve(t, server.Config{Dev: true}, whoami)
	status, body := request(t, http.MethodPost, r.url("/demo/login"), "application/json; charset=utf-8", `{"name":"  Ada  "}`)
	var given struct{ Token string }
	if err := json.Unmarshal([]byte(body), &given); err != nil || status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if reply := enter(dial(t, r.addr, "websocket"), "/whoami", given.Token); !strings.HasPrefix(reply, `40/whoami,{"sid":`) {
		t.Fatal(reply)
	}
	if got := <-names; got != "Ada Ada" {
		t.Errorf("the server knows the client as %q", got)
	}
}

func TestTheDemoLoginRefusesInWords(t *testing.T) {
	r := serve(t, server.Config{Dev: true})
	jsonType := http.Header{"Content-Type": {"application/json"}}
	for name, c := range map[string]struct {
		method, body string
		header       http.Header
		status       int
		code         string
	}{
		"no name":         {"POST", `{}`, jsonType, 400, "invalid_name"},
		"an empty name":   {"POST", `{"name":" \t "}`, jsonType, 400, "invalid_name"},
		"too long a name": {"POST", `{"name":"` + strings.Repeat("é", 41) + `"}`, jsonType, 400, "invalid_name"},
		"control":         {"POST", `{"name":"a\u0007b"}`, jsonType, 400, "invalid_name"},
		"turned text":     {"POST", `{"name":"a\u202eb"}`, jsonType, 400, "invalid_name"},
		"no JSON":         {"POST", `name=Ada`, jsonType, 400, "invalid_name"},
		"more than JSON":  {"POST", `{"name":"Ada"}{}`, jsonType, 400, "invalid_name"},
		"too large":       {"POST", `{"name":"` + strings.Repeat("a", 2000) + `"}`, jsonType, 413, "too_large"},
		"a form":          {"POST", `name=Ada`, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415, "unsupported_media_type"},
		"no type":         {"POST", `{"name":"Ada"}`, http.Header{}, 415, "unsupported_media_type"},
		"GET":             {"GET", ``, jsonType, 405, "method_not_allowed"},
		"a foreign page":  {"POST", `{"name":"Ada"}`, http.Header{"Content-Type": {"application/json"}, "Origin": {"https://evil.example"}}, 403, "origin_forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := requestWith(t, c.method, r.url("/demo/login"), c.body, c.header)
			var answer struct {
				OK    *bool
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if status != c.status || answer.OK == nil || *answer.OK || answer.Error.Code != c.code || answer.Error.Message == "" {
				t.Errorf("%d %s, want %d %s", status, body, c.status, c.code)
			}
		})
	}
}

func TestOriginsHoldForEveryRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    server.Config
		origin string
		status int
	}{
		{"no page", server.Config{}, "", 200},
		{"a foreign page", server.Config{}, "https://evil.example", 403},
		{"a page of this machine", server.Config{}, "http://localhost:5173", 403},
		{"a page of this machine in dev mode", server.Config{Dev: true}, "http://localhost:5173", 200},
		{"a foreign page in dev mode", server.Config{Dev: true}, "http://localhost.evil.example", 403},
		{"a listed page", server.Config{Origins: handshake.OriginConfig{Allow: []string{"https://app.example"}}}, "https://app.example", 200},
		{"null", server.Config{}, "null", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Engine.CloseTimeout = 50 * time.Millisecond // nobody polls the session that this opens
			r := serve(t, c.cfg)
			header := http.Header{}
			if c.origin != "" {
				header.Set("Origin", c.origin)
			}
			status, body := requestWith(t, http.MethodGet, r.url("/socket.io/?EIO=4&transport=polling"), "", header)
			if status != c.status {
				t.Errorf("%d %s, want %d", status, body, c.status)
			}
		})
	}
}

func TestTheAddressInTheLogIsTheClientsBehindATrustedProxyOnly(t *testing.T) {
	for _, c := range []struct {
		proxies []string
		peer    string
	}{
		{nil, `"peer":"127.0.0.1"`},
		{[]string{"127.0.0.1"}, `"peer":"203.0.113.7"`},
	} {
		r := serve(t, server.Config{TrustedProxies: c.proxies})
		requestWith(t, http.MethodGet, r.url("/socket.io/?EIO=4&transport=polling"), "", http.Header{
			"X-Forwarded-For": {"198.51.100.1, 203.0.113.7"},
		})
		if err := r.stopped(); err != nil {
			t.Error(err)
		}
		says(t, r.log.String(), c.peer)
	}
}

func TestAListenerThatFailsEndsTheServerWithItsError(t *testing.T) {
	s, err := server.New(server.Config{JWT: handshake.JWTConfig{HMACSecret: secret}})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if err := s.Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want the listener's error", err)
	}
}

func TestAWrongConfigurationIsRefusedBeforeAnythingRuns(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  server.Config
		defs []namespaces.Definition
		says string
	}{
		"nobody could sign in":   {server.Config{}, nil, "nobody can sign in"},
		"two of one name":        {server.Config{}, []namespaces.Definition{namespaces.New("/a"), namespaces.New("/a")}, "defined twice"},
		"a name without a slash": {server.Config{}, []namespaces.Definition{namespaces.New("a")}, "name"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.defs != nil {
				c.cfg.JWT.HMACSecret = secret
			}
			_, err := server.New(c.cfg, c.defs...)
			if err == nil {
				t.Fatal("no error")
			}
			says(t, err.Error(), c.says)
		})
	}
}
