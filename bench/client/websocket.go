package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// The handshake of RFC 6455, section 1.3, with its own example's key and answer.
const (
	secKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	secAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

var errUpgrade = errors.New("no upgrade to WebSocket")

// webSocket carries one packet in each text message.
type webSocket struct {
	*link
	conn     *Conn
	upgraded bool
	frames   []byte // put, not flushed
	message  []byte // the fragments of a message that has not ended yet
}

func openWebSocket(c *Conn) error {
	w := &webSocket{conn: c}
	c.transport = w
	var err error
	if w.link, err = c.loop.open(c.cfg.Addr, c.cfg.TLS, w); err != nil {
		return err
	}
	w.write(upgradeRequest(c.cfg.Addr, c.cfg.Protocol.path()))
	return nil
}

func upgradeRequest(addr netip.AddrPort, path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr.String() +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + secKey +
		"\r\nSec-WebSocket-Version: 13\r\n\r\n")
}

func (w *webSocket) put(packet []byte) { w.frames = appendText(w.frames, packet) }

func (w *webSocket) flush() {
	w.write(w.frames)
	w.frames = w.frames[:0]
}

func (w *webSocket) waiting() int { return len(w.out) }

func (w *webSocket) leave() {
	w.frames = append(w.frames, closing...)
	w.flush()
}

func (w *webSocket) room()                     { w.conn.handler.Room(w.conn) }
func (w *webSocket) broken(_ *link, err error) { w.conn.end(err) }

func (w *webSocket) feed(_ *link, b []byte) ([]byte, error) {
	if !w.upgraded {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return b, nil
		}
		head := b[:end]
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(secAccept)) {
			return nil, fmt.Errorf("%w: %.40q", errUpgrade, head)
		}
		w.upgraded = true
		w.conn.cfg.Protocol.opened(w.conn)
		b = b[end+4:]
	}
	for w.fd >= 0 {
		f, err := parseFrame(b)
		if err != nil {
			return nil, err
		}
		if f.size == 0 {
			return b, nil
		}
		if err := w.frame(f); err != nil {
			return nil, err
		}
		b = b[f.size:]
	}
	return nil, nil
}

func (w *webSocket) frame(f frame) error {
	switch f.op {
	case finText:
		return w.conn.cfg.Protocol.packet(w.conn, f.payload)
	case text, more:
		w.message = append(w.message, f.payload...)
		return nil
	case fin | more:
		whole := append(w.message, f.payload...)
		w.message = nil
		return w.conn.cfg.Protocol.packet(w.conn, whole)
	case finPing, finPong:
		return nil
	case finClose:
		return io.EOF
	default:
		return fmt.Errorf("%w: opcode %#x", errFrame, f.op)
	}
}
