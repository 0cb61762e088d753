package rfc6455

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Inflater reads the compressed messages of one client. Between messages it holds
// nothing but what later ones may refer to.
type Inflater struct {
	pools  *InflaterPools
	window int    // bytes that later messages may refer to; 0 without takeover
	past   []byte // the last of them
}

// NewInflater returns the reader of one client's messages. Later messages may refer
// to the last window bytes; without context takeover window is 0.
func NewInflater(pools *InflaterPools, window int) *Inflater {
	return &Inflater{pools: pools, window: window}
}

// InflaterPools lend what reading one message takes: some 40 KB and a buffer.
type InflaterPools struct {
	Slots   chan struct{} // as many as messages may be unpacked at a time; nil: no limit
	readers sync.Pool     // of *inflateReader
	buffers sync.Pool     // of *[]byte
}

// inflateReader is a decompressor with its source.
type inflateReader struct {
	source inflateSource
	flate  io.ReadCloser
}

// compressedLimit is how long a message of max bytes may be when compressed: data
// that cannot be made smaller grows by a few bytes per block.
func compressedLimit(max int) int { return max + max>>10 + 64 }

// inflate calls use with the message that b holds. It makes no more than max
// bytes of it, whatever b promises, and its memory grows with what has come out.
func (z *Inflater) inflate(b []byte, max int, use func([]byte) error) error {
	r := z.pools.reader(b, z.past)
	buffer := z.pools.buffer()
	z.pools.Begin()
	plain, err := r.read(*buffer, max)
	z.pools.End()
	z.pools.readers.Put(r.release())
	if err == nil {
		z.remember(plain)
		err = use(plain)
	}
	if cap(plain) <= maxInflateBuffer {
		*buffer = plain[:0]
		z.pools.buffers.Put(buffer)
	}
	return err
}

// Begin waits for one of the slots: unpacking must not take all processors.
func (p *InflaterPools) Begin() {
	if p.Slots != nil {
		p.Slots <- struct{}{}
	}
}

// End gives a slot back.
func (p *InflaterPools) End() {
	if p.Slots != nil {
		<-p.Slots
	}
}

// maxInflateBuffer is the largest buffer that is kept for other messages.
const maxInflateBuffer = 64 << 10

// read returns the unpacked bytes, in b or a larger buffer.
func (r *inflateReader) read(b []byte, max int) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(max+1, 2*cap(b)))
			copy(grown, b)
			b = grown
		}
		n, err := r.flate.Read(b[len(b):min(cap(b), max+1)])
		b = b[:len(b)+n]
		switch {
		case len(b) > max:
			return b, ErrTooBig
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, ErrInflate
		}
	}
}

// remember keeps the end of what the client has sent.
func (z *Inflater) remember(plain []byte) {
	if z.window > 0 {
		z.past = Slide(z.past, plain, z.window)
	}
}

// Slide appends b to past and keeps the last n bytes.
func Slide(past, b []byte, n int) []byte {
	if len(b) >= n {
		return append(past[:0], b[len(b)-n:]...)
	}
	if over := len(past) + len(b) - n; over > 0 {
		past = past[:copy(past, past[over:])]
	}
	return append(past, b...)
}

func (p *InflaterPools) reader(b, past []byte) *inflateReader {
	r, ok := p.readers.Get().(*inflateReader)
	if !ok {
		r = &inflateReader{flate: flate.NewReader(bytes.NewReader(nil))}
	}
	r.source = inflateSource{b, messageTail}
	_ = r.flate.(flate.Resetter).Reset(&r.source, past) // cannot fail
	return r
}

// release lets go of the message.
func (r *inflateReader) release() *inflateReader {
	r.source = inflateSource{}
	return r
}

func (p *InflaterPools) buffer() *[]byte {
	if b, ok := p.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, ReadBytes)
	return &b
}

// messageTail is what the sender leaves off the end of a message (RFC 7692,
// section 7.2.2), and behind it an empty last block, so that the end is seen.
const messageTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflateSource reads a message and then the tail.
type inflateSource struct {
	b    []byte
	tail string
}

// Read implements io.Reader.
func (s *inflateSource) Read(p []byte) (int, error) {
	if len(s.b) > 0 {
		n := copy(p, s.b)
		s.b = s.b[n:]
		return n, nil
	}
	if len(s.tail) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.tail)
	s.tail = s.tail[n:]
	return n, nil
}

// ReadByte implements io.ByteReader: without it the decompressor would make a
// buffer of its own.
func (s *inflateSource) ReadByte() (c byte, err error) {
	switch {
	case len(s.b) > 0:
		c, s.b = s.b[0], s.b[1:]
	case len(s.tail) > 0:
		c, s.tail = s.tail[0], s.tail[1:]
	default:
		err = io.EOF
	}
	return c, err
}
