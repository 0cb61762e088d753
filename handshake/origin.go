package handshake

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// OriginConfig says which pages may talk to this server (RFC 6454).
type OriginConfig struct {
	// Allow lists origins exactly: scheme, host and port, such as
	// "https://app.example". "self" is the request's own host. "null",
	// "file://" and "capacitor://localhost" count only when listed, and so do
	// browser extensions, one by one or all of a kind: "chrome-extension://*".
	// Empty is ["self"].
	Allow []string `koanf:"allow" yaml:"allow"`
	// Names are the hosts, with or without a port, under which clients reach this
	// server. Empty means any: "self" is then whatever host a request names, even a
	// foreign one that points here.
	Names []string `koanf:"names" yaml:"names"`
	// LoopbackOnly counts this machine's names and plain addresses, which no
	// foreign name can be, as own ones besides Names. A server sets it in
	// development mode.
	LoopbackOnly bool `koanf:"-" yaml:"-"`
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
	listed    map[string]bool // in canonical form
	names     map[string]bool // own ones; none is any
	loopback  bool            // names of this machine are own, too, and without names the only ones
	self      bool
	localhost bool
	anyone    bool
}

// newOriginPolicy checks the list.
func newOriginPolicy(cfg OriginConfig) (*OriginPolicy, error) {
	cfg = cfg.withDefaults()
	p := &OriginPolicy{
		listed: make(map[string]bool, len(cfg.Allow)),
		names:  make(map[string]bool, len(cfg.Names)), loopback: cfg.LoopbackOnly,
		localhost: cfg.AllowLocalhost, anyone: cfg.InsecureAllowAny,
	}
	var errs []error
	for _, entry := range cfg.Names {
		name, err := parseName(entry)
		if err != nil {
			errs = append(errs, err)
		}
		p.names[name] = true
	}
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

// anyExtension is the host of an entry that stands for every extension of one
// kind of browser: each installation may have an origin of its own.
const anyExtension = "*"

// extensionScheme reports whether pages of a scheme are those of browser
// extensions, which the user has installed.
func extensionScheme(scheme string) bool {
	switch scheme {
	case "chrome-extension", "moz-extension", "safari-web-extension":
		return true
	}
	return false
}

// parseOrigin returns an entry of the configuration in its canonical form.
func parseOrigin(entry string) (string, error) {
	if entry == "null" || entry == "file://" {
		return entry, nil
	}
	scheme, host, _ := strings.Cut(strings.ToLower(entry), "://")
	if extensionScheme(scheme) && host == anyExtension {
		return scheme + "://" + anyExtension, nil
	}
	origin, ok := canonicalOrigin(strings.TrimSuffix(entry, "/"))
	if !ok || strings.Contains(entry, "*") {
		return "", fmt.Errorf("%q is no origin; write scheme, host and port, such as https://app.example or http://localhost:5173, or chrome-extension://*", entry)
	}
	return origin, nil
}

// canonicalOrigin writes an origin as browsers do (RFC 6454, section 6.1): in
// lower case, without the scheme's own port, a name with other letters in its
// ASCII form. The schemes of WebSockets, which some programs send, are those of
// HTTP; no page of a browser can send them. ok is false for an invalid origin.
func canonicalOrigin(origin string) (canonical string, ok bool) {
	scheme, rest, ok := strings.Cut(origin, "://")
	u, err := url.Parse(origin)
	if !ok || err != nil || u.Scheme == "" || u.Host == "" || u.Host != rest || u.Port() == "" && strings.HasSuffix(rest, ":") {
		return "", false
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	host, ok := canonicalHost(scheme, rest)
	return scheme + "://" + host, ok
}

// canonicalHost writes a host with its port.
func canonicalHost(scheme, host string) (string, bool) {
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	for i := range len(host) {
		if host[i] >= utf8.RuneSelf {
			name, port, hasPort := strings.Cut(host, ":")
			ascii, err := idna.Lookup.ToASCII(name)
			if hasPort {
				ascii += ":" + port
			}
			return ascii, err == nil
		}
	}
	return host, true
}

// parseName returns an own name, which is a host with or without a port.
func parseName(name string) (string, error) {
	origin, ok := canonicalOrigin("name://" + name)
	if !ok || strings.Contains(name, "*") {
		return "", fmt.Errorf("origins.names: %q is no host; write chat.example or chat.example:8443", name)
	}
	return strings.TrimPrefix(origin, "name://"), nil
}

// isOwn reports whether a host that a client named is this server.
func (p *OriginPolicy) isOwn(host string) bool {
	if host == "" {
		return false
	}
	if len(p.names) == 0 && !p.loopback {
		return true
	}
	host, _ = canonicalHost("", host)
	name := (&url.URL{Host: host}).Hostname()
	if p.names[host] || p.names[name] || p.names[strings.TrimSuffix(strings.TrimSuffix(host, ":80"), ":443")] {
		return true
	}
	_, err := netip.ParseAddr(name)
	return p.loopback && (err == nil || name == "localhost" || strings.HasSuffix(name, ".localhost"))
}

// Allowed reports whether a page of the given origin may use this server, which
// the client reached as host, over TLS or not (as a trusted proxy says, where
// there is one). The empty origin means that no page sends the request, and is
// allowed; for credentials that browsers add by themselves the gate is stricter.
func (p *OriginPolicy) Allowed(origin, host string, secure bool) bool {
	if origin == "" || p.anyone {
		return true
	}
	return p.lists(origin, host, secure)
}

// lists reports whether the origin is on the list, "self" and localhost
// included where they count. The empty origin is not.
func (p *OriginPolicy) lists(origin, host string, secure bool) bool {
	if origin == "" {
		return false
	}
	if p.listed[origin] {
		return true
	}
	canonical, ok := canonicalOrigin(origin)
	if !ok {
		return false
	}
	scheme, _, _ := strings.Cut(canonical, "://")
	return p.listed[canonical] || extensionScheme(scheme) && p.listed[scheme+"://"+anyExtension] ||
		p.self && canonical == OwnOrigin(host, secure) && p.isOwn(host) ||
		p.localhost && isLocalhost(canonical)
}

// OwnOrigin returns the origin of pages that this server itself serves, when a
// client reached it as host, over TLS or not. "self" is compared with it.
func OwnOrigin(host string, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, _ = canonicalHost(scheme, host)
	return scheme + "://" + host
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
// browser sends them. A request with Sec-Fetch-Site: cross-site needs an origin
// on the list, so pages of other sites cannot leave theirs out.
func (p *OriginPolicy) AllowedHTTP(r *http.Request, secure bool) bool {
	return p.allows(&Request{Header: r.Header, Host: r.Host, Secure: secure})
}

func (p *OriginPolicy) allows(r *Request) bool {
	origin, single := r.origin()
	if !single || !p.Allowed(origin, r.Host, r.Secure) {
		return false
	}
	crossSite := len(r.Header["Sec-Fetch-Site"]) > 0 && r.Header["Sec-Fetch-Site"][0] == "cross-site"
	return !crossSite || p.anyone || p.lists(origin, r.Host, r.Secure)
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
