package engine

import (
	"bytes"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// compressor makes the compressed form of messages. Each takes about a megabyte;
// every flusher has one, which serves all its connections.
type compressor struct {
	cfg Deflate
	w   *flate.Writer
	buf bytes.Buffer
}

func newCompressor(cfg Deflate) *compressor {
	w, err := flate.NewWriter(nil, cfg.Level)
	if err != nil {
		panic(err) // the level was checked
	}
	return &compressor{cfg: cfg, w: w}
}

// maxCompressed is the largest buffer that is kept.
const maxCompressed = 256 << 10

// deflate compresses the parts of one message (RFC 7692, section 7.2.1) behind
// what the receiver remembers. The result is borrowed; it is nil when it would be
// no smaller.
func (c *compressor) deflate(past []byte, parts ...[]byte) []byte {
	if c.buf.Cap() > maxCompressed {
		c.buf = bytes.Buffer{}
	}
	c.buf.Reset()
	c.w.ResetDict(&c.buf, past)
	size := 0
	for _, p := range parts {
		_, _ = c.w.Write(p) // into memory
		size += len(p)
	}
	_ = c.w.Flush()
	if b := c.buf.Bytes()[:c.buf.Len()-4]; len(b) < size {
		return b
	}
	return nil
}

// rsv1 marks a compressed message (RFC 7692, section 6).
const rsv1 = 0x40

// appendMessage appends the WebSocket frame of one message, compressed when it is
// long enough and that makes it smaller. With a context it can refer to what
// went before, and is remembered.
func (c *compressor) appendMessage(b []byte, op ws.OpCode, ctx *deflateContext, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size >= c.cfg.Threshold {
		if z := c.deflate(ctx.past(), parts...); z != nil {
			ctx.remember(parts, 1<<c.cfg.Window)
			return append(appendHeader(b, op|rsv1, len(z)), z...)
		}
	}
	b = appendHeader(b, op, size)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// appendFrame appends all messages of f.
func (c *compressor) appendFrame(b []byte, f *Frame, ctx *deflateContext) []byte {
	if f.kind == kindRaw || f.plain {
		return append(b, f.websocket()...)
	}
	if f.kind != typeBinary {
		b = c.appendMessage(b, ws.OpText, ctx, []byte{f.kind}, f.text)
	}
	for _, a := range f.attachments {
		b = c.appendMessage(b, ws.OpBinary, ctx, a)
	}
	return b
}

// deflated returns the compressed WebSocket form of f, made by whoever needs it
// first.
func (f *Frame) deflated(c *compressor) []byte {
	if f.kind == kindRaw || f.plain || f.size()-frameOverhead < c.cfg.Threshold-1 {
		return f.websocket()
	}
	return makeForm(&f.compressed, func() []byte { return c.appendFrame(nil, f, nil) })
}
