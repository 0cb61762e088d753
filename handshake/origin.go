package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// OriginConfig says which pages may talk to this server (RFC 6454).
type OriginConfig struct {
	// Allow lists origins exactly: scheme, host and port, such as
	// "https://app.example". "self" is the request's own host. "null",
	// "file://" and "capacitor://localhost" count only when listed. Empty is
	// ["self"].
	Allow []string `koanf:"allow" yaml:"allow"`
	// AllowLocalhost lets pages of this machine in, at any port. For
	// development.
	AllowLocalhost bool `koanf:"allow_localhost" yaml:"allow_localhost"`
	// InsecureAllowAny switches the check off.
	InsecureAllowAny bool `koanf:"insecure_allow_any" yaml:"insecure_allow_any"`
}

func (c OriginConfig) withDefaults() OriginConfig {
	c.Allow = orList(c.Allow, "self")
	return c
}

// OriginPolicy is an exact allow list of origins. It is immutable.
type OriginPolicy struct {
	listed    map[string]bool
	self      bool
	localhost bool
	anyone    bool
}

// NewOriginPolicy checks the list.
func NewOriginPolicy(cfg OriginConfig) (*OriginPolicy, error) {
	cfg = cfg.withDefaults()
	p := &OriginPolicy{
		listed:    make(map[string]bool, len(cfg.Allow)),
		localhost: cfg.AllowLocalhost, anyone: cfg.InsecureAllowAny,
	}
	var errs []error
	for _, entry := range cfg.Allow {
		switch {
		case entry == "self":
			p.self = true
		case entry == "*":
			errs = append(errs, errors.New(`origins.allow: "*" is no origin; list them, or set origins.insecure_allow_any if every page may connect`))
		default:
			origin, err := parseOrigin(entry)
			if err != nil {
				errs = append(errs, fmt.Errorf("origins.allow: %w", err))
			}
			p.listed[origin] = true
		}
	}
	return p, errors.Join(errs...)
}

// parseOrigin returns an entry as a browser would send it.
func parseOrigin(entry string) (string, error) {
	if entry == "null" || entry == "file://" {
		return entry, nil
	}
	u, err := url.Parse(entry)
	if err != nil || u.Scheme == "" || u.Host == "" || strings.ContainsAny(entry, "*@?#") || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("%q is no origin; write scheme, host and port, such as https://app.example or http://localhost:5173", entry)
	}
	return canonicalOrigin(u.Scheme, u.Host), nil
}

// canonicalOrigin writes an origin as browsers do: lower case, without the
// scheme's own port.
func canonicalOrigin(scheme, host string) string {
	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return scheme + "://" + host
}

// Allowed reports whether a page of the given origin may use this server, which
// the client reached as host, over TLS or not (as a trusted proxy says, where
// there is one). The empty origin is no page and is allowed; for credentials that
// browsers add by themselves the gate is stricter.
func (p *OriginPolicy) Allowed(origin, host string, secure bool) bool {
	if origin == "" || p.anyone {
		return true
	}
	return p.Listed(origin, host, secure)
}

// Listed reports whether the origin is on the list, "self" and localhost
// included where they count. The empty origin is not.
func (p *OriginPolicy) Listed(origin, host string, secure bool) bool {
	if origin == "" {
		return false
	}
	if p.listed[origin] {
		return true
	}
	if p.self && host != "" && strings.EqualFold(origin, ownOrigin(host, secure)) {
		return true
	}
	return p.localhost && isLocalhost(origin)
}

func ownOrigin(host string, secure bool) string {
	if secure {
		return canonicalOrigin("https", host)
	}
	return canonicalOrigin("http", host)
}

// isLocalhost compares whole host names: localhost.evil.example is none.
func isLocalhost(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.User != nil {
		return false
	}
	switch u.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

// AllowedHTTP applies Allowed to a request for an endpoint of the protocol:
// WebSocket, polling or preflight. Several Origin headers are never allowed; no
// browser sends them. A request that the browser calls cross-site needs an
// origin on the list, so pages of other sites cannot leave theirs out.
func (p *OriginPolicy) AllowedHTTP(r *http.Request, secure bool) bool {
	return p.allows(&Request{Header: r.Header, Host: r.Host, Secure: secure})
}

func (p *OriginPolicy) allows(r *Request) bool {
	origin, single := r.origin()
	if !single || !p.Allowed(origin, r.Host, r.Secure) {
		return false
	}
	crossSite := len(r.Header["Sec-Fetch-Site"]) > 0 && r.Header["Sec-Fetch-Site"][0] == "cross-site"
	return !crossSite || p.anyone || p.Listed(origin, r.Host, r.Secure)
}

func (p *OriginPolicy) check(r *Request) error {
	if p.allows(r) {
		return nil
	}
	return originRefusal()
}

func originRefusal() *Refusal {
	return refuse(CodeOriginForbidden,
		"Pages of this origin may not connect; add it to origins.allow on the server.",
		errors.New("origin not allowed"))
}
