package server_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/wiretest"
	"gatehouse/server"
)

// preflight asks as a browser does before a request with these headers.
func preflight(t *testing.T, url, origin, headers string) http.Header {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	req.Header.Set("Access-Control-Request-Method", http.MethodPost)
	req.Header.Set("Access-Control-Request-Headers", headers)
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.Header
}

// Libraries that trace requests add headers to every request.
func TestEveryEndpointHasTheSameCORS(t *testing.T) {
	cfg := server.Config{Dev: true}
	cfg.Origins.Allow = []string{"self", "https://app.example"}
	r := serve(t, cfg)
	const headers = "authorization, content-type, traceparent, tracestate, baggage, x-csrf-token"
	for _, path := range []string{"/socket.io/?EIO=4&transport=polling", "/socket.io/socket.io.js", "/auth/tickets", "/auth/csrf", "/demo/login"} {
		h := preflight(t, r.url(path), "https://app.example", headers)
		if h.Get("Access-Control-Allow-Origin") != "https://app.example" || h.Get("Access-Control-Allow-Credentials") != "true" ||
			h.Get("Access-Control-Allow-Headers") != headers || !strings.Contains(strings.Join(h["Vary"], ","), "Origin") {
			t.Errorf("%s: an allowed page gets %v", path, h)
		}
		if h := preflight(t, r.url(path), "https://evil.example", headers); h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: a foreign page gets %v", path, h)
		}
	}
}

func TestADrainMayServeUntilTheBalancerKnows(t *testing.T) {
	cfg := server.Config{Drain: server.Drain{Delay: time.Hour, Timeout: 2 * time.Hour}}
	r := serve(t, cfg, who("/who")...)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.server.Shutdown(ctx) }()
	for guard := time.Now().Add(time.Minute); ; {
		status, body := request(t, http.MethodGet, r.url("/readyz"), "", "")
		if status == http.StatusServiceUnavailable && strings.Contains(body, "draining") {
			break
		}
		if time.Now().After(guard) {
			t.Fatalf("/readyz: %d %s", status, body)
		}
	}
	for _, transport := range wiretest.Transports {
		c := come(t, r.addr, way{transport: transport})
		if got := sendConnect(c, "/who", `{"token":"`+token(t, "ada")+`"}`); got != "in" {
			t.Errorf("a new client over %s: %q", transport, got)
		}
		c.close()
	}
	cancel()
	<-ended
}

func TestTheDemosPagesAreTheDemos(t *testing.T) {
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("mine: " + r.URL.Path)) })
	page := func(cfg server.Config) (int, string) {
		return request(t, http.MethodGet, serve(t, cfg).url("/"), "", "")
	}
	if status, _ := page(server.Config{}); status != http.StatusNotFound {
		t.Errorf("a production server answers / with %d", status)
	}
	if status, body := page(server.Config{Handler: own, Dev: true}); status != http.StatusOK || body != "mine: /" {
		t.Errorf("with a handler of one's own: %d %s", status, body)
	}
	if status, _ := page(server.Config{Pages: true}); status == http.StatusNotFound {
		t.Error("pages: true shows no page")
	}
}

func TestWhoListensByThemselvesHasTheOperatorsSurfacesToo(t *testing.T) {
	cfg := server.Config{Dev: true}
	for key, want := range map[string]int{adminKey: http.StatusOK, "": http.StatusForbidden} {
		cfg.Admin.Addr = "127.0.0.1:0"
		cfg.Admin.Key = ""
		if key != "" {
			cfg.Admin.Key = adminKey
		}
		var log journal
		cfg.Logger = log.logger(t, cfg.Log)
		cfg.JWT.HMACSecret = secret
		s, err := server.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Handler()
		says(t, log.String(), "AdminHandler")
		for path, want := range map[string]int{"/metrics": want, "/readyz": http.StatusOK} {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
			r.Header.Set("Authorization", "Bearer "+key)
			s.AdminHandler().ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("key %v, %s: %d, want %d", key != "", path, w.Code, want)
			}
		}
		s.Close()
		s.Close()
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	cfg := server.Config{Addr: "nowhere", Drain: server.Drain{Delay: -1, Timeout: time.Millisecond}}
	cfg.Log.Level = "loud"
	cfg.Engine.OutboxBytes = 1
	cfg.JWT.HMACSecret = "short"
	err := cfg.WithDefaults().Check()
	if err == nil {
		t.Fatal("taken")
	}
	says(t, err.Error(), "addr:", "drain.delay", "drain.timeout", "log.level", "engine.outbox_bytes", "jwt.hmac_secret")
}
