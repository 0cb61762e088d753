// Package reply writes the answers of the HTTP surface, and reads the bodies of its
// requests.
package reply

import (
	"encoding/json"
	"errors"
	"net/http"

	"gatehouse/internal/smalljson"
)

// Failure is the error in an answer: a code for programs and a message for people.
type Failure struct {
	OK    bool `json:"ok"` // always false
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		// RetryAfterMs is how long to wait before trying again; zero means not at all.
		RetryAfterMs int64 `json:"retryAfterMs,omitempty"`
	} `json:"error"`
}

// JSON writes v as the JSON body. Caches on the way must not store it: it is
// about the server or for one client.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A failed write means that the client is gone; nobody is left to tell.
	_ = json.NewEncoder(w).Encode(v)
}

// Refuse writes a failure.
func Refuse(w http.ResponseWriter, status int, code, message string) {
	var f Failure
	f.Error.Code, f.Error.Message = code, message
	JSON(w, status, f)
}

// Body reads the JSON body of a request. If it is wrong, Body answers with what is
// wrong.
func Body(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, ok bool) {
	body, err := smalljson.Body(w, r, limit)
	if fault := (*smalljson.Fault)(nil); errors.As(err, &fault) {
		Refuse(w, fault.Status, fault.Code, fault.Message)
		return nil, false
	}
	return body, true
}

// Only answers 405 unless the request has one of the methods.
func Only(h http.Handler, methods ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range methods {
			if r.Method == m {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Add("Allow", m)
		}
		Refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "use "+methods[0]+" here")
	})
}
