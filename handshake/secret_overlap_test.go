package handshake

import (
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oldSecret = Secret("an-old-secret-an-old-secret-an-old-secret")

// Field fault 19: two secrets of one issuer, the old beside the new.
func TestField19_OldAndNewSecretsOfTokens(t *testing.T) {
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret, PreviousHMACSecret: oldSecret}})
	for key, want := range map[Secret]Code{secret: "", oldSecret: "", "no-secret-of-anybody-at-all-and-long": CodeTokenInvalid} {
		_, err := g.Check(t.Context(), auth(sign(t, "HS256", []byte(key), good())))
		wantCode(t, err, want)
	}
	for want, cfg := range map[string]JWTConfig{
		"jwt.previous_hmac_secret: 5 bytes":       {HMACSecret: secret, PreviousHMACSecret: "short"},
		"jwt.previous_hmac_secret: stands beside": {PublicKeyFile: "x.pem", PreviousHMACSecret: oldSecret},
	} {
		if _, err := NewGate(GateConfig{JWT: cfg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Field fault 19: each key of a PEM file verifies.
func TestField19_AFileWithTwoPublicKeys(t *testing.T) {
	one, two := ecKey(t, elliptic.P256()), rsaKey(t)
	_, first := keyPair(t, one)
	_, second := keyPair(t, two)
	both := filepath.Join(t.TempDir(), "both.pem")
	var text []byte
	for _, file := range []string{first, second} {
		part, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, part...)
	}
	if err := os.WriteFile(both, text, 0o600); err != nil {
		t.Fatal(err)
	}
	g := newGate(t, GateConfig{JWT: JWTConfig{PublicKeyFile: both}})
	_, err := g.Check(t.Context(), auth(sign(t, "ES256", one, good())))
	wantCode(t, err, "")
	_, err = g.Check(t.Context(), auth(sign(t, "RS256", two, good())))
	wantCode(t, err, "")
	_, err = g.Check(t.Context(), auth(sign(t, "ES256", ecKey(t, elliptic.P256()), good())))
	wantCode(t, err, CodeTokenInvalid)
}

// Field fault 19: the back end may know the old secret or the new one.
func TestField19_OldAndNewSecretsOfTheCallback(t *testing.T) {
	var header, timestamp, body string
	address, _ := backend(t, func(w http.ResponseWriter, r *http.Request) {
		read, _ := io.ReadAll(r.Body)
		header, timestamp, body = r.Header.Get("Gatehouse-Signature"), r.Header.Get("Gatehouse-Timestamp"), string(read)
		_, _ = io.WriteString(w, `{"subject":"ann"}`)
	})
	g, _ := callbackGate(t, CallbackConfig{URL: address, PreviousSecret: oldSecret})
	_, err := g.Check(t.Context(), auth("opaque"))
	wantCode(t, err, "")
	var want []string
	for _, key := range []Secret{callbackSecret, oldSecret} {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(timestamp + "." + body))
		want = append(want, "v1="+hex.EncodeToString(mac.Sum(nil)))
	}
	if header != strings.Join(want, " ") {
		t.Errorf("signed with %q", header)
	}
}

// Field fault 19: pages that were loaded before a change of the secret still
// work.
func TestField19_OldAndNewSecretsOfCSRFTokens(t *testing.T) {
	gate := func(key, previous Secret) *Gate {
		return newGate(t, GateConfig{
			JWT: JWTConfig{HMACSecret: secret}, Auth: AuthConfig{Methods: []string{MethodCookie}},
			Cookie: CookieConfig{CSRFSecret: key, PreviousCSRFSecret: previous},
		})
	}
	before, during, after := gate(oldSecret, ""), gate(csrfSecret, oldSecret), gate(csrfSecret, "")
	session := signHS(t, good())
	r := withCSRF(t, before, fromPage(session))
	_, err := during.Check(t.Context(), r)
	wantCode(t, err, "")
	_, err = after.Check(t.Context(), r)
	wantCode(t, err, CodeForbidden)
	_, err = after.Check(t.Context(), withCSRF(t, during, fromPage(session)))
	wantCode(t, err, "")
}
