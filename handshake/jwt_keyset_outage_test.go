package handshake

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Field fault 5: a key set that is away for a moment causes refusals only for a moment.
func TestField05_AFailedReadIsTriedAgainInASecondOrTwo(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	p := newIDP(t, nil)
	g, now := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL}})
	token := sign(t, "ES256", key, good(), "kid", "k")
	_, err := g.Check(t.Context(), auth(token))
	wantCode(t, err, CodeUnavailable)
	if wait := refusalOf(t, err).RetryAfter; wait <= 0 || wait > 2*time.Second {
		t.Errorf("try again after %v", wait)
	}
	p.serve(jwks(jwk(t, key, "k", "", "")))
	*now = now.Add(2 * time.Second)
	_, err = g.Check(t.Context(), auth(token))
	wantCode(t, err, "")
}

// Field fault 5: an issuer that stays away is asked less and less often.
func TestField05_AnIssuerThatStaysAwayIsAskedLessOften(t *testing.T) {
	p := newIDP(t, nil)
	g, now := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL}})
	token := sign(t, "ES256", ecKey(t, elliptic.P256()), good(), "kid", "k")
	for range 300 { // a minute, five CONNECTs a second
		_, err := g.Check(t.Context(), auth(token))
		wantCode(t, err, CodeUnavailable)
		*now = now.Add(200 * time.Millisecond)
	}
	if n := p.count(); n < 4 || n > 10 {
		t.Errorf("asked %d times in a minute", n)
	}
}

// Field fault 5: after a rotation of keys the cooldown causes no token_invalid.
func TestField05_AKeyHeldUpByTheCooldownIsAPassingCause(t *testing.T) {
	old, next := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	p := newIDP(t, jwks(jwk(t, old, "old", "", "")))
	g, now := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL}})
	check := func(kid string) error {
		_, err := g.Check(t.Context(), auth(sign(t, "ES256", next, good(), "kid", kid)))
		return err
	}
	_, err := g.Check(t.Context(), auth(sign(t, "ES256", old, good(), "kid", "old")))
	wantCode(t, err, "")
	wantCode(t, check("made up"), CodeTokenInvalid) // read again, and not there
	p.serve(jwks(jwk(t, old, "old", "", ""), jwk(t, next, "next", "", "")))
	err = check("next")
	wantCode(t, err, CodeUnavailable)
	wait := refusalOf(t, err).RetryAfter
	if wait <= 0 || wait > 30*time.Second {
		t.Fatalf("try again after %v", wait)
	}
	*now = now.Add(wait)
	wantCode(t, check("next"), "")
	if p.count() != 3 {
		t.Errorf("%d reads", p.count())
	}
}

// Field fault 11: a key that is listed twice counts once; different ones under one name are each
// tried.
func TestField11_AKeySetThatListsAKeyTwice(t *testing.T) {
	one, two := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	for name, set := range map[string][]byte{
		"the same, one kid":   jwks(jwk(t, one, "k", "ES256", "sig"), jwk(t, one, "k", "", "")),
		"the same, no kid":    jwks(jwk(t, one, "", "", ""), jwk(t, one, "", "", "")),
		"the same, two kids":  jwks(jwk(t, one, "k", "", ""), jwk(t, one, "l", "", "")),
		"different, one kid":  jwks(jwk(t, two, "k", "", ""), jwk(t, one, "k", "", "")),
		"different, no kid":   jwks(jwk(t, two, "", "", ""), jwk(t, one, "", "", "")),
		"different, two kids": jwks(jwk(t, two, "l", "", ""), jwk(t, one, "k", "", "")),
	} {
		t.Run(name, func(t *testing.T) {
			p := newIDP(t, set)
			g, _ := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL}})
			var header []any
			if strings.Contains(name, "one kid") {
				header = []any{"kid", "k"}
			}
			_, err := g.Check(t.Context(), auth(sign(t, "ES256", one, good(), header...)))
			wantCode(t, err, "")
			_, err = g.Check(t.Context(), auth(sign(t, "ES256", ecKey(t, elliptic.P256()), good(), header...)))
			wantCode(t, err, CodeTokenInvalid)
		})
	}
}

// Field fault 11: a key of no use is named in the log, once.
func TestField11_KeysOfNoUseAreLogged(t *testing.T) {
	var log bytes.Buffer
	weak := json.RawMessage(`{"kty":"RSA","kid":"weak","n":"3q2-7w","e":"AQAB"}`)
	p := newIDP(t, jwks(jwk(t, ecKey(t, elliptic.P256()), "k", "", ""), weak, json.RawMessage(`{"kty":"new","kid":"newer"}`), jwk(t, rsaKey(t), "enc", "", "enc")))
	g, now := clockedGate(t, GateConfig{
		JWT:  JWTConfig{JWKSURL: p.URL, JWKSRefresh: time.Minute},
		Deps: Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))},
	})
	for range 3 {
		_, err := g.Check(t.Context(), auth(sign(t, "RS256", rsaKey(t), good(), "kid", "weak")))
		wantCode(t, err, CodeTokenInvalid)
		*now = now.Add(time.Minute)
	}
	for _, kid := range []string{"weak", "newer"} {
		if n := strings.Count(log.String(), "kid="+kid); n != 1 {
			t.Errorf("%s is named %d times in\n%s", kid, n, log.String())
		}
	}
	if strings.Contains(log.String(), "kid=enc") {
		t.Errorf("a key for others is named in\n%s", log.String())
	}
}

// Field fault 14: a file of keys is read when the configuration is checked.
func TestField14_AFileOfKeysIsReadAtStart(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.json")
	if err := os.WriteFile(empty, []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, file := range map[string]string{"nowhere.json: no such file": "nowhere.json", "no public signing key": empty} {
		_, err := NewGate(GateConfig{JWT: JWTConfig{JWKSFile: file}})
		if err == nil || !strings.Contains(err.Error(), "jwt.jwks_file: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Field fault 14: addresses are read before the first client, with a line in the log.
func TestField14_AddressesAreReadBeforeTheFirstClient(t *testing.T) {
	var log bytes.Buffer
	good := newIDP(t, jwks(jwk(t, ecKey(t, elliptic.P256()), "k", "", "")))
	moved := newMoved(t)
	g, _ := clockedGate(t, GateConfig{
		JWT:     JWTConfig{JWKSURL: good.URL, Issuer: "one"},
		Issuers: []JWTConfig{{JWKSURL: moved, Issuer: "two"}},
		Deps:    Deps{Logger: slog.New(slog.NewTextHandler(&log, nil))},
	})
	g.ReadKeySets(t.Context())
	for _, want := range []string{"level=INFO", "keys=1", "level=WARN", "status 301", "https://login.example.com/keys", "issuers[0].jwks_url"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log.String())
		}
	}
}

// newMoved serves a key set that has moved.
func newMoved(t *testing.T) string {
	t.Helper()
	address, _ := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://login.example.com/keys?secret=1")
		w.WriteHeader(http.StatusMovedPermanently)
		_, _ = io.WriteString(w, "moved")
	})
	return address
}

// A key set over http to another machine is a setting that looks unsafe.
func TestAKeySetOverHTTPHasToBeAskedFor(t *testing.T) {
	cfg := JWTConfig{JWKSURL: "http://keys.internal/jwks"}
	if _, err := NewGate(GateConfig{JWT: cfg}); err == nil || !strings.Contains(err.Error(), "jwt.insecure_http") {
		t.Errorf("got %v", err)
	}
	cfg.InsecureHTTP = true
	g, err := NewGate(GateConfig{JWT: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if !strings.Contains(fmt.Sprint(g.Warnings()), "jwt.insecure_http") {
		t.Errorf("no warning in %v", g.Warnings())
	}
}
