package handshake

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// JWTConfig says which tokens of one issuer are accepted, and with which key
// Signer signs. Exactly one source of keys is set: HMACSecret,
// HMACSecretFile, PublicKeyFile and/or PrivateKeyFile (a pair), JWKSURL or
// JWKSFile.
type JWTConfig struct {
	// HMACSecret is the shared secret as it is, at least as long as the hash:
	// 32 bytes for HS256, 48 for HS384, 64 for HS512.
	HMACSecret Secret `koanf:"hmac_secret" yaml:"hmac_secret"`
	// PreviousHMACSecret verifies beside HMACSecret or HMACSecretFile, while
	// the signers change over. Signer does not use it.
	PreviousHMACSecret Secret `koanf:"previous_hmac_secret" yaml:"previous_hmac_secret"`
	HMACSecretFile     string `koanf:"hmac_secret_file" yaml:"hmac_secret_file"` // a last newline is dropped
	PublicKeyFile      string `koanf:"public_key_file" yaml:"public_key_file"`   // PEM: PKIX, PKCS #1 or certificates; each of several keys verifies
	PrivateKeyFile     string `koanf:"private_key_file" yaml:"private_key_file"` // PEM: PKCS #8, PKCS #1 or SEC 1; only minting needs it
	JWKSURL            string `koanf:"jwks_url" yaml:"jwks_url"`                 // https, or http to this machine
	JWKSFile           string `koanf:"jwks_file" yaml:"jwks_file"`

	InsecureHTTP bool `koanf:"insecure_http" yaml:"insecure_http"` // http to another machine for JWKSURL

	// Algorithm is the algorithm of the key. Empty: HS256 for a secret, RS256 for
	// RSA, ES256/384/512 by the curve, EdDSA for Ed25519. A key set takes it from
	// each key's alg, and from here for keys that have none.
	Algorithm string `koanf:"algorithm" yaml:"algorithm"`

	Issuer   string   `koanf:"issuer" yaml:"issuer"`     // required in the token and exact when set
	Audience []string `koanf:"audience" yaml:"audience"` // when set, the token must name one of them

	Leeway   time.Duration `koanf:"leeway" yaml:"leeway"`                    // tolerated clock difference; zero means 5s, at most 2m, negative means none
	MaxBytes int           `koanf:"max_bytes" yaml:"max_bytes" unit:"bytes"` // size limit of a token; zero is 8192

	// RequireAccessToken accepts only tokens with the header typ at+jwt, which
	// an ID token cannot have (RFC 9068). It needs Issuer and Audience.
	RequireAccessToken bool `koanf:"require_access_token" yaml:"require_access_token"`

	Claims ClaimNames `koanf:"claims" yaml:"claims"`

	JWKSRefresh  time.Duration `koanf:"jwks_refresh" yaml:"jwks_refresh"`     // age at which a key set is read again; zero is 1h
	JWKSCooldown time.Duration `koanf:"jwks_cooldown" yaml:"jwks_cooldown"`   // shortest time between two reads; zero is 30s
	JWKSMaxStale time.Duration `koanf:"jwks_max_stale" yaml:"jwks_max_stale"` // how long a set that cannot be read again stays good; zero is 24h
}

const (
	defaultLeeway   = 5 * time.Second
	maxLeeway       = 2 * time.Minute
	defaultMaxToken = 8 << 10
)

// withDefaults leaves Algorithm empty: its default depends on the key.
func (c JWTConfig) withDefaults() JWTConfig {
	c.MaxBytes = cmp.Or(c.MaxBytes, defaultMaxToken)
	c.Leeway = cmp.Or(c.Leeway, defaultLeeway) // negative is none
	c.Claims = c.Claims.withDefaults()
	c.JWKSRefresh = positiveOr(c.JWKSRefresh, time.Hour)
	c.JWKSCooldown = positiveOr(c.JWKSCooldown, 30*time.Second)
	c.JWKSMaxStale = positiveOr(c.JWKSMaxStale, 24*time.Hour)
	return c
}

// configured reports whether any source of keys is set.
func (c JWTConfig) configured() bool {
	return c.HMACSecret != "" || c.HMACSecretFile != "" || c.PublicKeyFile != "" ||
		c.PrivateKeyFile != "" || c.JWKSURL != "" || c.JWKSFile != ""
}

// check returns the mistakes in the settings that are not keys. at is the
// configuration key that the errors name.
func (c JWTConfig) check(at string) error {
	var errs []error
	if c.Leeway > maxLeeway {
		errs = append(errs, fmt.Errorf("%s.leeway: %s is more than %s; mend the clocks instead", at, c.Leeway, maxLeeway))
	}
	if c.MaxBytes < 0 {
		errs = append(errs, fmt.Errorf("%s.max_bytes: %d is negative; leave it out for %d", at, c.MaxBytes, defaultMaxToken))
	}
	if c.RequireAccessToken && (c.Issuer == "" || len(c.Audience) == 0) {
		errs = append(errs, fmt.Errorf("%s.require_access_token: needs %s.issuer and %s.audience (RFC 9068, section 4)", at, at, at))
	}
	for _, audience := range c.Audience {
		if audience == "" {
			errs = append(errs, fmt.Errorf("%s.audience: holds an empty name; remove it", at))
		}
	}
	return errors.Join(append(errs, c.checkSources(at))...)
}

func (c JWTConfig) checkSources(at string) error {
	if c.PreviousHMACSecret != "" && c.HMACSecret == "" && c.HMACSecretFile == "" {
		return fmt.Errorf("%s.previous_hmac_secret: stands beside %s.hmac_secret or .hmac_secret_file, and neither is set", at, at)
	}
	sources := 0
	for _, set := range []bool{
		c.HMACSecret != "", c.HMACSecretFile != "", c.PublicKeyFile != "" || c.PrivateKeyFile != "",
		c.JWKSURL != "", c.JWKSFile != "",
	} {
		if set {
			sources++
		}
	}
	if sources > 1 {
		return fmt.Errorf("%s: has several kinds of keys; keep one of hmac_secret, hmac_secret_file, public_key_file/private_key_file, jwks_url, jwks_file, and list further issuers under issuers", at)
	}
	return nil
}
