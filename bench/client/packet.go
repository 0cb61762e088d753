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

var (
	errUpgrade = errors.New("no upgrade to WebSocket")
	errRefused = errors.New("refused")
	errPacket  = errors.New("packet not understood")
	errLeft    = errors.New("the server disconnected the client")
)

func upgradeRequest(addr netip.AddrPort) []byte {
	return []byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: " + addr.String() +
		"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + secKey +
		"\r\nSec-WebSocket-Version: 13\r\n\r\n")
}

// feed handles all complete frames in b and gives the rest.
func (c *Conn) feed(b []byte) ([]byte, error) {
	if !c.upgraded {
		end := bytes.Index(b, []byte("\r\n\r\n"))
		if end < 0 {
			return b, nil
		}
		head := b[:end]
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(secAccept)) {
			return nil, fmt.Errorf("%w: %.40q", errUpgrade, head)
		}
		c.upgraded = true
		b = b[end+4:]
	}
	for c.fd >= 0 {
		f, err := parseFrame(b)
		if err != nil {
			return nil, err
		}
		if f.size == 0 {
			return b, nil
		}
		if err := c.frame(f); err != nil {
			return nil, err
		}
		b = b[f.size:]
	}
	return nil, nil
}

func (c *Conn) frame(f frame) error {
	switch f.op {
	case finText:
		return c.engine(f.payload)
	case text, more:
		c.message = append(c.message, f.payload...)
		return nil
	case fin | more:
		whole := append(c.message, f.payload...)
		c.message = nil
		return c.engine(whole)
	case finPing, finPong:
		return nil
	case finClose:
		return io.EOF
	default:
		return fmt.Errorf("%w: opcode %#x", errFrame, f.op)
	}
}

// engine handles one packet of Engine.IO v4.
func (c *Conn) engine(p []byte) error {
	if len(p) == 0 {
		return errPacket
	}
	switch p[0] {
	case '0':
		c.write(AppendText(nil, "40", c.cfg.Namespace, `,{"token":"`, c.cfg.Token, `"}`))
	case '2':
		c.write(AppendText(nil, "3"))
	case '4':
		c.loop.moved = c.loop.now
		return c.packet(p[1:])
	case '6':
	default:
		return fmt.Errorf("%w: %.40q", errPacket, p)
	}
	return nil
}

// packet handles one packet of Socket.IO v5.
func (c *Conn) packet(p []byte) error {
	if len(p) == 0 {
		return errPacket
	}
	kind, rest := p[0], p[1:]
	if len(rest) > 0 && rest[0] == '/' {
		_, after, _ := bytes.Cut(rest, []byte{','})
		rest = after
	}
	id, data := number(rest)
	switch kind {
	case '0':
		c.handler.Admitted(c)
	case '1':
		return errLeft
	case '2':
		c.handler.Event(c, data)
	case '3':
		c.handler.Ack(c, id, data)
	case '4':
		return fmt.Errorf("%w: %.200s", errRefused, data)
	default:
		return fmt.Errorf("%w: %.40q", errPacket, p)
	}
	return nil
}

// number reads the acknowledgement id that may stand before a payload.
func number(b []byte) (uint64, []byte) {
	var n uint64
	i := 0
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		n = n*10 + uint64(b[i]-'0')
	}
	return n, b[i:]
}
