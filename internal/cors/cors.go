// Package cors lets pages of other origins read answers, by one policy for
// every endpoint. The caller decides which origins are allowed.
package cors

import (
	"net/http"
	"strconv"
	"time"
)

// maxAge is how long a browser may keep the answer to a preflight.
const maxAge = 2 * time.Hour

// Allow sets the headers that let the page that sent r read the answer, with
// credentials. For a preflight it allows the methods, such as "GET, POST", and
// the requested headers (https://fetch.spec.whatwg.org/#http-cors-protocol). A
// request without Origin gets none. The caller has decided that the origin is
// allowed, and sets Vary: Origin whether it is or not.
//
// Headers are echoed: tracing libraries add some of their own, traceparent for
// one, and "*" covers neither Authorization nor requests with credentials.
func Allow(h http.Header, r *http.Request, methods string) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	if r.Method != http.MethodOptions {
		return
	}
	h.Set("Access-Control-Allow-Methods", methods+", OPTIONS")
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(maxAge/time.Second)))
	h.Add("Vary", "Access-Control-Request-Headers")
	asked := r.Header.Get("Access-Control-Request-Headers")
	if asked == "" {
		asked = "Authorization, Content-Type"
	}
	h.Set("Access-Control-Allow-Headers", asked)
}
