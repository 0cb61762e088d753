package engine

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// inflater reads the compressed messages of one client. Between messages it holds
// nothing but what later ones may refer to.
type inflater struct {
	pools  *inflaterPools
	window int    // bytes that later messages may refer to; 0 without takeover
	past   []byte // the last of them
}

// inflaterPools lend what reading one message takes: some 40 KB and a buffer.
type inflaterPools struct {
	slots   chan struct{} // as many as messages may be unpacked at a time; nil: no limit
	readers sync.Pool     // of *inflateReader
	buffers sync.Pool     // of *[]byte
}

// inflateReader is a decompressor with its source.
type inflateReader struct {
	source inflateSource
	flate  io.ReadCloser
}

// newInflater reads what a client sends by a; it is nil when that is never
// compressed.
func (srv *Server) newInflater(a agreement) *inflater {
	if !a.on {
		return nil
	}
	z := &inflater{pools: &srv.inflaters}
	if a.clientTakeover {
		z.window = 1 << a.clientWindow
	}
	return z
}

// compressedLimit is how long a message of max bytes may be when compressed: what
// cannot be made smaller grows by a few bytes per block.
func compressedLimit(max int) int { return max + max>>10 + 64 }

// inflate calls use with the message that b holds. It makes no more than max
// bytes of it, whatever b promises, and its memory grows with what has come out.
func (z *inflater) inflate(b []byte, max int, use func([]byte) error) error {
	r := z.pools.reader(b, z.past)
	buffer := z.pools.buffer()
	z.pools.begin()
	plain, err := r.read(*buffer, max)
	z.pools.end()
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

// begin waits for one of the slots: unpacking must not take all processors.
func (p *inflaterPools) begin() {
	if p.slots != nil {
		p.slots <- struct{}{}
	}
}

func (p *inflaterPools) end() {
	if p.slots != nil {
		<-p.slots
	}
}

// maxInflateBuffer is the largest buffer that is kept for other messages.
const maxInflateBuffer = 64 << 10

var errInflate = &protocolError{CodeInvalidPayload, ReasonTransportError, "compressed message is corrupt"}

// read returns what comes out, in b or a larger buffer.
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
			return b, errTooBig
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, errInflate
		}
	}
}

// remember keeps the end of what the client has sent.
func (z *inflater) remember(plain []byte) {
	if z.window > 0 {
		z.past = slide(z.past, plain, z.window)
	}
}

// slide appends b to past and keeps the last n bytes.
func slide(past, b []byte, n int) []byte {
	if len(b) >= n {
		return append(past[:0], b[len(b)-n:]...)
	}
	if over := len(past) + len(b) - n; over > 0 {
		past = past[:copy(past, past[over:])]
	}
	return append(past, b...)
}

func (p *inflaterPools) reader(b, past []byte) *inflateReader {
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

func (p *inflaterPools) buffer() *[]byte {
	if b, ok := p.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, readBytes)
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
