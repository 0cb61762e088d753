package bridge

import (
	"bytes"
	"io"
	"log/slog"

	zpacket "github.com/zishang520/engine.io-go-parser/packet"
	zengine "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/types"

	"gatehouse/engine"
	"gatehouse/packet"
)

// partial is an outgoing packet that is not complete. The library writes the
// text and each attachment separately, and the engine sends them as one.
type partial struct {
	text        []byte
	attachments [][]byte
	missing     int
}

// broadcast is the frame of the library's last broadcast. The library writes it
// for all receivers with the same key, so the frame is made once for all.
type broadcast struct {
	key   any
	frame *engine.Frame
}

// Send implements engine.Socket.
func (c *conn) Send(data io.Reader, opts *zpacket.Options, sent zengine.SendCallback) zengine.Socket {
	return c.Write(data, opts, sent)
}

// Write implements engine.Socket. The library writes the parts of one packet
// under a lock of its own. A client that has gone is no error here: its "close"
// follows.
func (c *conn) Write(data io.Reader, opts *zpacket.Options, sent zengine.SendCallback) zengine.Socket {
	_, text := data.(*types.StringBuffer)
	b, err := contents(data)
	if err != nil {
		c.srv.log.Error("a message could not be read", slog.Any("error", err))
		c.end(engine.CodeInternal, "internal error")
		return c
	}
	if text {
		c.sending(b)
	}
	if f := c.frame(text, b, opts); f != nil {
		_ = c.session.Send(f)
	}
	if text && isType(b, packet.ConnectError) {
		c.refused(namespaceOf(b))
	}
	if sent != nil {
		sent(c.Transport())
	}
	return c
}

// contents returns the bytes of data, which is the library's clone.
func contents(data io.Reader) ([]byte, error) {
	if buffer, ok := data.(types.BufferInterface); ok {
		return buffer.Bytes(), nil
	}
	return io.ReadAll(data)
}

// frame returns the frame to send, or nil while attachments are missing.
func (c *conn) frame(text bool, b []byte, opts *zpacket.Options) *engine.Frame {
	c.outMu.Lock()
	defer c.outMu.Unlock()
	if text {
		if n := announced(b); n > 0 {
			c.partial = &partial{text: b, missing: n}
			return nil
		}
		return c.srv.textFrame(b, opts)
	}
	p := c.partial
	if p == nil {
		return engine.NewBinaryFrame(b)
	}
	p.attachments = append(p.attachments, b)
	if len(p.attachments) < p.missing {
		return nil
	}
	c.partial = nil
	return engine.NewFrame(p.text, p.attachments)
}

// textFrame makes a frame of one text message, once for a broadcast.
func (s *Server) textFrame(text []byte, opts *zpacket.Options) *engine.Frame {
	if opts == nil || opts.WsPreEncodedFrame == nil {
		return engine.NewFrame(text, nil)
	}
	key := any(opts.WsPreEncodedFrame)
	if last := s.last.Load(); last != nil && last.key == key {
		return last.frame
	}
	f := engine.NewFrame(text, nil)
	s.last.Store(&broadcast{key: key, frame: f})
	return f
}

// sending looks at a packet from the library. After a CONNECT reply the library
// calls the connection listeners; an event with an id means that the application
// waits for the client.
func (c *conn) sending(text []byte) {
	switch {
	case isType(text, packet.Connect):
		c.admitted(text)
	case isType(text, packet.Event), isType(text, packet.BinaryEvent):
		if id, ok := number(body(text)); ok {
			c.asks(namespaceOf(text), id)
		}
	}
}

func isType(text []byte, t packet.Type) bool { return len(text) > 0 && text[0] == '0'+byte(t) }

// announced returns the number of attachments that a text message announces.
func announced(text []byte) int {
	if !isType(text, packet.BinaryEvent) && !isType(text, packet.BinaryAck) {
		return 0
	}
	n, _ := number(text[1:])
	return int(n) // the library counted them
}

// number reads the digits that b begins with, if any.
func number(b []byte) (n uint64, ok bool) {
	for _, d := range b {
		if d < '0' || d > '9' {
			break
		}
		n, ok = n*10+uint64(d-'0'), true
	}
	return n, ok
}

// namespaceOf returns the namespace of an encoded packet.
func namespaceOf(text []byte) string {
	rest := afterAttachments(text)
	if len(rest) == 0 || rest[0] != '/' {
		return "/"
	}
	name, _, _ := bytes.Cut(rest, []byte{','})
	return string(name)
}

// body returns an encoded packet from its id on.
func body(text []byte) []byte {
	rest := afterAttachments(text)
	if len(rest) > 0 && rest[0] == '/' {
		_, rest, _ = bytes.Cut(rest, []byte{','})
	}
	return rest
}

func afterAttachments(text []byte) []byte {
	rest := text[1:]
	if isType(text, packet.BinaryEvent) || isType(text, packet.BinaryAck) {
		_, rest, _ = bytes.Cut(rest, []byte{'-'})
	}
	return rest
}
