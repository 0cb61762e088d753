package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long a client waits for the next PING before it takes the
// connection for dead, as the JavaScript client does.
const patience = pingInterval + pingTimeout + time.Second

// wire is one Engine.IO connection. One goroutine calls next, send may be called
// by another.
type wire interface {
	// next gives the next message. Its error says how the connection ended.
	next() (string, error)
	send(message string) error
	// pong says that the client lives, unasked.
	pong() error
	leave() // as clients do that close
	drop()  // as clients do that crash
}

// transports are the ways to connect.
var transports = []string{"websocket", "polling", "upgrade"}

func dial(ctx context.Context, addr, transport string, secure *tls.Config) (wire, error) {
	if transport == "websocket" {
		return dialWebSocket(ctx, addr, secure)
	}
	return dialPolling(ctx, addr, transport == "upgrade", secure)
}

// scheme is that of a URL, under TLS or not.
func scheme(plain string, secure *tls.Config) string {
	if secure != nil {
		return plain + "s"
	}
	return plain
}

// ended is the end of a connection as the client saw it.
type ended struct{ how string }

func (e ended) Error() string { return e.how }

// how names the end that err tells of, without what differs each time.
func how(err error) string {
	var e ended
	var timeout net.Error
	switch {
	case errors.As(err, &e):
		return e.how
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no sign of life"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "end of stream"
	}
	return "connection error"
}

// socket is a WebSocket under a session.
type socket struct {
	conn net.Conn
	in   *bufio.Reader
	buf  []byte

	mu sync.Mutex // held while a frame is written
}

func dialWebSocket(ctx context.Context, addr string, secure *tls.Config) (*socket, error) {
	c, err := openSocket(ctx, addr, "", secure)
	if err != nil {
		return nil, err
	}
	text, err := c.read()
	if err == nil && (text == "" || text[0] != '0') {
		err = fmt.Errorf("the first packet is %.80q", text)
	}
	if err != nil {
		c.drop()
		return nil, err
	}
	return c, nil
}

func openSocket(ctx context.Context, addr, sid string, secure *tls.Config) (*socket, error) {
	url := scheme("ws", secure) + "://" + addr + "/socket.io/?EIO=4&transport=websocket"
	if sid != "" {
		url += "&sid=" + sid
	}
	d := ws.Dialer{Timeout: patience, TLSConfig: secure}
	conn, early, _, err := d.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	c := &socket{conn: conn, in: bufio.NewReader(conn)}
	if early != nil { // it holds what came with the answer, and then ends
		head := make([]byte, early.Buffered())
		_, _ = io.ReadFull(early, head)
		c.in = bufio.NewReader(io.MultiReader(bytes.NewReader(head), conn))
	}
	return c, nil
}

// read gives the next packet.
func (c *socket) read() (string, error) {
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		h, err := ws.ReadHeader(c.in)
		if err != nil {
			return "", err
		}
		if int64(cap(c.buf)) < h.Length {
			c.buf = make([]byte, h.Length)
		}
		b := c.buf[:h.Length]
		if _, err := io.ReadFull(c.in, b); err != nil {
			return "", err
		}
		switch h.OpCode {
		case ws.OpClose:
			code, reason := ws.ParseCloseFrameData(b)
			_ = c.frame(ws.OpClose, string(b))
			return "", ended{fmt.Sprintf("closed %d %s", code, reason)}
		case ws.OpText:
			return string(b), nil
		}
	}
}

func (c *socket) next() (string, error) {
	for {
		text, err := c.read()
		switch {
		case err != nil:
			return "", err
		case text == "2":
			if err := c.pong(); err != nil {
				return "", err
			}
		case text != "" && text[0] == '4':
			return text[1:], nil
		}
	}
}

func (c *socket) send(message string) error { return c.frame(ws.OpText, "4"+message) }
func (c *socket) pong() error               { return c.frame(ws.OpText, "3") }
func (c *socket) drop()                     { abort(c.conn) }

func (c *socket) leave() {
	_ = c.frame(ws.OpClose, "\x03\xe8")
	_ = c.conn.Close()
}

func (c *socket) frame(op ws.OpCode, payload string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(patience))
	return ws.WriteFrame(c.conn, ws.MaskFrame(ws.NewFrame(op, true, []byte(payload))))
}

// sessionID reads the open packet.
func sessionID(text string) (string, error) {
	var open struct{ SID string }
	if text == "" || text[0] != '0' {
		return "", fmt.Errorf("the first packet is %.80q", text)
	}
	if err := json.Unmarshal([]byte(text[1:]), &open); err != nil || open.SID == "" {
		return "", fmt.Errorf("open packet %.80q", text)
	}
	return open.SID, nil
}
