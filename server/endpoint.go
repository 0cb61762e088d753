package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"gatehouse/engine"
)

// defaultPath is where clients look for the realtime endpoint.
const defaultPath = "/socket.io/"

// realtimeAt returns a function that recognises the engine's paths: all below base,
// as with Node's server, but the client bundle.
func realtimeAt(base string) func(path string) bool {
	base = strings.TrimSuffix(base, "/")
	return func(path string) bool {
		rest, below := strings.CutPrefix(path, base)
		return below && (rest == "" || rest[0] == '/' && !strings.HasPrefix(rest, "/socket.io."))
	}
}

// headers returns a function that adds the cookie for balancers, and the program's
// header fields, to the answers of the realtime endpoint; nil when there are none.
func (s *Server) headers() func(http.Header, *http.Request) {
	name, own := s.cfg.Engine.Cookie, s.cfg.Headers
	if name == "" {
		return own
	}
	return func(h http.Header, r *http.Request) {
		if engine.Parameter(r, "sid") == "" {
			c := http.Cookie{Name: name, Value: rand.Text(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil}
			h.Add("Set-Cookie", c.String())
		}
		if own != nil {
			own(h, r)
		}
	}
}

// checkEndpoint refuses paths that cannot be served and header names that are not
// valid.
func (c Config) checkEndpoint() error {
	var errs []error
	if base := strings.TrimSuffix(c.Path, "/"); base == "" || path.Clean("/"+base) != base || strings.ContainsAny(base, "?#%{} ") {
		errs = append(errs, fmt.Errorf("path: %q is no path for the realtime endpoint; write it as %q", c.Path, defaultPath))
	}
	for _, own := range append([]string{"/healthz", "/readyz", "/auth", "/demo", "/lab", "/api"}, operatorPaths...) {
		if realtimeAt(c.Path)(own) || realtimeAt(own)(c.Path) {
			errs = append(errs, fmt.Errorf("path: %q is where the server has %s; choose another", c.Path, own))
		}
	}
	if name := c.Engine.Cookie; name != "" && (&http.Cookie{Name: name, Value: "x"}).Valid() != nil {
		errs = append(errs, fmt.Errorf("engine.cookie: %q is no name of a cookie; write io", name))
	}
	for _, name := range c.KeepHeaders {
		if name == "" || strings.ContainsAny(name, " \t\r\n:") {
			errs = append(errs, fmt.Errorf("keep_headers: %q is no name of a header; write one such as Accept-Language", name))
		}
	}
	return errors.Join(errs...)
}
