package backend

import (
	"bufio"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// fakeTransport is a back end without a network. It answers with nothing, or fails.
type fakeTransport struct {
	calls atomic.Int32

	mu  sync.Mutex // guards what follows
	err error
	got []Event
}

func (f *fakeTransport) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeTransport) delivered() []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got
}

func (f *fakeTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	f.calls.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if body[0] != '[' { // not a batch
		body = append(append([]byte{'['}, body...), ']')
	}
	var some []Event
	if err := json.Unmarshal(body, &some); err != nil {
		return nil, err
	}
	f.got = append(f.got, some...)
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
}

// fake returns a client of a fake back end.
func fake(t *testing.T, cfg Config, f *fakeTransport) *Client {
	t.Helper()
	cfg.URL, cfg.Secret = "http://localhost", testSecret
	c := client(t, cfg)
	c.http.Transport = f
	c.log = slog.New(slog.DiscardHandler)
	return c
}

// requests reads requests of one connection.
type requests struct{ in *bufio.Reader }

func newRequests(r io.Reader) *requests { return &requests{bufio.NewReader(r)} }

// next reads one request and returns its webhook-id.
func (r *requests) next() string {
	req, err := http.ReadRequest(r.in)
	if err != nil {
		return err.Error()
	}
	_, _ = io.Copy(io.Discard, req.Body)
	return req.Header.Get("webhook-id")
}
