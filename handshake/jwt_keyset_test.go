package handshake

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
)

// jwk renders a public key as an issuer's key set has it.
func jwk(t *testing.T, key crypto.Signer, kid, alg, use string) json.RawMessage {
	t.Helper()
	one, err := jwkset.NewJWKFromKey(key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{
		KID: kid, ALG: jwkset.ALG(alg), USE: jwkset.USE(use),
	}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(one.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func jwks(keys ...json.RawMessage) []byte {
	raw, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return raw
}

// idp is an issuer's web server, whose key set the test changes.
type idp struct {
	*httptest.Server
	mu     sync.Mutex // guards what follows
	set    []byte     // nil answers 500
	served int
}

func newIDP(t *testing.T, set []byte) *idp {
	t.Helper()
	p := &idp{set: set}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.served++
		if p.set == nil {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(p.set)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *idp) serve(set []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set = set
}

func (p *idp) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

// clockedGate has a clock that the test moves, and is closed with the test.
func clockedGate(t *testing.T, cfg GateConfig) (*Gate, *time.Time) {
	t.Helper()
	now := noon
	cfg.Deps.Clock = func() time.Time { return now }
	g := newGate(t, cfg)
	t.Cleanup(g.Close)
	return g, &now
}

func TestReq16_KeySetsKeepTheAlgorithmOfEachKey(t *testing.T) {
	rsaOne, ec, ed := rsaKey(t), ecKey(t, elliptic.P256()), edKey(t)
	symmetric := json.RawMessage(`{"kty":"oct","kid":"s","alg":"HS256","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}`)
	p := newIDP(t, jwks(
		jwk(t, rsaOne, "r", "RS256", "sig"), jwk(t, ec, "e", "", ""), jwk(t, ed, "d", "EdDSA", "sig"),
		jwk(t, rsaKey(t), "enc", "", "enc"), symmetric, json.RawMessage(`{"kty":"new"}`), json.RawMessage(`7`),
	))
	g, _ := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL}})
	for name, c := range map[string]struct {
		alg  string
		key  any
		kid  any
		want Code
	}{
		"rsa":                      {"RS256", rsaOne, "r", ""},
		"ec":                       {"ES256", ec, "e", ""},
		"ed25519":                  {"EdDSA", ed, "d", ""},
		"no kid, one key can":      {"ES256", ec, "", ""},
		"PS256 with an RS256 key":  {"PS256", rsaOne, "r", CodeTokenInvalid},
		"the key of another kid":   {"RS256", rsaOne, "e", CodeTokenInvalid},
		"the symmetric key":        {"HS256", []byte("0123456789abcdef0123456789abcdef"), "s", CodeTokenInvalid},
		"a kid that nobody has":    {"RS256", rsaOne, "x", CodeTokenInvalid},
		"a key that only encrypts": {"RS256", rsaOne, "enc", CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Check(t.Context(), auth(sign(t, c.alg, c.key, good(), "kid", c.kid)))
			wantCode(t, err, c.want)
		})
	}
}

func TestReq17_AnUnknownKidCausesOneRefetch(t *testing.T) {
	old, next := rsaKey(t), rsaKey(t)
	p := newIDP(t, jwks(jwk(t, old, "old", "", "")))
	g, now := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL}})
	check := func(key *rsa.PrivateKey, kid string, want Code) {
		t.Helper()
		_, err := g.Check(t.Context(), auth(sign(t, "RS256", key, good(), "kid", kid)))
		wantCode(t, err, want)
	}
	check(old, "old", "")
	check(old, "old", "")
	if p.count() != 1 {
		t.Fatalf("%d reads for a known key", p.count())
	}
	p.serve(jwks(jwk(t, old, "old", "", ""), jwk(t, next, "next", "", "")))
	check(next, "next", "")
	for range 50 { // made-up names cause no traffic
		check(old, "made up", CodeUnavailable)
	}
	if p.count() != 2 {
		t.Fatalf("%d reads", p.count())
	}
	*now = noon.Add(31 * time.Second)
	check(old, "made up", CodeTokenInvalid)
	if p.count() != 3 {
		t.Fatalf("%d reads after the cooldown", p.count())
	}
}

func TestReq17_ReadsOfAKeySetAreSingleFlight(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	entered, release, reads := make(chan struct{}), make(chan struct{}), 0
	s := newKeySet("jwt", JWTConfig{JWKSURL: "http://127.0.0.1/"}.withDefaults(), Deps{Clock: atNoon}.withDefaults())
	s.load = func(context.Context) ([]byte, error) {
		reads++
		close(entered)
		<-release
		return jwks(jwk(t, key, "k", "", "")), nil
	}
	var all sync.WaitGroup
	find := func() {
		if _, err := s.find(t.Context(), "k", "ES256"); err != nil {
			t.Error(err)
		}
	}
	all.Go(find)
	<-entered
	for range 20 {
		all.Go(find)
	}
	close(release)
	all.Wait()
	if reads != 1 {
		t.Fatalf("%d reads", reads)
	}
}

func TestReq17_TheLastGoodSetIsKeptUntilItsLimit(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	p := newIDP(t, nil)
	g, now := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSURL: p.URL, JWKSRefresh: time.Minute, JWKSMaxStale: time.Hour, JWKSCooldown: 10 * time.Second}})
	check := func(want Code) {
		t.Helper()
		_, err := g.Check(t.Context(), auth(sign(t, "ES256", key, good("exp", noon.Add(9*time.Hour).Unix()), "kid", "k")))
		wantCode(t, err, want)
	}
	check(CodeUnavailable) // never read yet
	p.serve(jwks(jwk(t, key, "k", "", "")))
	check(CodeUnavailable) // a moment later
	*now = now.Add(time.Second)
	check("")
	for _, broken := range [][]byte{nil, []byte("<html>"), jwks()} {
		p.serve(broken)
		*now = now.Add(2 * time.Minute)
		check("")
	}
	*now = now.Add(time.Hour)
	check(CodeUnavailable)
	p.serve(jwks(jwk(t, key, "k", "", "")))
	*now = now.Add(keySetRetry.Max)
	check("")
}

func TestReq17_RemovedKeysStopWorking(t *testing.T) {
	old := ecKey(t, elliptic.P256())
	file := filepath.Join(t.TempDir(), "keys.json")
	write := func(keys ...json.RawMessage) {
		if err := os.WriteFile(file, jwks(keys...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(jwk(t, old, "old", "", ""))
	g, now := clockedGate(t, GateConfig{JWT: JWTConfig{JWKSFile: file, JWKSRefresh: time.Minute}})
	token := auth(sign(t, "ES256", old, good(), "kid", "old"))
	_, err := g.Check(t.Context(), token)
	wantCode(t, err, "")
	write(jwk(t, ecKey(t, elliptic.P256()), "new", "", ""))
	*now = now.Add(time.Minute)
	_, err = g.Check(t.Context(), token)
	wantCode(t, err, CodeTokenInvalid)
}

func TestReq18_IssuersDoNotShareKeys(t *testing.T) {
	one, two := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	_, first := keyPair(t, one)
	p := newIDP(t, jwks(jwk(t, two, "k", "", "")))
	cfg := GateConfig{
		JWT:     JWTConfig{PublicKeyFile: first, Issuer: "https://one.example"},
		Issuers: []JWTConfig{{JWKSURL: p.URL, Issuer: "https://two.example", MaxBytes: 600}},
	}
	g, _ := clockedGate(t, cfg)
	for name, c := range map[string]struct {
		key  *ecdsa.PrivateKey
		iss  any
		pad  int
		want Code
	}{
		"first":                   {one, "https://one.example", 0, ""},
		"second":                  {two, "https://two.example", 0, ""},
		"first's key for second":  {one, "https://two.example", 0, CodeTokenInvalid},
		"second's key for first":  {two, "https://one.example", 0, CodeTokenInvalid},
		"an issuer of neither":    {one, "https://three.example", 0, CodeTokenInvalid},
		"no issuer":               {one, nil, 0, CodeTokenInvalid},
		"over the second's limit": {two, "https://two.example", 600, CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			token := sign(t, "ES256", c.key, good("iss", c.iss, "pad", strings.Repeat("x", c.pad)), "kid", "k")
			_, err := g.Check(t.Context(), auth(token))
			wantCode(t, err, c.want, token)
		})
	}
	cfg.Issuers = append(cfg.Issuers, JWTConfig{PublicKeyFile: first, Issuer: "https://three.example"})
	if _, err := NewGate(cfg); err == nil || !strings.Contains(err.Error(), "issuers[1]: has the same key as jwt") {
		t.Errorf("got %v", err)
	}
	cfg.Issuers = []JWTConfig{{JWKSURL: p.URL}}
	if _, err := NewGate(cfg); err == nil || !strings.Contains(err.Error(), "each needs its own issuer") {
		t.Errorf("got %v", err)
	}
}

func TestKeySetConfigurationIsChecked(t *testing.T) {
	for want, cfg := range map[string]JWTConfig{
		"jwt.jwks_url: http://id.example is not https":  {JWKSURL: "http://id.example/keys"},
		"jwt.jwks_url: is no address":                   {JWKSURL: "keys.json"},
		`jwt.algorithm: "HS256" does not fit a key set`: {JWKSURL: "https://id.example/keys", Algorithm: "HS256"},
	} {
		if _, err := NewGate(GateConfig{JWT: cfg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := parseKeySet([]byte(`{"keys":[`+strings.Repeat(`{},`, maxKeys)+`{}]}`), ""); err == nil || errors.Is(err, errUnknownKey) {
		t.Errorf("got %v", err)
	}
}

func FuzzParseKeySet(f *testing.F) {
	for _, seed := range []string{`{"keys":[]}`, `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := parseKeySet(raw, "")
		for _, key := range set.keys {
			if err != nil || key.method == nil || strings.HasPrefix(key.method.Alg(), "HS") || key.method.Alg() == "none" {
				t.Fatalf("a key of %v in a set", key.method)
			}
		}
	})
}
