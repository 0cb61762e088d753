package handshake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const callbackSecret = Secret("callback-secret-callback-secret-callback")

// backend is a server that answers as the test says and counts.
func backend(t *testing.T, answer http.HandlerFunc) (address string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func callbackGate(t *testing.T, cfg CallbackConfig) (*Gate, *time.Time) {
	t.Helper()
	cfg.Secret = callbackSecret
	return clockedGate(t, GateConfig{Callback: cfg})
}

func TestCallbackRequestIsSigned(t *testing.T) {
	var got CallbackRequest
	address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		timestamp := r.Header.Get("Gatehouse-Timestamp")
		mac := hmac.New(sha256.New, []byte(callbackSecret))
		mac.Write([]byte(timestamp + "." + string(body)))
		if r.Header.Get("Gatehouse-Signature") != "v1="+hex.EncodeToString(mac.Sum(nil)) || timestamp != strconv.FormatInt(noon.Unix(), 10) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_ = json.Unmarshal(body, &got)
		_, _ = io.WriteString(w, `{"subject":"ann","name":"Ann","scopes":["chat"],"rooms":["r"],"claims":{"n":9007199254740993},"token_id":"t","session":"s","issued_at":1772366300,"expires_at":1772370000}`)
	})
	g, _ := callbackGate(t, CallbackConfig{URL: address})
	r := auth("opaque-token")
	r.Namespace, r.Host, r.Origin, r.RemoteAddr = "/chat", "chat.example", "http://chat.example", netip.MustParseAddr("192.0.2.1")
	id, err := g.Check(t.Context(), r)
	wantCode(t, err, "", "opaque-token")
	if got != (CallbackRequest{KindToken, MethodToken, "opaque-token", "", "/chat", "http://chat.example", "192.0.2.1"}) {
		t.Fatalf("asked %+v", got)
	}
	if id.Subject != "ann" || !id.Has("scope", "chat") || !id.Has("n", "9007199254740993") || id.Session != "s" || id.ExpiresAt.Unix() != 1772370000 {
		t.Fatalf("identity is %+v", id)
	}
}

func TestCallbackVerdicts(t *testing.T) {
	const token = "opaque-token"
	for name, c := range map[string]struct {
		status  int
		body    string
		want    Code
		message string
	}{
		"401":                     {401, ``, CodeTokenInvalid, ""},
		"401 with a code":         {401, `{"code":"token_expired","message":"Log in again."}`, CodeTokenExpired, "Log in again."},
		"403":                     {403, `{"message":"Not you."}`, CodeForbidden, "Not you."},
		"a code of another kind":  {403, `{"code":"rate_limited"}`, CodeForbidden, ""},
		"200 without subject":     {200, `{}`, CodeUnavailable, ""},
		"200 without JSON":        {200, `<html>`, CodeUnavailable, ""},
		"200 with two values":     {200, `{"subject":"ann"}{}`, CodeUnavailable, ""},
		"200 but expired":         {200, `{"subject":"ann","expires_at":5}`, CodeTokenExpired, ""},
		"500":                     {500, `{"subject":"ann"}`, CodeUnavailable, ""},
		"404":                     {404, `{"subject":"ann"}`, CodeUnavailable, ""},
		"a redirect to elsewhere": {302, `{"subject":"ann"}`, CodeUnavailable, ""},
		"an endless reply":        {200, `{"subject":"` + strings.Repeat("a", maxReplyBytes) + `"}`, CodeUnavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address, asked := backend(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("followed the redirect")
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			g, _ := callbackGate(t, CallbackConfig{URL: address})
			for range 2 { // a no is not remembered
				_, err := g.Check(t.Context(), auth(token))
				wantCode(t, err, c.want, token)
				if c.message != "" && !strings.Contains(err.Error(), c.message) {
					t.Fatalf("said %v", err)
				}
			}
			if asked.Load() != 2 && c.body != `{"subject":"ann","expires_at":5}` {
				t.Fatalf("asked %d times", asked.Load())
			}
		})
	}
}

func TestCallbackRemembersAYesForAMoment(t *testing.T) {
	address, asked := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"subject":"ann"}`) })
	g, now := callbackGate(t, CallbackConfig{URL: address, CacheSize: 2})
	check := func(token, namespace string, want int32) {
		t.Helper()
		r := auth(token)
		r.Namespace = namespace
		_, err := g.Check(t.Context(), r)
		wantCode(t, err, "")
		if asked.Load() != want {
			t.Fatalf("asked %d times, want %d", asked.Load(), want)
		}
	}
	check("a", "/", 1)
	check("a", "/", 1)
	check("a", "/chat", 2) // another question
	check("b", "/", 3)     // a third entry: the oldest gives way
	check("a", "/", 4)
	*now = noon.Add(6 * time.Second)
	check("a", "/", 5)
}

func TestCallbackStopsAskingAServerThatIsDown(t *testing.T) {
	address, asked := backend(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	g, _ := callbackGate(t, CallbackConfig{URL: address})
	for i := range 20 {
		_, err := g.Check(t.Context(), from(i, "opaque"))
		wantCode(t, err, CodeUnavailable)
	}
	if asked.Load() != 5 {
		t.Fatalf("asked %d times", asked.Load())
	}
}

func TestCallbackJudgesOpaqueCookies(t *testing.T) {
	address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
		var q CallbackRequest
		_ = json.NewDecoder(r.Body).Decode(&q)
		if q.Kind == KindCookie && q.Credential == "s:opaque" {
			_, _ = io.WriteString(w, `{"subject":"ann"}`)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
	g, _ := clockedGate(t, GateConfig{
		Auth: AuthConfig{Methods: []string{MethodCookie}}, Cookie: CookieConfig{CSRFSecret: csrfSecret},
		Callback: CallbackConfig{URL: address, Secret: callbackSecret, Kinds: []string{"cookie"}},
	})
	_, err := g.Check(t.Context(), withCSRF(t, g, fromPage("s:opaque")))
	wantCode(t, err, "")
	_, err = g.Check(t.Context(), withCSRF(t, g, fromPage("s:other")))
	wantCode(t, err, CodeUnauthenticated, "s:other")
}

func TestIntrospection(t *testing.T) {
	replies := map[string]string{
		"good":          `{"active":true,"sub":"ann","scope":"chat orders","iss":"https://id.example","aud":["gatehouse"],"exp":1772370000,"jti":"t"}`,
		"inactive":      `{"active":false,"sub":"ann"}`,
		"odd":           `{"active":"true","sub":"ann"}`,
		"other issuer":  `{"active":true,"sub":"ann","iss":"https://other.example","aud":"gatehouse"}`,
		"other service": `{"active":true,"sub":"ann","iss":"https://id.example","aud":"billing"}`,
		"expired":       `{"active":true,"sub":"ann","iss":"https://id.example","aud":"gatehouse","exp":5}`,
		"early":         `{"active":true,"sub":"ann","iss":"https://id.example","aud":"gatehouse","nbf":1999999999}`,
		"nobody":        `{"active":true,"iss":"https://id.example","aud":"gatehouse"}`,
		"no JSON":       `<html>`,
	}
	address, asked := backend(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "gate%3Ahouse" || password != "s%26cret" || r.FormValue("token_type_hint") != "access_token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, replies[r.FormValue("token")])
	})
	g, _ := clockedGate(t, GateConfig{Introspection: IntrospectionConfig{
		URL: address, ClientID: "gate:house", ClientSecret: "s&cret", Issuer: "https://id.example", Audience: []string{"gatehouse"},
	}})
	for token, want := range map[string]Code{
		"good": "", "inactive": CodeTokenInvalid, "odd": CodeTokenInvalid, "other issuer": CodeTokenInvalid, "other service": CodeTokenInvalid,
		"expired": CodeTokenExpired, "early": CodeTokenInvalid, "nobody": CodeTokenInvalid, "no JSON": CodeUnavailable,
	} {
		id, err := g.Check(t.Context(), auth(token))
		wantCode(t, err, want)
		if want == "" && (id.Subject != "ann" || !id.Has("scope", "orders") || id.TokenID != "t") {
			t.Fatalf("identity is %+v", id)
		}
	}
	before := asked.Load()
	_, err := g.Check(t.Context(), auth("good"))
	wantCode(t, err, "")
	if asked.Load() != before {
		t.Error("a yes was not remembered")
	}
	_, err = g.Check(t.Context(), auth(strings.Repeat("x", defaultMaxToken+1)))
	wantCode(t, err, CodeTokenInvalid)
}

func TestTokensOfOtherIssuersGoToIntrospection(t *testing.T) {
	address, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"active":true,"sub":"bob"}`) })
	g, _ := clockedGate(t, GateConfig{
		JWT:           JWTConfig{HMACSecret: secret, Issuer: "https://one.example"},
		Introspection: IntrospectionConfig{URL: address, ClientID: "c", ClientSecret: "s"},
	})
	for iss, want := range map[string]string{"https://one.example": "ann", "https://two.example": "bob"} {
		id, err := g.Check(t.Context(), auth(signHS(t, good("iss", iss))))
		wantCode(t, err, "")
		if id.Subject != want {
			t.Errorf("%s: is %s", iss, id.Subject)
		}
	}
	bad := sign(t, "HS256", []byte("another secret, of which nobody knows"), good("iss", "https://one.example"))
	_, err := g.Check(t.Context(), auth(bad))
	wantCode(t, err, CodeTokenInvalid) // refused by its issuer: no other verifier is asked
}

func TestRemoteConfigurationIsChecked(t *testing.T) {
	base := GateConfig{JWT: JWTConfig{HMACSecret: secret}}
	for want, change := range map[string]func(*GateConfig){
		"callback.url: http://app.example is not https": func(c *GateConfig) { c.Callback = CallbackConfig{URL: "http://app.example/x", Secret: callbackSecret} },
		"callback.secret: 0 bytes, at least 32":         func(c *GateConfig) { c.Callback.URL = "https://app.example" },
		"callback.timeout: 1m0s is more than 30s":       func(c *GateConfig) { c.Callback = CallbackConfig{URL: "https://app.example", Timeout: time.Minute} },
		"callback.cache_ttl: 1h0m0s is more than 5m0s":  func(c *GateConfig) { c.Callback = CallbackConfig{URL: "https://app.example", CacheTTL: time.Hour} },
		`callback.kinds: "ticket" cannot be asked about`: func(c *GateConfig) {
			c.Callback = CallbackConfig{URL: "https://app.example", Kinds: []string{"ticket"}}
		},
		"introspection.client_id, introspection.client_se": func(c *GateConfig) { c.Introspection.URL = "https://id.example" },
	} {
		cfg := base
		change(&cfg)
		if _, err := NewGate(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
