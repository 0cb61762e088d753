package rfc6455

import (
	"bytes"

	"github.com/gobwas/ws"
	"github.com/klauspost/compress/flate"
)

// Compressor makes the compressed form of messages. Each takes about a megabyte;
// one serves any number of connections.
type Compressor struct {
	threshold int
	w         *flate.Writer
	buf       bytes.Buffer
}

// NewCompressor makes a compressor of messages of at least threshold bytes; level is 1,
// fastest, to 9, smallest.
func NewCompressor(level, threshold int) *Compressor {
	w, err := flate.NewWriter(nil, level)
	if err != nil {
		panic(err) // the level was checked
	}
	return &Compressor{threshold: threshold, w: w}
}

// Threshold is the size of a message from which it is compressed, in bytes.
func (c *Compressor) Threshold() int { return c.threshold }

// maxCompressed is the largest buffer that is kept.
const maxCompressed = 256 << 10

// deflate compresses the parts of one message (RFC 7692, section 7.2.1) with reference
// to what the receiver remembers. The result is borrowed; it is nil when compression
// does not make the message smaller.
func (c *Compressor) deflate(past []byte, parts ...[]byte) []byte {
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

// AppendMessage appends the WebSocket frame of one message. A message that is long
// enough is compressed if that makes it smaller. With a history it may refer to earlier
// messages, and is remembered.
func (c *Compressor) AppendMessage(b []byte, op ws.OpCode, past *History, parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size >= c.threshold {
		if z := c.deflate(past.bytes(), parts...); z != nil {
			past.remember(parts)
			return append(AppendHeader(b, op|rsv1, len(z)), z...)
		}
	}
	b = AppendHeader(b, op, size)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// History is what a receiver remembers of the messages it was sent, with context
// takeover. A nil one remembers nothing.
type History struct {
	window int
	last   []byte
}

// NewHistory remembers the last window bytes.
func NewHistory(window int) History { return History{window: window} }

func (h *History) bytes() []byte {
	if h == nil {
		return nil
	}
	return h.last
}

// remember keeps the end of what was compressed.
func (h *History) remember(parts [][]byte) {
	if h == nil {
		return
	}
	for _, p := range parts {
		h.last = Slide(h.last, p, h.window)
	}
}
