package wiretest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Polling is a session over long-polling.
type Polling struct {
	HTTP   *http.Client // for requests that are not of the protocol
	Header http.Header  // of every request
	Mute   bool         // as in [Options]

	ctx  context.Context // all requests of a session end with it
	drop context.CancelFunc
	addr string
	opts Options
	sid  string
	came []Packet
}

var _ Client = (*Polling)(nil)

// separator stands between the packets of a payload (Engine.IO 4).
const separator = "\x1e"

// NewPolling makes a client of the session sid, which may have been opened at another address, or of none yet. It sends nothing.
func NewPolling(ctx context.Context, addr, sid string, o Options) *Polling {
	transport := &http.Transport{DialContext: o.connect, TLSClientConfig: o.TLS, DisableCompression: true}
	p := &Polling{addr: addr, opts: o, sid: sid, Header: o.Header, Mute: o.Mute, HTTP: &http.Client{Transport: transport, Timeout: o.patience()}}
	p.ctx, p.drop = context.WithCancel(ctx)
	return p
}

// Open opens a session and reads its open packet.
func (p *Polling) Open() error {
	first, err := p.Next()
	if err == nil {
		p.sid, err = sessionID(first)
	}
	if err != nil {
		p.Drop()
	}
	return err
}

// URL is that of the session's requests.
func (p *Polling) URL() string {
	query := "transport=polling"
	if p.sid != "" {
		query += "&sid=" + url.QueryEscape(p.sid)
	}
	return p.opts.url("http", p.addr, query)
}

// Do makes one request of the session and returns the status and the body of its
// answer. The content type is left out when kind is empty.
func (p *Polling) Do(method, kind string, body io.Reader) (status int, answer string, err error) {
	header := p.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if kind != "" {
		header.Set("Content-Type", kind)
	}
	return p.Request(method, header, body)
}

// Request is Do with a header of its own instead of that of every request.
func (p *Polling) Request(method string, header http.Header, body io.Reader) (status int, answer string, err error) {
	req, err := http.NewRequestWithContext(p.ctx, method, p.URL(), body)
	if err != nil {
		return 0, "", err
	}
	req.Header = header
	repeatable(req)
	res, err := p.HTTP.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// repeatable lets net/http send a POST once more when its idle connection was closed
// before any of the answer came: a server may close an idle connection just when the
// client uses it. net/http repeats a GET anyway.
func repeatable(req *http.Request) {
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
			if err := p.Poll(); err != nil {
				return Packet{}, err
			}
		}
		next := p.came[0]
		p.came = p.came[1:]
		switch {
		case next.Binary:
			return next, nil
		case next.Text == "1":
			return Packet{}, &End{}
		case next.Text == ping && !p.Mute:
			if err := p.Send(pong); err != nil {
				return Packet{}, err
			}
		default:
			return next, nil
		}
	}
}

// Pending is how many packets the last GET brought that Next has not returned yet.
func (p *Polling) Pending() int { return len(p.came) }

// Poll keeps the packets that one GET brings for Next, but NOOPs.
func (p *Polling) Poll() error {
	status, body, err := p.Do(http.MethodGet, "", nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return &End{Code: status, Reason: body}
	}
	for text := range strings.SplitSeq(body, separator) {
		encoded, binary := strings.CutPrefix(text, "b")
		if text == noop {
			continue
		}
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
// probes, lets the pending GET come back, and switches. Next then returns the
// packets of the GET first.
func (p *Polling) Upgrade(ctx context.Context) (*WebSocket, error) {
	c, err := p.Probe(ctx)
	if err != nil {
		return nil, err
	}
	if err = p.Poll(); err == nil {
		err = p.Switch(c)
	}
	if err != nil {
		c.Drop()
		return nil, err
	}
	p.HTTP.CloseIdleConnections()
	return c, nil
}

// Probe begins an upgrade and returns the WebSocket, whose probe has been answered.
func (p *Polling) Probe(ctx context.Context) (*WebSocket, error) {
	o := p.opts
	o.Header = p.Header
	c, err := OpenWebSocket(ctx, p.addr, p.sid, o)
	if err != nil {
		return nil, err
	}
	if err := c.Probe(); err != nil {
		c.Drop()
		return nil, err
	}
	return c, nil
}

// Switch makes a WebSocket whose probe has been answered the session's transport.
// Its Next returns first the packets that polling has brought.
func (p *Polling) Switch(c *WebSocket) error {
	c.sid, c.came, p.came = p.sid, p.came, nil
	return c.Send("5")
}

// Leave implements Client. It polls once more, as the JavaScript client's pending GET does: the server waits for that.
func (p *Polling) Leave() error {
	err := p.Send("1")
	if err == nil {
		_ = p.Poll()
	}
	p.Drop()
	return err
}

// Drop implements Client.
func (p *Polling) Drop() {
	p.drop()
	p.HTTP.CloseIdleConnections()
}

// SID implements Client.
func (p *Polling) SID() string { return p.sid }
