package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
)

var (
	errRefused = errors.New("refused")
	errPacket  = errors.New("packet not understood")
	errLeft    = errors.New("the server disconnected the client")

	message = []byte(`["message",`)
	alone   = regexp.MustCompile(`"count":1[,}]`)
)

// SocketIO is Engine.IO 4 and Socket.IO 5, and the chat of the load tool's servers.
type SocketIO struct{}

func (SocketIO) path() string { return "/socket.io/?EIO=4&transport=websocket" }

func (SocketIO) opened(*Conn) {} // the server speaks first

// packet handles one packet of Engine.IO.
func (s SocketIO) packet(c *Conn, p []byte) error {
	if len(p) == 0 {
		return errPacket
	}
	switch p[0] {
	case '0':
		c.send(fmt.Appendf(c.scratch[:0], `40%s,{"token":"%s"}`, c.cfg.Namespace, c.cfg.Token))
	case '1':
		return io.EOF
	case '2':
		c.send(append(c.scratch[:0], '3'))
	case '4':
		c.loop.moved = c.loop.now
		return s.event(c, p[1:])
	case '6':
	default:
		return fmt.Errorf("%w: %.40q", errPacket, p)
	}
	return nil
}

// event handles one packet of Socket.IO.
func (SocketIO) event(c *Conn, p []byte) error {
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
		if bytes.HasPrefix(data, message) { // all else says who comes and goes
			c.handler.Message(c, data)
		}
	case '3':
		c.handler.Ack(c, id, bytes.Contains(data, []byte(`"ok":true`)), data)
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

// request begins an event that is to be acknowledged.
func (c *Conn) request(id uint64, event string) []byte {
	b := append(c.scratch[:0], "42"...)
	b = append(b, c.cfg.Namespace...)
	b = strconv.AppendUint(append(b, ','), id, 10)
	b = append(append(b, `["`...), event...)
	return append(b, `",`...)
}

func (SocketIO) join(c *Conn, id uint64, room, since string) []byte {
	if since == "" {
		return fmt.Appendf(c.request(id, "room:join"), `{"room":"%s"}]`, room)
	}
	return fmt.Appendf(c.request(id, "room:join"), `{"room":"%s","since":"%s"}]`, room, since)
}

func (s SocketIO) count(c *Conn, id uint64, room string) []byte { return s.join(c, id, room, "") }

func (SocketIO) leave(c *Conn, id uint64, room string) []byte {
	return fmt.Appendf(c.request(id, "room:leave"), `{"room":"%s"}]`, room)
}

func (SocketIO) say(c *Conn, id uint64, room, text, nonce string) []byte {
	return fmt.Appendf(c.request(id, "message:send"), `{"room":"%s","text":"%s","nonce":"%s"}]`, room, text, nonce)
}

func (SocketIO) echo(c *Conn, id uint64, args string) []byte {
	return append(append(c.request(id, "echo"), args...), ']')
}

func (SocketIO) bye(c *Conn) []byte { return fmt.Appendf(nil, "41%s,", c.cfg.Namespace) }

// Alone reads the count that a join is answered with.
func (SocketIO) Alone(data []byte) bool { return alone.Match(data) }

// IDOf returns the id that the server gave to a message.
func (SocketIO) IDOf(message []byte) string {
	_, after, _ := bytes.Cut(message, []byte(`"id":"`))
	id, _, _ := bytes.Cut(after, []byte(`"`))
	return string(id)
}
