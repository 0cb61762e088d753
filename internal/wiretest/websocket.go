package wiretest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// WebSocket is a session over a WebSocket.
type WebSocket struct {
	Conn     net.Conn      // for tests that need its bytes
	In       *bufio.Reader // what comes from Conn
	Mute     bool          // as in [Options]
	Pongs    bool          // PONG frames are returned by Next, as "pong " and their payload; else they are passed over
	Protocol string        // the subprotocol that the server chose

	sid      string
	patience time.Duration
	came     []Packet // over polling, before an upgrade

	mu sync.Mutex // held while a frame is written
}

var _ Client = (*WebSocket)(nil)

// NewWebSocket makes a client of a connection whose handshake a test has made itself.
func NewWebSocket(conn net.Conn, in *bufio.Reader) *WebSocket {
	return &WebSocket{Conn: conn, In: in, patience: patience}
}

// OpenWebSocket opens a WebSocket, for the session sid if that is not empty, and reads nothing from it.
// When the server refuses it, the error is an [*End] with the HTTP status.
func OpenWebSocket(ctx context.Context, addr, sid string, o Options) (*WebSocket, error) {
	query := "transport=websocket"
	if sid != "" {
		query += "&sid=" + url.QueryEscape(sid)
	}
	header := o.Header.Clone()
	var protocols []string // the dialer has a field for them
	if offered := header.Get("Sec-WebSocket-Protocol"); offered != "" {
		protocols = strings.Split(offered, ", ")
		header.Del("Sec-WebSocket-Protocol")
	}
	d := ws.Dialer{Timeout: o.patience(), NetDial: o.connect, TLSConfig: o.TLS, Header: ws.HandshakeHeaderHTTP(header), Protocols: protocols}
	conn, early, agreed, err := d.Dial(ctx, o.url("ws", addr, query))
	var status ws.StatusError
	if errors.As(err, &status) {
		return nil, &End{Code: int(status), Reason: err.Error()}
	}
	if err != nil {
		return nil, err
	}
	c := &WebSocket{Conn: conn, In: bufio.NewReader(conn), Mute: o.Mute, Protocol: agreed.Protocol, sid: sid, patience: o.patience()}
	if early != nil { // it holds the bytes that came with the answer, and then ends
		head, _ := early.Peek(early.Buffered())
		c.In = bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(head)), conn))
	}
	return c, nil
}

// Opening is the request for a WebSocket as text, for tests that cut it, or send it over a connection of their own. The query comes
// behind that of the transport and begins with "&", and each line of the header ends in "\r\n".
func Opening(query string, header ...string) string {
	return "GET /socket.io/?EIO=4&transport=websocket" + query + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(header, "") + "\r\n"
}

// Open reads the open packet of a session that has just been opened.
func (c *WebSocket) Open() error {
	p, err := c.read()
	if err == nil {
		c.sid, err = sessionID(p)
	}
	if err != nil {
		c.Drop()
	}
	return err
}

// Probe asks whether the session may move here, and reads the answer.
func (c *WebSocket) Probe() error {
	if err := c.Send("2probe"); err != nil {
		return err
	}
	answer, err := c.read()
	if err == nil && answer.Text != "3probe" {
		err = fmt.Errorf("the probe was answered with %.80q", answer.Text)
	}
	return err
}

// Send implements Client. All packets go out in one write.
func (c *WebSocket) Send(packets ...string) error {
	var b []byte
	for _, p := range packets {
		b = append(b, Frame(ws.OpText, true, []byte(p))...)
	}
	return c.Write(b)
}

// SendBinary implements Client.
func (c *WebSocket) SendBinary(data []byte) error { return c.Write(Frame(ws.OpBinary, true, data)) }

// Write writes bytes as they are.
func (c *WebSocket) Write(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.patience))
	_, err := c.Conn.Write(b)
	return err
}

// Frame is one masked frame (RFC 6455, section 5.2).
func Frame(op ws.OpCode, fin bool, payload []byte) []byte {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewFrame(op, fin, payload)))
	return b.Bytes()
}

// NextFrame reads one frame as it is.
func (c *WebSocket) NextFrame() (ws.Frame, error) {
	_ = c.Conn.SetReadDeadline(time.Now().Add(c.patience))
	h, err := ws.ReadHeader(c.In)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.In, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

// read returns the next packet, whatever it is.
func (c *WebSocket) read() (Packet, error) {
	for {
		f, err := c.NextFrame()
		if err != nil {
			return Packet{}, err
		}
		switch f.Header.OpCode {
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			return Packet{}, &End{Code: int(code), Reason: reason}
		case ws.OpPong:
			if c.Pongs {
				return Packet{Text: "pong " + string(f.Payload)}, nil
			}
		case ws.OpText, ws.OpBinary:
			return Packet{Binary: f.Header.OpCode == ws.OpBinary, Text: string(f.Payload)}, nil
		}
	}
}

// Next implements Client.
func (c *WebSocket) Next() (Packet, error) {
	for {
		p, err := c.pull()
		switch {
		case err != nil:
			return Packet{}, err
		case p.Binary:
			return p, nil
		case p.Text == noop:
		case p.Text == ping && !c.Mute:
			if err := c.Send(pong); err != nil {
				return Packet{}, err
			}
		default:
			return p, nil
		}
	}
}

// pull returns what came over polling first, then what comes over the WebSocket.
func (c *WebSocket) pull() (Packet, error) {
	if len(c.came) == 0 {
		return c.read()
	}
	p := c.came[0]
	c.came = c.came[1:]
	return p, nil
}

// Leave implements Client.
func (c *WebSocket) Leave() error {
	err := c.Write(Frame(ws.OpClose, true, ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	_ = c.Conn.Close()
	return err
}

// Drop implements Client.
func (c *WebSocket) Drop() { _ = c.Conn.Close() }

// SID implements Client.
func (c *WebSocket) SID() string { return c.sid }
