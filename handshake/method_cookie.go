package handshake

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// CookieConfig is about session cookies. A browser adds them by itself, to
// requests of foreign pages too, so they count only together with a listed
// Origin and a CSRF token.
type CookieConfig struct {
	Name string `koanf:"name" yaml:"name"` // zero is __Host-session
	// CSRFSecret keys the CSRF tokens; at least 32 bytes.
	CSRFSecret Secret `koanf:"csrf_secret" yaml:"csrf_secret"`
	// PreviousCSRFSecret is the CSRFSecret before a change: tokens made with it are
	// still accepted.
	PreviousCSRFSecret Secret `koanf:"previous_csrf_secret" yaml:"previous_csrf_secret"`
	// InsecureName allows a name without __Host-, which another host of the
	// same domain, or plain http, can overwrite.
	InsecureName bool `koanf:"insecure_name" yaml:"insecure_name"`
	// InsecureNoCSRF switches the CSRF token off; then only the Origin protects.
	InsecureNoCSRF bool `koanf:"insecure_no_csrf" yaml:"insecure_no_csrf"`
}

const (
	hostPrefix     = "__Host-"
	minCSRFSecret  = 32
	maxCookieBytes = 4096
	csrfHeader     = "X-Csrf-Token" // where a POST to this server may have it instead
)

func (c CookieConfig) withDefaults() CookieConfig {
	c.Name = cmp.Or(c.Name, hostPrefix+"session")
	return c
}

func (c CookieConfig) check(origins OriginConfig) error {
	var errs []error
	if !strings.HasPrefix(c.Name, hostPrefix) && !c.InsecureName {
		errs = append(errs, fmt.Errorf("cookie.name: %q does not begin with __Host-; rename it, or set cookie.insecure_name", c.Name))
	}
	if !isHeaderToken(c.Name) {
		errs = append(errs, fmt.Errorf("cookie.name: %q is no cookie name", c.Name))
	}
	if c.InsecureNoCSRF && origins.InsecureAllowAny {
		errs = append(errs, errors.New("cookie.insecure_no_csrf: with origins.insecure_allow_any every page could act as its visitors; switch one of them off"))
	}
	if !c.InsecureNoCSRF && len(c.CSRFSecret) < minCSRFSecret {
		errs = append(errs, fmt.Errorf(`cookie.csrf_secret: %d bytes, at least %d are needed; make one with "openssl rand -base64 48"`, len(c.CSRFSecret), minCSRFSecret))
	}
	if n := len(c.PreviousCSRFSecret); n > 0 && n < minCSRFSecret {
		errs = append(errs, fmt.Errorf("cookie.previous_csrf_secret: %d bytes, at least %d are needed", n, minCSRFSecret))
	}
	return errors.Join(errs...)
}

// sessionCookie extracts the session cookie.
type sessionCookie struct {
	name     string
	insecure bool
	origins  *OriginPolicy
	csrf     *csrf // nil when switched off
}

// Extract returns the cookie when the request came from a page that may use
// it.
func (c *sessionCookie) Extract(r *Request) (Credential, error) {
	value, err := c.value(r)
	if err != nil {
		return Credential{}, err
	}
	if !c.origins.cookiesCount(r) {
		return Credential{}, originRefusal()
	}
	if c.csrf == nil || r.later { // only CONNECT carries the token
		return Credential{Kind: KindCookie, Secret: value}, nil
	}
	if err := c.csrf.check(value, csrfToken(r)); err != nil {
		return Credential{}, refuse(CodeForbidden, `The page must send its CSRF token as auth: {csrf: "…"}; reload it to get a new one.`, err)
	}
	return Credential{Kind: KindCookie, Secret: value}, nil
}

// value returns the cookie. Two cookies of one name mean that somebody has
// planted one.
func (c *sessionCookie) value(r *Request) (Secret, error) {
	cookies := (&http.Request{Header: r.Header}).CookiesNamed(c.name)
	switch {
	case len(cookies) == 0 || len(cookies) == 1 && cookies[0].Value == "":
		return "", ErrNotMine
	case len(cookies) > 1:
		return "", refuse(CodeUnauthenticated, "There are two session cookies; clear this site's cookies and sign in again.", errors.New("several session cookies"))
	case len(cookies[0].Value) > maxCookieBytes:
		return "", refuse(CodeUnauthenticated, "The session cookie is too large.", errors.New("session cookie over its size limit"))
	}
	return Secret(cookies[0].Value), nil
}

func csrfToken(r *Request) string {
	if token, ok := stringOf(r.fields.get(csrfField)); ok {
		return token
	}
	return r.Header.Get(csrfHeader)
}

// cookiesCount reports whether the request came from a page that may act with
// its visitor's cookies. Unlike other credentials they need an origin on the
// list. Browsers leave the origin out of same-origin polling; then
// Sec-Fetch-Site: same-origin, which a page cannot forge, takes its place. A
// later request of a session, which admits nobody, may come from a browser
// that sends neither.
func (p *OriginPolicy) cookiesCount(r *Request) bool {
	origin, single := r.origin()
	site := r.Header.Get("Sec-Fetch-Site")
	switch {
	case !single:
		return false
	case p.lists(origin, r.Host, r.Secure):
		return true
	case site == "cross-site":
		return false
	case origin == "":
		return site == "same-origin" && r.Transport == "polling" || site == "" && r.later
	}
	return p.anyone
}

// NewCookie makes the cookie of a new session under the configured name:
// HttpOnly, SameSite=Lax, and Secure unless an insecure name is allowed and the
// request came without TLS. With the zero time it ends with the browser.
func (g *Gate) NewCookie(value Secret, expires time.Time, secure bool) *http.Cookie {
	return g.cookies.cookie(value.Reveal(), expires, secure)
}

// CSRFToken makes a token for the pages of the session in the request's
// cookie, which they send as auth: {csrf} when they connect. It refuses when
// there is no cookie or the origin is not allowed to use it; it does not
// check the session.
func (g *Gate) CSRFToken(r *Request) (string, error) {
	session, err := g.cookies.value(r)
	if errors.Is(err, ErrNotMine) || err == nil && g.cookies.csrf == nil {
		return "", refuse(CodeUnauthenticated, "There is no session cookie; sign in first.", err)
	}
	if err != nil {
		return "", err
	}
	if !g.origins.cookiesCount(r) {
		return "", originRefusal()
	}
	token, err := g.cookies.csrf.token(session)
	if err != nil {
		return "", unavailable(err)
	}
	return token, nil
}

// cookie makes the cookie for a new session.
func (c *sessionCookie) cookie(value string, expires time.Time, secure bool) *http.Cookie {
	return &http.Cookie{
		Name: c.name, Value: value, Path: "/", Expires: expires,
		Secure: secure || !c.insecure || strings.HasPrefix(c.name, hostPrefix), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}
