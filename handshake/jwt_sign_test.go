package handshake

import (
	"crypto"
	"crypto/elliptic"
	"strings"
	"testing"
	"time"
)

func TestSignerMintsWhatTheGateAccepts(t *testing.T) {
	for name, key := range map[string]crypto.Signer{
		"rsa": rsaKey(t), "ec": ecKey(t, elliptic.P384()), "ed25519": edKey(t), "hmac": nil,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := JWTConfig{Issuer: "https://id.example", Audience: []string{"gatehouse"}, RequireAccessToken: true}
			if key == nil {
				cfg.HMACSecret = secret
			} else {
				cfg.PrivateKeyFile, _ = keyPair(t, key)
			}
			signer, err := NewSigner(cfg, atNoon, nil)
			if err != nil {
				t.Fatal(err)
			}
			token, expires, err := signer.Sign(TokenSpec{Subject: "ann", TTL: time.Hour, Claims: map[string]any{"name": "Ann", "sub": "mallory"}})
			if err != nil || !expires.Equal(noon.Add(time.Hour)) {
				t.Fatal(expires, err)
			}
			id, err := newGate(t, GateConfig{JWT: cfg}).Check(t.Context(), auth(token))
			wantCode(t, err, "", token)
			if id.Subject != "ann" || id.Name != "Ann" || id.TokenID == "" || !id.IssuedAt.Equal(noon) {
				t.Fatalf("identity is %+v", id)
			}
		})
	}
}

// A public key never accepts signatures of another pair's private key.
func TestHalvesOfTwoKeysAreRefused(t *testing.T) {
	private, public := keyPair(t, edKey(t))
	_, other := keyPair(t, rsaKey(t))
	_, another := keyPair(t, edKey(t))
	for _, c := range []struct {
		private, public string
		good            bool
	}{{private, public, true}, {private, other, false}, {private, another, false}, {"/elsewhere/key.pem", public, true}} {
		_, err := NewGate(GateConfig{JWT: JWTConfig{PrivateKeyFile: c.private, PublicKeyFile: c.public}})
		if c.good && err != nil || !c.good && (err == nil || !strings.Contains(err.Error(), "jwt.private_key_file: is not the private half")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestSignerRefuses(t *testing.T) {
	_, public := keyPair(t, rsaKey(t))
	for want, cfg := range map[string]JWTConfig{
		"set jwt.hmac_secret or jwt.private_key_file": {PublicKeyFile: public},
		"HS256 needs at least 32":                     {HMACSecret: "short"},
	} {
		if _, err := NewSigner(cfg, nil, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	signer, err := NewSigner(JWTConfig{HMACSecret: secret}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []TokenSpec{{TTL: time.Hour}, {Subject: "ann"}} {
		if _, _, err := signer.Sign(spec); err == nil {
			t.Errorf("signed %+v", spec)
		}
	}
}
