package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gatehouse/internal/smalljson"

	jsontext "github.com/go-json-experiment/json"
)

// The codes of errors, besides those of the HTTP status.
const (
	CodeBadRequest      = "bad_request"
	CodeConflict        = "conflict" // an Idempotency-Key that has come with another request before
	CodeForbidden       = "forbidden"
	CodeMethod          = "method_not_allowed"
	CodeNotFound        = "not_found"
	CodeRateLimited     = "rate_limited"
	CodeTooLarge        = "too_large"
	CodeUnauthenticated = "unauthenticated"
	CodeUnavailable     = "unavailable"
)

var statuses = map[string]int{
	CodeBadRequest:      http.StatusBadRequest,
	CodeConflict:        http.StatusConflict,
	CodeForbidden:       http.StatusForbidden,
	CodeMethod:          http.StatusMethodNotAllowed,
	CodeNotFound:        http.StatusNotFound,
	CodeRateLimited:     http.StatusTooManyRequests,
	CodeTooLarge:        http.StatusRequestEntityTooLarge,
	CodeUnauthenticated: http.StatusUnauthorized,
	CodeUnavailable:     http.StatusServiceUnavailable,
}

// Failure is the answer to a request that was refused.
type Failure struct {
	OK    bool   `json:"ok"` // false
	Error Reason `json:"error"`
}

// Reason says why, for programs and for people.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Done is how many operations of the request were carried out before one failed. The others were not
	// carried out.
	Done int `json:"done,omitempty"`
}

// Error implements error.
func (r *Reason) Error() string { return r.Code + ": " + r.Message }

func fail(code, format string, args ...any) error {
	return &Reason{Code: code, Message: fmt.Sprintf(format, args...)}
}

// codeOf is the code of an error, or "ok".
func codeOf(err error) string {
	if err == nil {
		return "ok"
	}
	return reasonOf(err).Code
}

func reasonOf(err error) *Reason {
	var why *Reason
	if !errors.As(err, &why) {
		why = &Reason{Code: CodeUnavailable, Message: err.Error()}
	}
	return why
}

// refuse answers an error.
func refuse(w http.ResponseWriter, err error) {
	why := reasonOf(err)
	if why.Code == CodeUnauthenticated {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	}
	text, _ := json.Marshal(Failure{Error: *why}) // texts and a number
	write(w, statuses[why.Code], text)
}

// write sends a JSON body, which caches must not store.
func write(w http.ResponseWriter, status int, text []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A copy: the text may be a remembered answer, which others write at the same time.
	_, _ = w.Write(slices.Concat(text, []byte("\n"))) // a failed write means that the client is gone
}

// body reads the whole body of a request, which must be JSON.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	text, err := smalljson.Body(w, r, limit)
	if fault := (*smalljson.Fault)(nil); errors.As(err, &fault) {
		code := CodeBadRequest
		if fault.Status == http.StatusRequestEntityTooLarge {
			code = CodeTooLarge
		}
		return nil, fail(code, "%s", fault.Message)
	}
	return bytes.TrimSpace(text), nil
}

// decode reads JSON strictly: unknown names, names that come twice and invalid UTF-8 are mistakes.
func decode(text []byte, into any) error {
	err := jsontext.Unmarshal(text, into, jsontext.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	message := strings.NewReplacer("json: ", "", "jsontext: ", "").Replace(err.Error())
	if len(message) > 300 {
		message = strings.ToValidUTF8(message[:300], "") + "…"
	}
	return fail(CodeBadRequest, "the body has not the documented form: %s", message)
}
