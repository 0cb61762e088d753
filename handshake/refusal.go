package handshake

import (
	"errors"
	"net/http"
	"time"
)

// Code is the stable name of a refusal. Clients switch on it.
type Code string

// The codes of a refusal, as they go out in CONNECT_ERROR's data.code.
const (
	CodeUnauthenticated    Code = "unauthenticated"      // no credential was brought
	CodeTokenInvalid       Code = "token_invalid"        // the token cannot be accepted
	CodeTokenExpired       Code = "token_expired"        // the token was good, but has expired
	CodeTicketInvalid      Code = "ticket_invalid"       // unknown, used, expired, or bound to another place
	CodeOriginForbidden    Code = "origin_forbidden"     // the page's origin is not allowed
	CodeForbidden          Code = "forbidden"            // known, but not here
	CodeRateLimited        Code = "rate_limited"         // too many tries, see RetryAfter
	CodeTooManyConnections Code = "too_many_connections" // a limit on connections, see RetryAfter
	CodeUnavailable        Code = "unavailable"          // a verifier or store cannot be reached
)

// Refusal says no to a client. Code is for programs, Message for people, Cause
// for the log only. None of them holds a credential.
type Refusal struct {
	Code       Code
	Message    string        // one sentence that says what to do next
	RetryAfter time.Duration // zero when trying again needs no wait, or does not help
	Cause      error         // may be nil

	// Data is for the program of the client, beside the code. In CONNECT_ERROR it takes the place of
	// {code, retryAfterMs} as the error's data, as with Node's server; in an acknowledgement it is error.data. It must
	// be encodable as JSON, without binary. May be nil.
	Data any
}

// Error returns the code and the public message, so it is safe to show.
func (r *Refusal) Error() string { return string(r.Code) + ": " + r.Message }

// Unwrap returns the private cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// HTTPStatus is the status for a refusal that is answered before there is a
// connection.
func (r *Refusal) HTTPStatus() int {
	switch r.Code {
	case CodeOriginForbidden, CodeForbidden:
		return http.StatusForbidden
	case CodeRateLimited:
		return http.StatusTooManyRequests
	case CodeTooManyConnections, CodeUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnauthorized
	}
}

// ErrNotMine is returned by an extractor that finds no credential of its kind,
// and by a verifier that does not judge this one. The next one in the chain is
// asked then.
var ErrNotMine = errors.New("not mine")

func refuse(code Code, message string, cause error) *Refusal {
	return &Refusal{Code: code, Message: message, Cause: cause}
}

// unavailable refuses for a passing cause at this server or another one.
func unavailable(cause error) *Refusal { return unavailableFor(time.Second, cause) }

func unavailableFor(wait time.Duration, cause error) *Refusal {
	return &Refusal{
		Code:       CodeUnavailable,
		Message:    "Signing in does not work right now; try again in a moment.",
		RetryAfter: wait,
		Cause:      cause,
	}
}

// AsRefusal returns the refusal in the chain of an error, as the errors of a
// [Gate] have one. An error without a refusal counts as unavailable, with the
// error as its cause.
func AsRefusal(err error) *Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return unavailable(err)
}
