package handshake

import (
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestReq16_EveryAlgorithmWorksWithItsOwnKey(t *testing.T) {
	rsa := rsaKey(t)
	for _, c := range []struct {
		alg string
		key crypto.Signer
	}{
		{"RS256", rsa}, {"RS384", rsa}, {"RS512", rsa}, {"PS256", rsa}, {"PS384", rsa}, {"PS512", rsa},
		{"ES256", ecKey(t, elliptic.P256())}, {"ES384", ecKey(t, elliptic.P384())},
		{"ES512", ecKey(t, elliptic.P521())}, {"EdDSA", edKey(t)},
	} {
		t.Run(c.alg, func(t *testing.T) {
			_, public := keyPair(t, c.key)
			g := newGate(t, GateConfig{JWT: JWTConfig{PublicKeyFile: public, Algorithm: c.alg}})
			id, err := g.Check(t.Context(), auth(sign(t, c.alg, c.key, good())))
			wantCode(t, err, "")
			if id.Subject != "ann" || id.Method != MethodToken || !id.ExpiresAt.Equal(noon.Add(time.Hour)) {
				t.Fatalf("identity is %+v", id)
			}
		})
	}
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret, Algorithm: alg}})
		_, err := g.Check(t.Context(), auth(sign(t, alg, []byte(secret), good())))
		wantCode(t, err, "")
	}
}

func TestReq16_AlgorithmComesFromTheKey(t *testing.T) {
	private := rsaKey(t)
	_, public := keyPair(t, private)
	g := newGate(t, GateConfig{JWT: JWTConfig{PublicKeyFile: public}})
	block, _ := readPEM("test", public)
	for name, token := range map[string]string{
		"none":                           sign(t, "none", jwt.UnsafeAllowNoneSignatureType, good()),
		"HS256 signed with the public":   sign(t, "HS256", block[0].Bytes, good()),
		"PS256 with the RS256 key":       sign(t, "PS256", private, good()),
		"RS512 with the RS256 key":       sign(t, "RS512", private, good()),
		"RS256 with another key":         sign(t, "RS256", rsaKey(t), good()),
		"none with odd case":             "eyJhbGciOiJOb05lIn0." + strings.Split(sign(t, "RS256", private, good()), ".")[1] + ".",
		"an algorithm that nobody knows": "eyJhbGciOiJYWFgifQ." + strings.Split(sign(t, "RS256", private, good()), ".")[1] + ".AA",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := g.Check(t.Context(), auth(token))
			wantCode(t, err, CodeTokenInvalid, token)
		})
	}
}

func TestReq16_UnsafeKeysAreRefusedAtStart(t *testing.T) {
	private := rsaKey(t)
	privatePEM, public := keyPair(t, private)
	block, _ := readPEM("test", public)
	text := Secret("-----BEGIN PUBLIC KEY-----\n" + base64.StdEncoding.EncodeToString(block[0].Bytes))
	for name, c := range map[string]struct {
		cfg  JWTConfig
		want string
	}{
		"short secret":             {JWTConfig{HMACSecret: "twelve bytes"}, `jwt.hmac_secret: 12 bytes, HS256 needs at least 32; make one with "openssl rand -base64 48"`},
		"short for HS512":          {JWTConfig{HMACSecret: secret[:63], Algorithm: "HS512"}, "HS512 needs at least 64"},
		"public key as secret":     {JWTConfig{HMACSecret: text}, "jwt.hmac_secret: holds a public or private key"},
		"public key in base64":     {JWTConfig{HMACSecret: Secret(base64.StdEncoding.EncodeToString(block[0].Bytes))}, "jwt.hmac_secret: holds a public"},
		"public key file as bytes": {JWTConfig{HMACSecretFile: public}, "jwt.hmac_secret_file: holds a public"},
		"HS256 for an RSA key":     {JWTConfig{PublicKeyFile: public, Algorithm: "HS256"}, `jwt.algorithm: "HS256" does not fit the key`},
		"none for a secret":        {JWTConfig{HMACSecret: secret, Algorithm: "none"}, `jwt.algorithm: "none" does not fit`},
		"ES256 for an RSA key":     {JWTConfig{PublicKeyFile: public, Algorithm: "ES256"}, "does not fit the key"},
		"a private key as public":  {JWTConfig{PublicKeyFile: privatePEM}, "must hold public keys"},
		"no such file":             {JWTConfig{PublicKeyFile: "/nonexistent/key.pem"}, "jwt.public_key_file: open /nonexistent/key.pem"},
		"two kinds of keys":        {JWTConfig{HMACSecret: secret, PublicKeyFile: public}, "jwt: has several kinds of keys"},
		"leeway of an hour":        {JWTConfig{HMACSecret: secret, Leeway: time.Hour}, "jwt.leeway: 1h0m0s is more than"},
		"at+jwt without audience":  {JWTConfig{HMACSecret: secret, RequireAccessToken: true}, "jwt.require_access_token: needs jwt.issuer and jwt.audience"},
		"nothing at all":           {JWTConfig{}, "nobody can sign in"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewGate(GateConfig{JWT: c.cfg})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if s := c.cfg.HMACSecret; s != "" && strings.Contains(err.Error(), s.Reveal()) {
				t.Fatalf("the error shows the secret: %v", err)
			}
		})
	}
}

func TestReq17_HeaderCannotBringAKey(t *testing.T) {
	g := hmacGate(t)
	evil := []byte("an attacker's own secret, which is long enough")
	for _, name := range []string{"jku", "x5u", "jwk", "x5c"} {
		token := sign(t, "HS256", evil, good(), name, "https://evil.example/keys", "kid", "mine")
		_, err := g.Check(t.Context(), auth(token))
		wantCode(t, err, CodeTokenInvalid, token)
		_, err = g.Check(t.Context(), auth(signHS(t, good(), name, "https://evil.example/keys")))
		wantCode(t, err, "") // ignored where the signature is ours
	}
}

func TestReq17_UnknownCritIsRefused(t *testing.T) {
	_, err := hmacGate(t).Check(t.Context(), auth(signHS(t, good(), "crit", []string{"b64"}, "b64", false)))
	wantCode(t, err, CodeTokenInvalid)
}

func TestReq17_KidIsOnlyALookUpKey(t *testing.T) {
	g := hmacGate(t)
	_, err := g.Check(t.Context(), auth(signHS(t, good(), "kid", "../../etc/passwd' OR 1=1")))
	wantCode(t, err, "")
	_, err = g.Check(t.Context(), auth(signHS(t, good(), "kid", 7)))
	wantCode(t, err, CodeTokenInvalid)
}

func TestReq18_Claims(t *testing.T) {
	g := newGate(t, GateConfig{JWT: JWTConfig{
		HMACSecret: secret, Issuer: "https://id.example", Audience: []string{"gatehouse", "other"}, Leeway: 10 * time.Second,
	}})
	ours := func(more ...any) jwt.MapClaims {
		return good(append([]any{"iss", "https://id.example", "aud", "gatehouse"}, more...)...)
	}
	after := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	for name, c := range map[string]struct {
		claims jwt.MapClaims
		want   Code
	}{
		"all in order":                  {ours(), ""},
		"audience in a list":            {ours("aud", []string{"x", "other"}), ""},
		"issuer missing":                {ours("iss", nil), CodeTokenInvalid},
		"issuer with a slash more":      {ours("iss", "https://id.example/"), CodeTokenInvalid},
		"audience missing":              {ours("aud", nil), CodeTokenInvalid},
		"audience empty":                {ours("aud", []string{}), CodeTokenInvalid},
		"audience of another":           {ours("aud", "gatehouse.evil"), CodeTokenInvalid},
		"no expiry":                     {ours("exp", nil), CodeTokenInvalid},
		"expiry is text":                {ours("exp", "tomorrow"), CodeTokenInvalid},
		"expired":                       {ours("exp", after(-time.Minute)), CodeTokenExpired},
		"expired within leeway":         {ours("exp", after(-5*time.Second)), ""},
		"expired, and another audience": {ours("exp", after(-time.Minute), "aud", "x"), CodeTokenInvalid},
		"not yet":                       {ours("nbf", after(2*time.Minute)), CodeTokenInvalid},
		"not yet, within leeway":        {ours("nbf", after(5*time.Second)), ""},
		"no subject":                    {ours("sub", nil), CodeTokenInvalid},
		"empty subject":                 {ours("sub", ""), CodeTokenInvalid},
		"absurd expiry":                 {ours("exp", 1e14), CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			token := signHS(t, c.claims)
			_, err := g.Check(t.Context(), auth(token))
			wantCode(t, err, c.want, token)
		})
	}
}

// A token, which caches and digests know by its text, has only one text.
func TestReq18_LineBreaksAreNoPartOfAToken(t *testing.T) {
	g, token := hmacGate(t), signHS(t, good())
	for _, text := range []string{token + "\n", token + "\r\n\r\n", "\n" + token, strings.Replace(token, ".", "\n.", 1)} {
		_, err := g.Check(t.Context(), auth(text))
		wantCode(t, err, CodeTokenInvalid, token)
	}
}

// Another reader of the same token could take the other one.
func TestReq18_NoClaimComesTwice(t *testing.T) {
	g := hmacGate(t)
	for claims, want := range map[string]Code{
		`{"sub":"ann","exp":99999999999}`:              "",
		`{"sub":"ann","exp":99999999999,"sub":"root"}`: CodeTokenInvalid,
		`{"sub":"ann","exp":1,"\u0065xp":99999999999}`: CodeTokenInvalid,
		`{"sub":"ann","exp":99999999999}{}`:            CodeTokenInvalid,
		`["sub"]`:                                      CodeTokenInvalid,
		`null`:                                         CodeTokenInvalid,
	} {
		content := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		signature, err := jwt.SigningMethodHS256.Sign(content, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		token := content + "." + base64.RawURLEncoding.EncodeToString(signature)
		t.Run(claims, func(t *testing.T) {
			_, err := g.Check(t.Context(), auth(token))
			wantCode(t, err, want, token)
		})
	}
}

func TestReq18_SizeIsLimitedBeforeParsing(t *testing.T) {
	g := newGate(t, GateConfig{JWT: JWTConfig{HMACSecret: secret, MaxBytes: 300}})
	_, err := g.Check(t.Context(), auth(signHS(t, good())))
	wantCode(t, err, "")
	_, err = g.Check(t.Context(), auth(signHS(t, good("pad", strings.Repeat("x", 300)))))
	wantCode(t, err, CodeTokenInvalid)
}

func TestReq18_AccessTokenType(t *testing.T) {
	g := newGate(t, GateConfig{JWT: JWTConfig{
		HMACSecret: secret, Issuer: "https://id.example", Audience: []string{"gatehouse"}, RequireAccessToken: true,
	}})
	claims := good("iss", "https://id.example", "aud", "gatehouse")
	for typ, want := range map[string]Code{
		"at+jwt": "", "application/at+jwt": "", "AT+JWT": "", "JWT": CodeTokenInvalid, "": CodeTokenInvalid,
	} {
		_, err := g.Check(t.Context(), auth(signHS(t, claims, "typ", typ)))
		wantCode(t, err, want)
	}
}

func TestMalformedTokensAreRefused(t *testing.T) {
	g := hmacGate(t)
	token := signHS(t, good())
	parts := strings.Split(token, ".")
	for _, bad := range []string{
		"x", "..", "a.b.c", "a.b.c.d", token + "=", token + ".", " " + token, parts[0] + "." + parts[1] + ".",
		parts[0] + ".bnVsbA." + parts[2], "bnVsbA." + parts[1] + "." + parts[2], parts[0] + "." + parts[1], token[:len(token)-2],
	} {
		_, err := g.Check(t.Context(), auth(bad))
		wantCode(t, err, CodeTokenInvalid, token)
	}
}
