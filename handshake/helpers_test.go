package handshake

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time at which the tests take place.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

// secret is as long as HS512 needs.
const secret = Secret("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

func newGate(t *testing.T, cfg GateConfig) *Gate {
	t.Helper()
	if cfg.Deps.Clock == nil {
		cfg.Deps.Clock = atNoon
	}
	g, err := NewGate(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// hmacGate accepts tokens of the shared secret.
func hmacGate(t *testing.T) *Gate {
	t.Helper()
	return newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret}})
}

// good returns claims that are valid for an hour.
func good(more ...any) jwt.MapClaims {
	claims := jwt.MapClaims{"sub": "ann", "iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		if more[i+1] == nil {
			delete(claims, more[i].(string))
			continue
		}
		claims[more[i].(string)] = more[i+1]
	}
	return claims
}

// sign makes a token; header holds further header fields as pairs.
func sign(t *testing.T, alg string, key any, claims jwt.MapClaims, header ...any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i].(string)] = header[i+1]
	}
	raw, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func signHS(t *testing.T, claims jwt.MapClaims, header ...any) string {
	t.Helper()
	return sign(t, "HS256", []byte(secret), claims, header...)
}

// auth is a request whose payload holds the token.
func auth(token string) *Request {
	raw, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		panic(err)
	}
	return &Request{Namespace: "/", Auth: raw}
}

// wantCode checks the refusal's code, and that nothing of it holds a secret.
func wantCode(t *testing.T, err error, code Code, secrets ...string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Fatalf("refused with %v (%v), want to be let in", err, errors.Unwrap(err))
		}
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("got %v, want a refusal with %s", err, code)
	}
	if refusal.Code != code {
		t.Fatalf("refused with %v (cause %v), want %s", refusal, refusal.Cause, code)
	}
	said := refusal.Error()
	if refusal.Cause != nil {
		said += refusal.Cause.Error()
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(said, secret) {
			t.Fatalf("the refusal holds the secret: %s", said)
		}
	}
}

// keyPair writes a pair of PEM files and returns their paths.
func keyPair(t *testing.T, private crypto.Signer) (privateFile, publicFile string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	privateFile, publicFile = filepath.Join(dir, "private.pem"), filepath.Join(dir, "public.pem")
	writePEM(t, privateFile, "PRIVATE KEY", der)
	writePEM(t, publicFile, "PUBLIC KEY", public)
	return privateFile, publicFile
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	block := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
