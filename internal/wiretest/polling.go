package wiretest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Polling is a session over long-polling.
type Polling struct {
	ctx  context.Context // a session is a conversation: all of its requests end with it
	drop context.CancelFunc
	addr string
	opts Options
	http *http.Client
	sid  string
	came []Packet
}

var _ Client = (*Polling)(nil)

// separator stands between the packets of a payload (Engine.IO 4).
const separator = "\x1e"

// dialPolling opens a session and reads its open packet.
func dialPolling(ctx context.Context, addr string, o Options) (*Polling, error) {
	transport := &http.Transport{DialContext: o.dialer().DialContext, TLSClientConfig: o.TLS, DisableCompression: true}
	p := &Polling{addr: addr, opts: o, http: &http.Client{Transport: transport, Timeout: patience}}
	p.ctx, p.drop = context.WithCancel(ctx)
	first, err := p.Next()
	if err == nil {
		p.sid, err = sessionID(first)
	}
	if err != nil {
		p.Drop()
		return nil, err
	}
	return p, nil
}

// Do makes one request of the session and returns the status and the body of its
// answer. The content type is left out when kind is empty.
func (p *Polling) Do(method, kind string, body io.Reader) (status int, answer string, err error) {
	query := "transport=polling"
	if p.sid != "" {
		query += "&sid=" + p.sid
	}
	req, err := http.NewRequestWithContext(p.ctx, method, p.opts.url("http", p.addr, query), body)
	if err != nil {
		return 0, "", err
	}
	for name, values := range p.opts.Header {
		req.Header[name] = values
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	Repeatable(req)
	res, err := p.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// Repeatable lets net/http send a POST once more, on another connection, when the one
// that it took was idle and closed before any of the answer came: a server may close an
// idle connection at the moment in which the client uses it. A GET it repeats anyway.
func Repeatable(req *http.Request) {
	req.Header["Idempotency-Key"] = nil // says so to net/http, and is not sent
}

// Send implements Client. All packets go out in one POST.
func (p *Polling) Send(packets ...string) error {
	status, answer, err := p.Do(http.MethodPost, "text/plain;charset=UTF-8", strings.NewReader(strings.Join(packets, separator)))
	if err == nil && (status != http.StatusOK || answer != "ok") {
		err = &End{Code: status, Reason: answer}
	}
	return err
}

// SendBinary implements Client.
func (p *Polling) SendBinary(data []byte) error {
	return p.Send("b" + base64.StdEncoding.EncodeToString(data))
}

// Next implements Client.
func (p *Polling) Next() (Packet, error) {
	for {
		for len(p.came) == 0 {
			if err := p.poll(); err != nil {
				return Packet{}, err
			}
		}
		next := p.came[0]
		p.came = p.came[1:]
		switch {
		case next.Binary:
			return next, nil
		case next.Text == noop:
		case next.Text == "1":
			return Packet{}, &End{}
		case next.Text == ping && !p.opts.Mute:
			if err := p.Send(pong); err != nil {
				return Packet{}, err
			}
		default:
			return next, nil
		}
	}
}

// poll adds what one GET brings to came.
func (p *Polling) poll() error {
	status, body, err := p.Do(http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return &End{Code: status, Reason: body}
	}
	for text := range strings.SplitSeq(body, separator) {
		encoded, binary := strings.CutPrefix(text, "b")
		if !binary {
			p.came = append(p.came, Packet{Text: text})
			continue
		}
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return fmt.Errorf("binary packet %.80q: %w", text, err)
		}
		p.came = append(p.came, Packet{Binary: true, Text: string(data)})
	}
	return nil
}

// Upgrade moves the session to a WebSocket, as the JavaScript client does: it
// probes, lets the pending GET come back, and switches. What the GET brought is
// what Next returns first.
func (p *Polling) Upgrade(ctx context.Context) (*WebSocket, error) {
	c, err := openWebSocket(ctx, p.opts.url("ws", p.addr, "transport=websocket&sid="+p.sid), p.opts)
	if err != nil {
		return nil, err
	}
	c.sid = p.sid
	if err := p.move(c); err != nil {
		c.Drop()
		return nil, err
	}
	return c, nil
}

// Probe begins an upgrade and returns the WebSocket, whose probe has been answered.
func (p *Polling) Probe(ctx context.Context) (*WebSocket, error) {
	c, err := openWebSocket(ctx, p.opts.url("ws", p.addr, "transport=websocket&sid="+p.sid), p.opts)
	if err != nil {
		return nil, err
	}
	c.sid = p.sid
	if err = c.Send("2probe"); err == nil {
		_, err = c.read()
	}
	if err != nil {
		c.Drop()
	}
	return c, err
}

func (p *Polling) move(c *WebSocket) error {
	if err := c.Send("2probe"); err != nil {
		return err
	}
	answer, err := c.read()
	if err != nil {
		return err
	}
	if answer.Text != "3probe" {
		return fmt.Errorf("the probe was answered with %.80q", answer.Text)
	}
	if err := p.poll(); err != nil {
		return err
	}
	c.came, p.came = p.came, nil
	p.http.CloseIdleConnections()
	return c.Send("5")
}

// Leave implements Client.
func (p *Polling) Leave() error {
	err := p.Send("1")
	p.Drop()
	return err
}

// Drop implements Client.
func (p *Polling) Drop() {
	p.drop()
	p.http.CloseIdleConnections()
}

// SID implements Client.
func (p *Polling) SID() string { return p.sid }
