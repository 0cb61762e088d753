package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// way is how a client comes: what its requests carry beside the protocol.
type way struct {
	transport string // polling, websocket or upgrade
	query     url.Values
	header    http.Header // of every request
	tls       *tls.Config // nil: no TLS
	from      string      // the client's own address; empty: any
}

var everyTransport = []string{"polling", "websocket", "upgrade"}

// refused is a handshake that was answered with HTTP.
type refused struct {
	status int
	body   string
}

func (e refused) Error() string { return fmt.Sprint(e.status, " ", e.body) }

// statusOf is the status that a handshake was refused with; 0 when it was not.
func statusOf(err error) int {
	var answer refused
	_ = errors.As(err, &answer)
	return answer.status
}

func (w way) url(addr, transport, sid string) string {
	q := url.Values{"EIO": {"4"}, "transport": {transport}}
	for name, values := range w.query {
		q[name] = values
	}
	if sid != "" {
		q.Set("sid", sid)
	}
	scheme := map[bool]string{false: "http", true: "https"}[w.tls != nil]
	if transport == "websocket" {
		scheme = strings.Replace(scheme, "http", "ws", 1)
	}
	return scheme + "://" + addr + "/socket.io/?" + q.Encode()
}

func (w way) dialer() *net.Dialer {
	d := &net.Dialer{}
	if w.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(w.from)}
	}
	return d
}

// open opens a session; the error is a refused when there is an answer.
func (w way) open(t *testing.T, addr string) (client, error) {
	t.Helper()
	if w.transport == "websocket" {
		return w.openWebSocket(t, addr, "")
	}
	p := &visitor{t: t, way: w, addr: addr}
	p.http = &http.Client{Transport: &http.Transport{DialContext: w.dialer().DialContext, TLSClientConfig: w.tls}}
	t.Cleanup(p.http.CloseIdleConnections)
	status, body := p.do(http.MethodGet, "", w.header)
	if status != http.StatusOK {
		return nil, refused{status, body}
	}
	p.sid = hello(t, body)
	if w.transport == "upgrade" {
		return p.upgrade()
	}
	return p, nil
}

func (w way) openWebSocket(t *testing.T, addr, sid string) (*websocketClient, error) {
	status := 0
	d := ws.Dialer{
		Header: ws.HandshakeHeaderHTTP(w.header), TLSConfig: w.tls, NetDial: w.dialer().DialContext,
		Protocols:     nil,
		OnStatusError: func(code int, _ []byte, _ io.Reader) { status = code },
	}
	if protocols := w.header["Sec-Websocket-Protocol"]; len(protocols) > 0 {
		header := w.header.Clone()
		delete(header, "Sec-Websocket-Protocol")
		d.Header, d.Protocols = ws.HandshakeHeaderHTTP(header), strings.Split(protocols[0], ", ")
	}
	conn, early, shake, err := d.Dial(t.Context(), w.url(addr, "websocket", sid))
	if err != nil {
		if status != 0 {
			return nil, refused{status, ""}
		}
		return nil, err
	}
	c := &websocketClient{t: t, conn: conn, in: conn, protocol: shake.Protocol}
	if early != nil {
		c.in = bufio.NewReadWriter(early, bufio.NewWriter(conn))
	}
	t.Cleanup(c.close)
	if sid == "" {
		c.sid = hello(t, c.next())
	}
	return c, nil
}

// visitor polls, and may bring other headers with each request.
type visitor struct {
	t       *testing.T
	way     way
	addr    string
	sid     string
	http    *http.Client
	waiting []string
}

func (p *visitor) do(method, body string, header http.Header) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(p.t.Context()), method, p.way.url(p.addr, "polling", p.sid), strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain")
	}
	wiretest.Repeatable(req)
	resp, err := p.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

func (p *visitor) send(packet string) {
	p.t.Helper()
	if status, body := p.do(http.MethodPost, packet, p.way.header); status != http.StatusOK {
		p.t.Fatalf("POST: %d %s", status, body)
	}
}

func (p *visitor) next() string {
	if len(p.waiting) == 0 {
		status, body := p.do(http.MethodGet, "", p.way.header)
		if status != http.StatusOK {
			return fmt.Sprint(status, " ", body)
		}
		p.waiting = strings.Split(body, "\x1e")
	}
	first := p.waiting[0]
	p.waiting = p.waiting[1:]
	return first
}

func (p *visitor) session() string { return p.sid }
func (p *visitor) close()          { _, _ = p.do(http.MethodPost, "1", p.way.header) }

// upgrade changes to a WebSocket, as a client with nothing to poll for does.
func (p *visitor) upgrade() (client, error) {
	c, err := p.way.openWebSocket(p.t, p.addr, p.sid)
	if err != nil {
		return nil, err
	}
	c.sid = p.sid
	c.send("2probe")
	if answer := c.next(); answer != "3probe" {
		return nil, errors.New("probe: " + answer)
	}
	c.send("5")
	return c, nil
}

// answerTo reads on until something that begins so, and gives the rest.
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

// sendConnect sends CONNECT and gives the reply: "in", or the code of the refusal.
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

// whoami asks the namespace of the helper who who the client is.
func whoami(t *testing.T, c client, namespace string) string {
	t.Helper()
	c.send("42" + namespace + `,7["whoami",{}]`)
	got := answerTo(c, "43"+namespace+",7")
	return strings.TrimPrefix(got, "43"+namespace+",7")
}

// who makes namespaces that say who came in, and how.
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

// come opens a session that must succeed.
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
	for _, transport := range everyTransport {
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

// codeOf is the code of a refusal in JSON.
func codeOf(answer map[string]any) any {
	failure, _ := answer["error"].(map[string]any)
	return failure["code"]
}

// ticket asks for one with a bearer token.
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

// startsWith says what server.New says of a configuration.
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
