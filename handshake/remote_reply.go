package handshake

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// reply is the answer of another server.
type reply struct {
	status     int
	kind       string // the content type, as it came
	retryAfter time.Duration
	body       []byte
}

// away reports whether the status says that the server is away. A 500 does not
// say so: only this question has failed.
func (r reply) away() bool {
	switch r.status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// refusal is the refusal for a client about whom the other server gave no
// answer.
func (r reply) refusal(at string) *Refusal {
	cause := fmt.Errorf("%s: %s", at, r.form())
	refusal := unavailableFor(max(r.retryAfter, time.Second), cause)
	if r.status == http.StatusTooManyRequests {
		refusal.Code, refusal.Message = CodeRateLimited, "Too many sign-ins at once; try again in a moment."
	}
	return refusal
}

// unreadable is the refusal for an invalid answer; why says what is wrong with
// it.
func (r reply) unreadable(at string, why error) *Refusal {
	return unavailable(fmt.Errorf("%s: %s: %w", at, r.form(), why))
}

// form describes an answer without its content, for the log.
func (r reply) form() string {
	const most = 100
	return fmt.Sprintf("status %d, content type %.*q, %d bytes", r.status, most, r.kind, len(r.body))
}

// retryAfter reads Retry-After (RFC 9110, section 10.2.3), seconds or a date; it
// is zero without a valid one, and at most maxRetryAfter.
func retryAfter(value string, now time.Time) time.Duration {
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// lastSecond is the end of the year 9999. Times in milliseconds are beyond it.
const lastSecond = 253402300799

// clockSlack is how far a time of issue may lie ahead of this machine's clock.
const clockSlack = 2 * time.Minute

// unixSeconds checks a time that another server gave in Unix seconds.
func unixSeconds(name string, value int64) error {
	if value < 0 || value > lastSecond {
		return fmt.Errorf("%s: %d is not in Unix seconds", name, value)
	}
	return nil
}
