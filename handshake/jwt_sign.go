package handshake

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Signer mints tokens that a gate with the same configuration accepts. It is
// safe for concurrent use when its random source is.
type Signer struct {
	method jwt.SigningMethod
	key    any
	cfg    JWTConfig
	clock  func() time.Time
	random io.Reader
}

// TokenSpec says what a token is to hold.
type TokenSpec struct {
	Subject string         // required
	TTL     time.Duration  // required, positive
	Claims  map[string]any // further claims; iss, aud, sub, iat and exp are the signer's own
}

// NewSigner prepares signing with the configuration's secret or private key.
// A nil clock is time.Now, a nil random source crypto/rand.
func NewSigner(cfg JWTConfig, clock func() time.Time, random io.Reader) (*Signer, error) {
	if err := cfg.check("jwt"); err != nil {
		return nil, err
	}
	s := &Signer{cfg: cfg.withDefaults(), clock: clock, random: random}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	return s, s.loadKey()
}

func (s *Signer) loadKey() (err error) {
	switch {
	case s.cfg.HMACSecret != "" || s.cfg.HMACSecretFile != "":
		s.key, s.method, err = s.cfg.hmacSecret("jwt")
		return err
	case s.cfg.PrivateKeyFile != "":
		private, err := s.cfg.privateKey("jwt")
		if err != nil {
			return err
		}
		s.key = private
		if s.method, err = methodFor(private.Public(), s.cfg.Algorithm); err != nil {
			return fmt.Errorf("jwt.algorithm: %w", err)
		}
		return nil
	}
	return errors.New("jwt: nothing to sign with; set jwt.hmac_secret or jwt.private_key_file, which minting needs")
}

// Sign mints a token and returns its expiry. The token gets a random id
// (jti), so that it can be revoked.
func (s *Signer) Sign(spec TokenSpec) (token string, expires time.Time, err error) {
	if spec.Subject == "" {
		return "", time.Time{}, errors.New("sign token: the subject is empty")
	}
	if spec.TTL < time.Second {
		return "", time.Time{}, fmt.Errorf("sign token: a life of %s is too short; use at least 1s", spec.TTL)
	}
	id, err := randomText(s.random, 16)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	now := s.clock().Truncate(time.Second)
	expires = now.Add(spec.TTL).Truncate(time.Second)
	claims := s.fill(spec, id, now, expires)
	t := jwt.NewWithClaims(s.method, claims)
	if s.cfg.RequireAccessToken {
		t.Header["typ"] = "at+jwt"
	}
	if token, err = t.SignedString(s.key); err != nil {
		return "", time.Time{}, fmt.Errorf("sign token: %w", err)
	}
	return token, expires, nil
}

func (s *Signer) fill(spec TokenSpec, id string, now, expires time.Time) jwt.MapClaims {
	claims := jwt.MapClaims{"jti": id}
	maps.Copy(claims, spec.Claims)
	claims[s.cfg.Claims.Subject] = spec.Subject
	claims["iat"], claims["exp"] = now.Unix(), expires.Unix()
	if s.cfg.Issuer != "" {
		claims["iss"] = s.cfg.Issuer
	}
	if len(s.cfg.Audience) > 0 {
		claims["aud"] = s.cfg.Audience[0]
	}
	return claims
}

// randomText returns n random bytes as unpadded base64url.
func randomText(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}
