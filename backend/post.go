package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"gatehouse/internal/limit"
	"gatehouse/internal/spans"
)

// Unavailable says that the back end gave no answer, and when to try again. Its
// cause is for the log.
type Unavailable struct {
	RetryAfter time.Duration
	Cause      error
}

// Error implements error.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("the back end is unavailable for %s: %v", u.RetryAfter, u.Cause)
}

// Unwrap returns the cause.
func (u *Unavailable) Unwrap() error { return u.Cause }

const (
	retrySoon    = time.Second // the message for a client without a better one
	longestAfter = time.Minute // the longest pause that a back end may ask for
	quoted       = 200         // how many bytes of a wrong answer are logged
)

// newTransport keeps connections open, and speaks HTTP/2 where it is offered.
func newTransport(cfg Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil // the address comes from the configuration only
	t.MaxIdleConnsPerHost = cfg.MaxInFlight
	t.MaxIdleConns = 0
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// post sends one signed request and returns the body of its answer. When the
// connection had been closed just before, net/http sends it once more with the same
// webhook-id: the idempotency key says that it may.
func (c *Client) post(ctx context.Context, id string, body []byte) ([]byte, error) {
	cfg := c.conf()
	ctx, stop := context.WithTimeout(ctx, cfg.Timeout)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "gatehouse")
	req.Header.Set("Idempotency-Key", id)
	spans.Give(ctx, req.Header)
	sign(req.Header, cfg.keys, id, time.Now(), body)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	spans.Status(ctx, res.StatusCode)
	answer, err := io.ReadAll(io.LimitReader(res.Body, cfg.AnswerBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", err)
	case res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent:
		return nil, wrongStatus(res, answer)
	case int64(len(answer)) > cfg.AnswerBytes:
		return nil, wrongAnswer{fmt.Errorf("the answer is larger than answer_bytes (%d)", cfg.AnswerBytes)}
	}
	return answer, nil
}

// wrongAnswer is an answer in a wrong form: asking again would not help.
type wrongAnswer struct{ error }

// statusError is an answer with a status that is no success.
type statusError struct {
	status     int
	retryAfter time.Duration
	text       string
}

func (e *statusError) Error() string { return e.text }

func wrongStatus(res *http.Response, body []byte) error {
	text := fmt.Sprintf("status %d, content type %q: %.*q", res.StatusCode, res.Header.Get("Content-Type"), quoted, body)
	if 300 <= res.StatusCode && res.StatusCode < 400 {
		text += "; redirects are not followed, url must be the last address"
	}
	e := &statusError{status: res.StatusCode, text: text}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.retryAfter = min(time.Duration(seconds)*time.Second, longestAfter)
	}
	return e
}

// outcome returns what an error means for the breaker.
func outcome(ctx context.Context, err error) limit.Outcome {
	var status *statusError
	switch {
	case err == nil, errors.As(err, new(wrongAnswer)):
		return limit.Answered
	case errors.As(err, &status) && status.status < 500 && status.status != http.StatusTooManyRequests:
		return limit.Answered // it is there, and wrong
	}
	return limit.OutcomeOf(ctx, err)
}
