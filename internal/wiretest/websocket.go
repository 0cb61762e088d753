package wiretest

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// WebSocket is a session over a WebSocket.
type WebSocket struct {
	conn net.Conn
	in   *bufio.Reader
	sid  string
	mute bool
	came []Packet // over polling, before an upgrade

	mu sync.Mutex // held while a frame is written
}

var _ Client = (*WebSocket)(nil)

func dialWebSocket(ctx context.Context, addr string, o Options) (*WebSocket, error) {
	c, err := openWebSocket(ctx, o.url("ws", addr, "transport=websocket"), o)
	if err != nil {
		return nil, err
	}
	p, err := c.read()
	if err == nil {
		c.sid, err = sessionID(p)
	}
	if err != nil {
		c.Drop()
		return nil, err
	}
	return c, nil
}

// openWebSocket opens a WebSocket at a URL and reads nothing from it.
func openWebSocket(ctx context.Context, url string, o Options) (*WebSocket, error) {
	d := ws.Dialer{Timeout: patience, NetDial: o.dialer().DialContext, TLSConfig: o.TLS, Header: ws.HandshakeHeaderHTTP(o.Header)}
	conn, early, _, err := d.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	c := &WebSocket{conn: conn, in: bufio.NewReader(conn), mute: o.Mute}
	if early != nil { // it holds what came with the answer, and then ends
		head, _ := early.Peek(early.Buffered())
		c.in = bufio.NewReader(io.MultiReader(bytes.NewReader(bytes.Clone(head)), conn))
	}
	return c, nil
}

// Conn is the connection below, for tests that need its bytes.
func (c *WebSocket) Conn() net.Conn { return c.conn }

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
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.conn.Write(b)
	return err
}

// Frame is one masked frame (RFC 6455, section 5.2).
func Frame(op ws.OpCode, fin bool, payload []byte) []byte {
	var b bytes.Buffer
	_ = ws.WriteFrame(&b, ws.MaskFrame(ws.NewFrame(op, fin, payload)))
	return b.Bytes()
}

// nextFrame reads one frame as it is.
func (c *WebSocket) nextFrame() (ws.Frame, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	h, err := ws.ReadHeader(c.in)
	if err != nil {
		return ws.Frame{}, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(c.in, payload)
	return ws.Frame{Header: h, Payload: payload}, err
}

// read returns the next packet, whatever it is. PONG frames are passed over.
func (c *WebSocket) read() (Packet, error) {
	for {
		f, err := c.nextFrame()
		if err != nil {
			return Packet{}, err
		}
		switch f.Header.OpCode {
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(f.Payload)
			return Packet{}, &End{Code: int(code), Reason: reason}
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
		case p.Text == ping && !c.mute:
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
	_ = c.conn.Close()
	return err
}

// Drop implements Client.
func (c *WebSocket) Drop() { _ = c.conn.Close() }

// SID implements Client.
func (c *WebSocket) SID() string { return c.sid }
