package handshake

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// IntrospectionConfig asks an OAuth 2.0 server about tokens (RFC 7662).
type IntrospectionConfig struct {
	URL          string        `koanf:"url" yaml:"url"` // https, or http to this machine
	ClientID     string        `koanf:"client_id" yaml:"client_id"`
	ClientSecret Secret        `koanf:"client_secret" yaml:"client_secret"`
	Issuer       string        `koanf:"issuer" yaml:"issuer"`     // when set, iss must be there and equal
	Audience     []string      `koanf:"audience" yaml:"audience"` // when set, aud must name one of them
	Claims       ClaimNames    `koanf:"claims" yaml:"claims"`
	Leeway       time.Duration `koanf:"leeway" yaml:"leeway"`               // tolerated clock difference; zero means 5s, at most 2m, negative means none
	Timeout      time.Duration `koanf:"timeout" yaml:"timeout"`             // zero is 3s; at most 30s
	CacheTTL     time.Duration `koanf:"cache_ttl" yaml:"cache_ttl"`         // how long a yes is remembered; zero is 5s, negative not at all
	CacheSize    int           `koanf:"cache_size" yaml:"cache_size"`       // zero is 10000
	MaxInFlight  int           `koanf:"max_in_flight" yaml:"max_in_flight"` // zero is 64
	InsecureHTTP bool          `koanf:"insecure_http" yaml:"insecure_http"` // http to another machine
}

func (c IntrospectionConfig) withDefaults() IntrospectionConfig {
	c.Claims = c.Claims.withDefaults()
	c.Leeway = cmp.Or(c.Leeway, defaultLeeway)
	r := c.remote().withDefaults()
	c.Timeout, c.CacheTTL, c.CacheSize, c.MaxInFlight = r.timeout, r.cacheTTL, r.cacheSize, r.maxInFlight
	return c
}

func (c IntrospectionConfig) remote() remoteConfig {
	return remoteConfig{"introspection", c.URL, c.Timeout, c.CacheTTL, c.CacheSize, c.MaxInFlight, c.InsecureHTTP}
}

func (c IntrospectionConfig) check() error {
	errs := []error{c.remote().check()}
	if c.Leeway > maxLeeway {
		errs = append(errs, fmt.Errorf("introspection.leeway: %s is more than %s; mend the clocks instead", c.Leeway, maxLeeway))
	}
	if c.ClientID == "" || c.ClientSecret == "" {
		errs = append(errs, errors.New("introspection.client_id, introspection.client_secret: are needed; the server answers only clients that authenticate (RFC 7662, section 2.1)"))
	}
	return errors.Join(errs...)
}

// introspection verifies tokens by asking the server that made them.
type introspection struct {
	*remote
	cfg IntrospectionConfig
}

// Verify asks the server, unless the same question was asked a moment ago.
func (v *introspection) Verify(ctx context.Context, cred Credential) (Identity, error) {
	if cred.Kind != KindToken {
		return Identity{}, ErrNotMine
	}
	token := cred.Secret.Reveal()
	if len(token) > defaultMaxToken {
		return Identity{}, refuse(CodeTokenInvalid, fmt.Sprintf("The token is larger than %d bytes.", defaultMaxToken), errors.New("token over its size limit"))
	}
	key := cacheKey(token)
	if id, ok := v.remembered(key); ok {
		return id, nil
	}
	body := url.Values{"token": {token}, "token_type_hint": {"access_token"}}.Encode()
	got, err := v.ask(ctx, cred.Request, []byte(body), v.headers())
	if err != nil {
		return Identity{}, err
	}
	id, err := v.judge(got)
	if err == nil {
		v.remember(key, id)
	}
	return id, err
}

// headers authenticate this server; name and secret are form-encoded first
// (RFC 6749, section 2.3.1).
func (v *introspection) headers() http.Header {
	user := url.QueryEscape(v.cfg.ClientID) + ":" + url.QueryEscape(v.cfg.ClientSecret.Reveal())
	return http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user))},
		"Content-Type":  {"application/x-www-form-urlencoded"},
		"Accept":        {"application/json"},
	}
}

func (v *introspection) judge(got reply) (Identity, error) {
	claims, err := readObject(got.body)
	if got.status != http.StatusOK && err == nil {
		err = errors.New("expected is 200")
	}
	if err != nil {
		return Identity{}, got.unreadable("introspection", err)
	}
	if claims.get("active").Kind() != 't' {
		return Identity{}, refuse(CodeTokenInvalid, "The token is not active (any more); sign in again.", errors.New("introspection: not active"))
	}
	if err := checkDates(claims); err != nil {
		return Identity{}, got.unreadable("introspection", err)
	}
	if err := v.meant(claims); err != nil {
		return Identity{}, err
	}
	id := v.cfg.Claims.identity(claims.without("active"))
	if id.Subject == "" {
		return Identity{}, refuse(CodeTokenInvalid, "The token names no user.", errors.New("introspection: no subject"))
	}
	if !id.ExpiresAt.IsZero() {
		id.ExpiresAt = endWithin(id.ExpiresAt, max(v.cfg.Leeway, 0), v.clock())
	}
	return id, nil
}

// checkDates checks that the times of an answer are seconds (RFC 7662, section
// 2.2): an invalid one would count as none.
func checkDates(claims object) error {
	var errs []error
	for _, name := range []string{"iat", "nbf", "exp"} {
		value := claims.get(name)
		if value == nil || value.Kind() == 'n' {
			continue
		}
		seconds, err := strconv.ParseFloat(string(value), 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: is not a number of Unix seconds", name))
			continue
		}
		errs = append(errs, unixSeconds(name, int64(min(seconds, 1<<53))))
	}
	return errors.Join(errs...)
}

// meant checks that the token is for this server, and in force: an active
// token of the same issuer may be for another service.
func (v *introspection) meant(claims object) error {
	if v.cfg.Issuer != "" && text(claims, "iss") != v.cfg.Issuer {
		return refuse(CodeTokenInvalid, "The token comes from another issuer (iss).", errors.New("introspection: issuer"))
	}
	if len(v.cfg.Audience) > 0 && !slices.ContainsFunc(v.cfg.Audience, func(one string) bool { return matches(valueOf(claims.get("aud")), one) }) {
		return refuse(CodeTokenInvalid, "The token is meant for another audience (aud).", errors.New("introspection: audience"))
	}
	now, leeway := v.clock(), max(v.cfg.Leeway, 0)
	if start, ok := instant(claims.get("nbf")); ok && now.Add(leeway).Before(start) {
		return notYet(start, now)
	}
	if end, ok := instant(claims.get("exp")); ok && !now.Add(-leeway).Before(end) {
		return refuse(CodeTokenExpired, "The token has expired; get a new one and connect again.", errors.New("introspection: expired"))
	}
	return nil
}
