package engine

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// client is a raw Engine.IO client. Its methods are for one goroutine to send
// and one to receive.
type client interface {
	send(texts ...string) error // messages
	sendBinary(data []byte) error
	next() (packet, error) // what comes next; PINGs are answered and NOOPs passed over
	leave() error          // says good-bye in the transport's way
}

// packet is what a client sees.
type packet struct {
	kind byte // as on the wire; typeBinary for binary messages, kindEnd for the end of a WebSocket
	data string
	code int // of kindEnd
}

const kindEnd = 'X'

func (p packet) String() string { return fmt.Sprintf("%c %.200s %d", p.kind, p.data, p.code) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dial connects over "polling", "websocket", or polling and then an upgrade.
func (r *rig) dial(t testing.TB, transport string) client {
	t.Helper()
	if transport == "websocket" {
		c := r.dialWS(t, "")
		c.expectOpen(t)
		return c
	}
	p := r.dialPolling(t)
	if transport == "polling" {
		return p
	}
	c := r.dialWS(t, p.sid)
	check(t, p.upgrade(c))
	return c
}

// wsClient is the client's end of a WebSocket.
type wsClient struct {
	conn net.Conn
	in   *bufio.Reader
	mute bool     // PINGs stay unanswered and are returned by next
	came []packet // what came over polling before the upgrade
}

// dialWS opens a WebSocket, for the session sid if that is not empty.
func (r *rig) dialWS(t testing.TB, sid string) *wsClient {
	t.Helper()
	query := "EIO=4&transport=websocket"
	if sid != "" {
		query += "&sid=" + sid
	}
	c, err := r.tryWS(query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

func (r *rig) tryWS(query string) (*wsClient, error) {
	d := ws.Dialer{Timeout: patience}
	if r.web.TLS != nil {
		d.TLSConfig = &tls.Config{RootCAs: r.web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
	}
	conn, early, _, err := d.Dial(context.Background(), r.url("ws", query))
	if err != nil {
		return nil, err
	}
	in := early
	if in == nil {
		in = bufio.NewReader(conn)
	} else { // its reader holds what came early and then ends
		head, _ := in.Peek(in.Buffered())
		in = bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(head)), conn))
	}
	return &wsClient{conn: conn, in: in}, nil
}

func (c *wsClient) expectOpen(t testing.TB) string {
	t.Helper()
	p := must[packet](t)(c.next())
	if p.kind != typeOpen {
		t.Fatalf("first packet is %q", p)
	}
	return sidOf(t, p.data)
}

func sidOf(t testing.TB, open string) string {
	t.Helper()
	var o struct{ SID string }
	check(t, json.Unmarshal([]byte(open), &o))
	return o.SID
}

// frame writes one masked frame.
func (c *wsClient) frame(op ws.OpCode, data []byte) error {
	return c.write(clientFrame(op, data))
}

func clientFrame(op ws.OpCode, data []byte) []byte {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewFrame(op, true, data)))
	return b.Bytes()
}

func (c *wsClient) write(b []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.conn.Write(b)
	return err
}

func (c *wsClient) send(texts ...string) error {
	var b []byte
	for _, text := range texts {
		b = append(b, clientFrame(ws.OpText, []byte("4"+text))...)
	}
	return c.write(b)
}

func (c *wsClient) sendBinary(data []byte) error { return c.frame(ws.OpBinary, data) }

func (c *wsClient) leave() error { return c.frame(ws.OpClose, []byte{3, 232}) }

// nextFrame reads one frame as it is.
func (c *wsClient) nextFrame() (ws.Frame, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	h, err := ws.ReadHeader(c.in)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.in, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

func (c *wsClient) next() (packet, error) {
	for len(c.came) > 0 {
		p := c.came[0]
		c.came = c.came[1:]
		switch {
		case p.kind == typeNoop:
		case p.kind == typePing && !c.mute:
			if err := c.frame(ws.OpText, []byte{typePong}); err != nil {
				return packet{}, err
			}
		default:
			return p, nil
		}
	}
	for {
		f, err := c.nextFrame()
		if err != nil {
			return packet{}, err
		}
		switch {
		case f.Header.OpCode == ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			return packet{kind: kindEnd, code: int(code), data: reason}, nil
		case f.Header.OpCode == ws.OpBinary:
			return packet{kind: typeBinary, data: string(f.Payload)}, nil
		case f.Header.OpCode == ws.OpPong:
			return packet{kind: 'P', data: string(f.Payload)}, nil
		case len(f.Payload) == 1 && f.Payload[0] == typePing && !c.mute:
			if err := c.frame(ws.OpText, []byte{typePong}); err != nil {
				return packet{}, err
			}
		default:
			return packet{kind: f.Payload[0], data: string(f.Payload[1:])}, nil
		}
	}
}

// pollClient is a client that polls.
type pollClient struct {
	http *http.Client
	url  string
	sid  string
	mute bool
	came []packet
}

func (r *rig) newPoller(t testing.TB) *pollClient {
	tr := r.web.Client().Transport.(*http.Transport).Clone()
	tr.DisableCompression = true
	t.Cleanup(tr.CloseIdleConnections)
	return &pollClient{http: &http.Client{Transport: tr, Timeout: patience}, url: r.url("http", "EIO=4&transport=polling")}
}

func (r *rig) dialPolling(t testing.TB) *pollClient {
	t.Helper()
	c := r.newPoller(t)
	p := must[packet](t)(c.next())
	if p.kind != typeOpen {
		t.Fatalf("first packet is %q", p)
	}
	c.sid = sidOf(t, p.data)
	c.url += "&sid=" + c.sid
	return c
}

// get polls once.
func (c *pollClient) get() (status int, body string, err error) {
	return c.do(http.MethodGet, "", nil)
}

func (c *pollClient) post(body string) (status int, answer string, err error) {
	return c.do(http.MethodPost, "text/plain;charset=UTF-8", strings.NewReader(body))
}

func (c *pollClient) do(method, kind string, body io.Reader) (int, string, error) {
	req, err := http.NewRequest(method, c.url, body)
	if err != nil {
		return 0, "", err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	wiretest.Repeatable(req)
	res, err := c.http.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func (c *pollClient) send(texts ...string) error {
	return c.mustPost("4" + strings.Join(texts, "\x1e4"))
}

func (c *pollClient) sendBinary(data []byte) error {
	return c.mustPost("b" + base64.StdEncoding.EncodeToString(data))
}

func (c *pollClient) leave() error { return c.mustPost("1") }

func (c *pollClient) mustPost(body string) error {
	status, answer, err := c.post(body)
	if err == nil && (status != http.StatusOK || answer != "ok") {
		err = fmt.Errorf("POST answered %d %q", status, answer)
	}
	return err
}

func (c *pollClient) next() (packet, error) {
	for {
		for len(c.came) == 0 {
			if err := c.poll(); err != nil {
				return packet{}, err
			}
		}
		p := c.came[0]
		c.came = c.came[1:]
		switch {
		case p.kind == typeNoop:
		case p.kind == typePing && !c.mute:
			if err := c.mustPost("3"); err != nil {
				return packet{}, err
			}
		default:
			return p, nil
		}
	}
}

// poll adds what one GET brings to came.
func (c *pollClient) poll() error {
	status, body, err := c.get()
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET answered %d %q", status, body)
	}
	for text := range strings.SplitSeq(body, "\x1e") {
		p := packet{kind: text[0], data: text[1:]}
		if p.kind == typeBinary {
			data, err := base64.StdEncoding.DecodeString(p.data)
			if err != nil {
				return err
			}
			p.data = string(data)
		}
		c.came = append(c.came, p)
	}
	return nil
}

// upgrade moves the session to w, as the JavaScript client does: probe, let the
// pending GET come back, then switch. What the GET brought stays in came.
func (c *pollClient) upgrade(w *wsClient) error {
	if err := w.frame(ws.OpText, []byte("2probe")); err != nil {
		return err
	}
	if p, err := w.next(); err != nil || p != (packet{kind: typePong, data: "probe"}) {
		return fmt.Errorf("answer to the probe: %q %w", p, err)
	}
	if err := c.poll(); err != nil {
		return err
	}
	w.came, c.came = c.came, nil
	return w.frame(ws.OpText, []byte("5"))
}

// goes runs f beside the test.
func goes(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// dialMany opens WebSockets whose clients do not read beyond the open packet.
func (r *rig) dialMany(t *testing.T, n int, d net.Dialer) []net.Conn {
	t.Helper()
	const request = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	conns := make([]net.Conn, n)
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < n; i += 4 {
				c, err := d.Dial("tcp", r.web.Listener.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = c.Close() })
				_, _ = io.WriteString(c, request)
				readOpen(c)
				conns[i] = c
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return conns
}
