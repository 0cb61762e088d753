package server_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// way is how a client signs in: what its requests carry beside the protocol.
type way struct {
	transport string // polling, websocket or upgrade
	query     url.Values
	header    http.Header // of every request
	tls       *tls.Config // nil: no TLS
	from      string      // the client's own address; empty: any
}

// options returns the options of the raw client for this way.
func (w way) options() wiretest.Options {
	return wiretest.Options{Query: w.query.Encode(), Header: w.header, TLS: w.tls, From: w.from, Mute: true}
}

// statusOf is the status that a handshake was refused with; 0 when it was not.
func statusOf(err error) int {
	var end *wiretest.End
	if errors.As(err, &end) {
		return end.Code
	}
	return 0
}

// open opens a session.
func (w way) open(t *testing.T, addr string) (client, error) {
	t.Helper()
	if w.transport == "websocket" {
		c, err := w.openWebSocket(t, addr, "")
		if err == nil {
			err = c.ws.Open()
		}
		return c, err
	}
	c := w.resume(t, addr, "")
	if err := c.poll.Open(); err != nil || w.transport == "polling" {
		return c, err
	}
	return c.upgrade()
}

// resume goes on with a session by polling. In the end it leaves: a server that stops would wait for the next poll.
func (w way) resume(t *testing.T, addr, sid string) client {
	c := client{t: t, poll: wiretest.NewPolling(context.WithoutCancel(t.Context()), addr, sid, w.options())}
	t.Cleanup(func() { _ = c.poll.Leave() })
	return c
}

// openWebSocket opens a WebSocket, for the session sid if that is not empty, and reads nothing from it.
func (w way) openWebSocket(t *testing.T, addr, sid string) (client, error) {
	ws, err := wiretest.OpenWebSocket(t.Context(), addr, sid, w.options())
	if err != nil {
		return client{}, err
	}
	t.Cleanup(ws.Drop)
	return client{t: t, ws: ws}, nil
}

// upgrade changes to a WebSocket, as a client with nothing to poll for does.
func (c client) upgrade() (client, error) {
	ws, err := c.poll.Probe(c.t.Context())
	if err != nil {
		return client{}, err
	}
	c.t.Cleanup(ws.Drop)
	return client{t: c.t, ws: ws}, c.poll.Switch(ws)
}

// answerTo reads on until a packet begins with the prefix, and returns the rest of it.
func answerTo(c client, prefixes ...string) string {
	for range 20 {
		got := c.next()
		for _, p := range prefixes {
			if strings.HasPrefix(got, p) {
				return got
			}
		}
		if got == "2" {
			c.send("3")
			continue
		}
		if got != "6" {
			return got
		}
	}
	return "nothing"
}

// sendConnect sends CONNECT and returns the reply: "in", or the code of the refusal.
func sendConnect(c client, namespace, auth string) string {
	c.send("40" + namespace + "," + auth)
	got := answerTo(c, "40"+namespace+",", "44"+namespace+",")
	if strings.HasPrefix(got, "40") {
		return "in"
	}
	var refusal struct{ Data struct{ Code string } }
	if body, ok := strings.CutPrefix(got, "44"+namespace+","); ok && json.Unmarshal([]byte(body), &refusal) == nil {
		return refusal.Data.Code
	}
	return got
}

// whoami asks a namespace of the helper who for the client's identity.
func whoami(t *testing.T, c client, namespace string) string {
	t.Helper()
	c.send("42" + namespace + `,7["whoami",{}]`)
	got := answerTo(c, "43"+namespace+",7")
	return strings.TrimPrefix(got, "43"+namespace+",7")
}

// who makes namespaces that answer with the client's identity and method.
func who(names ...string) []namespaces.Definition {
	var defs []namespaces.Definition
	for _, name := range names {
		ns := namespaces.New(name)
		namespaces.On(ns, "whoami", func(_ context.Context, s *namespaces.Socket, _ struct{}) (string, error) {
			return s.Identity().Subject + " by " + s.Identity().Method, nil
		})
		defs = append(defs, ns)
	}
	return defs
}

// come opens a session, which must succeed.
func come(t *testing.T, addr string, w way) client {
	t.Helper()
	c, err := w.open(t, addr)
	if err != nil {
		t.Fatalf("%s: %v", w.transport, err)
	}
	return c
}

// over runs a test on every transport.
func over(t *testing.T, test func(t *testing.T, transport string)) {
	for _, transport := range wiretest.Transports {
		t.Run(transport, func(t *testing.T) { test(t, transport) })
	}
}

// call makes one request to an endpoint and decodes the JSON of its answer.
func (r *running) call(method, path, body string, header http.Header) (int, http.Header, map[string]any) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.t.Context()), method, r.url(path), strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if req.Header = header.Clone(); req.Header == nil {
		req.Header = http.Header{}
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Close = true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.seen.Write(text)
	var answer map[string]any
	_ = json.Unmarshal(text, &answer) // preflights have none
	return resp.StatusCode, resp.Header, answer
}

// codeOf returns the code of a refusal in JSON.
func codeOf(answer map[string]any) any {
	failure, _ := answer["error"].(map[string]any)
	return failure["code"]
}

// ticket asks for a ticket with a bearer token.
func (r *running) ticket(subject, body string, header http.Header) string {
	r.t.Helper()
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	if header.Get("Authorization") == "" {
		header.Set("Authorization", "Bearer "+token(r.t, subject))
	}
	status, _, answer := r.call(http.MethodPost, "/auth/tickets", body, header)
	text, ok := answer["ticket"].(string)
	if status != http.StatusOK || !ok {
		r.t.Fatalf("POST /auth/tickets: %d %v", status, answer)
	}
	return text
}

// startsWith returns the error of server.New for a configuration.
func startsWith(t *testing.T, cfg server.Config) error {
	t.Helper()
	if cfg.JWT.HMACSecret == "" {
		cfg.JWT.HMACSecret = secret
	}
	s, err := server.New(cfg)
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Shutdown(ctx)
	}
	return err
}
