package rfc6455

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Reader turns the bytes of a WebSocket client into messages and control
// frames (RFC 6455, section 5). It is fed whatever arrived; between frames it
// holds no memory.
type Reader struct {
	partial []byte    // the bytes of a frame that is not complete, or not wanted yet
	long    *pieces   // the same of a long frame that is not complete; nil without one
	message []byte    // the fragments of a message so far
	op      ws.OpCode // of the fragmented message that is under way; 0 when none is
	deflate bool      // and it is compressed

	Deferral Deferral // when messages that take long are handled; set by the owner
	Discards bool     // messages are passed over, for the sake of the close frame
	skip     uint32   // bytes of a message that is passed over

	Inflater *Inflater // nil when the client may not compress
}

// Deferral says when messages that take long are handled: compressed ones, and those
// of more than LongMessage bytes.
type Deferral uint8

// Values of Deferral. With DeferLong a reader stops before such a message is
// complete, and says so with Deferred.
const (
	DeferNothing Deferral = iota
	DeferLong
	Deferred
)

// LongMessage is the size in bytes above which a message takes long. Reading that
// much takes far less than a millisecond.
const LongMessage = 32 << 10

// inside reports whether a fragmented message is under way.
func (r *Reader) inside() bool { return r.op != ws.OpContinuation }

// Sink takes what a Reader finds. The bytes are borrowed for the call; an error ends
// the reading.
type Sink interface {
	Message(binary bool, payload []byte) error
	Control(op ws.OpCode, payload []byte) error
	// Stopped asks the reader to keep the rest for later.
	Stopped() bool
}

// Feed reads b, which it may change. Messages longer than max are refused, and
// so is the declaration of a frame that would make one.
func (r *Reader) Feed(b []byte, max int, sink Sink) error {
	if r.skip > 0 {
		n := min(len(b), int(r.skip))
		b, r.skip = b[n:], r.skip-uint32(n)
	}
	switch {
	case r.long != nil:
		n := r.long.add(b)
		if r.long.missing() > 0 {
			return nil
		}
		r.partial, r.long = r.long.join(b[n:]), nil
		b = r.partial
	case len(r.partial) > 0:
		r.partial = extend(r.partial, b, max)
		b = r.partial
	}
	rest, size, err := r.frames(b, max, sink)
	switch {
	case err != nil:
		*r = Reader{Inflater: r.Inflater, Deferral: r.Deferral}
		return err
	case size > longFrame && len(rest) >= pieceBytes: // below that a piece would hold more than has come
		r.long, r.partial = newPieces(size), nil
		r.long.add(rest)
	default:
		r.keep(rest)
	}
	return nil
}

// extend appends b to the partial frame, or to the fragments of a message that may
// have limit bytes. Memory grows with what has come, not with what was announced, and
// not beyond the longest message.
func extend(partial, b []byte, limit int) []byte {
	if n := len(partial) + len(b); n > cap(partial) {
		room := max(n, min(n+max(n/4, minGrowth), limit)+MaxClientHeader)
		partial = slices.Grow(slices.Clip(partial), room-len(partial)) // clears only what it adds
	}
	return append(partial, b...)
}

// minGrowth keeps a message of very small fragments from being copied each time.
const minGrowth = 256

// MaxClientHeader is the longest header of a masked WebSocket frame.
const MaxClientHeader = 14

// Pending is how many bytes of messages that are not complete the reader holds.
func (r *Reader) Pending() int { return len(r.partial) + r.long.size() + len(r.message) }

// Discard drops the messages that are not complete, and skips those that still come:
// nobody takes them any more, but a close frame may follow.
func (r *Reader) Discard(sink Sink) {
	r.Discards, r.message = true, nil
	rest := r.partial
	if r.long != nil {
		rest = r.long.join(nil)
	}
	r.partial, r.long = nil, nil
	if rest, _, err := r.frames(rest, math.MaxInt32, sink); err == nil {
		r.partial = bytes.Clone(rest)
	}
}

// pass skips a frame of a message, whose rest may not have come yet, and returns the
// bytes behind it.
func (r *Reader) pass(h ws.Header, b []byte) []byte {
	if h.OpCode != ws.OpContinuation {
		r.op = h.OpCode
	}
	if h.Fin {
		r.op = ws.OpContinuation
	}
	here := min(int64(len(b)), h.Length)
	r.skip = uint32(min(h.Length-here, math.MaxUint32))
	return b[here:]
}

// keep holds on to rest, which may lie in r.partial.
func (r *Reader) keep(rest []byte) {
	if len(rest) == 0 {
		r.partial = nil
		return
	}
	if len(r.partial) > 0 {
		if len(rest) < len(r.partial) {
			r.partial = r.partial[:copy(r.partial, rest)]
		}
		if cap(r.partial) > 2*ReadBytes && len(rest) < ReadBytes {
			r.partial = bytes.Clone(r.partial) // a large frame is over
		}
		return
	}
	r.partial = append([]byte(nil), rest...)
}

// frames handles the complete frames of b and returns what is left, with the size of
// the frame that this begins when that is known and more of it is to come.
func (r *Reader) frames(b []byte, max int, sink Sink) (rest []byte, size int, err error) {
	for len(b) > 0 && !sink.Stopped() {
		h, start := readHeader(b)
		if start == 0 {
			return b, 0, nil
		}
		if err := r.check(h, max); err != nil {
			return nil, 0, err
		}
		if r.Discards && !h.OpCode.IsControl() {
			b = r.pass(h, b[start:])
			continue
		}
		end := start + int(h.Length)
		if end > len(b) {
			return b, end, nil
		}
		if r.Deferral != DeferNothing && r.takesLong(h) {
			r.Deferral = Deferred
			return b, 0, nil
		}
		payload := b[start:end]
		ws.Cipher(payload, h.Mask, 0)
		b = b[end:]
		if err := r.frame(h, payload, max, sink); err != nil {
			return nil, 0, err
		}
	}
	return b, 0, nil
}

// readHeader reads the header of a frame (RFC 6455, section 5.2) and returns it
// with its size, or 0 when b does not hold all of it. It differs from the
// library's in that nothing escapes to the heap.
func readHeader(b []byte) (h ws.Header, size int) {
	if len(b) < 2 {
		return h, 0
	}
	h.Fin, h.Rsv, h.OpCode = b[0]&0x80 != 0, b[0]>>4&7, ws.OpCode(b[0]&0x0f)
	h.Masked, h.Length = b[1]&0x80 != 0, int64(b[1]&0x7f)
	size = 2
	switch {
	case h.Length == 126 && len(b) >= 4:
		h.Length, size = int64(binary.BigEndian.Uint16(b[2:])), 4
	case h.Length == 127 && len(b) >= 10:
		h.Length, size = int64(binary.BigEndian.Uint64(b[2:])), 10
	case h.Length >= 126:
		return h, 0
	}
	if !h.Masked {
		return h, size
	}
	if len(b) < size+4 {
		return h, 0
	}
	copy(h.Mask[:], b[size:])
	return h, size + 4
}

// check checks a header against the rules for a client's frames (RFC 6455, sections
// 5.1 to 5.5) and the size limit.
func (r *Reader) check(h ws.Header, max int) error {
	switch {
	case !h.Masked:
		return violation("client frame without a mask")
	case h.Length < 0:
		return violation("length with its highest bit set")
	case h.Rsv != 0 && !r.mayCompress(h):
		return violation("reserved bits without an extension")
	case h.OpCode.IsReserved():
		return violation("reserved opcode %d", h.OpCode)
	case h.OpCode.IsControl() && (h.Length > ws.MaxControlFramePayloadSize || !h.Fin):
		return violation("control frame longer than 125 bytes or in fragments")
	case h.OpCode == ws.OpContinuation && !r.inside():
		return violation("continuation of nothing")
	case r.inside() && !h.OpCode.IsControl() && h.OpCode != ws.OpContinuation:
		return violation("a new message inside a fragmented one")
	case !h.OpCode.IsControl() && h.Length > int64(r.limit(h, max)-len(r.message)):
		return ErrTooBig
	}
	return nil
}

// mayCompress reports whether the reserved bits of h are in their place: the first
// of them alone, on the first frame of a message (RFC 7692, section 6.1).
func (r *Reader) mayCompress(h ws.Header) bool {
	return r.Inflater != nil && h.Rsv == rsv1>>4 && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary)
}

// takesLong reports whether the frame of h completes a message that takes long to
// work off.
func (r *Reader) takesLong(h ws.Header) bool {
	return h.Fin && !h.OpCode.IsControl() &&
		(r.compressed(h) || len(r.message)+int(h.Length) > LongMessage)
}

// compressed reports whether the frame of h belongs to a compressed message.
func (r *Reader) compressed(h ws.Header) bool { return h.Rsv != 0 || r.inside() && r.deflate }

// limit is how long the message of h may be on the wire.
func (r *Reader) limit(h ws.Header, max int) int {
	if r.compressed(h) {
		return compressedLimit(max)
	}
	return max
}

func violation(format string, args ...any) error {
	return &Error{codeProtocolError, "websocket: " + fmt.Sprintf(format, args...)}
}

// frame handles one complete, unmasked frame.
func (r *Reader) frame(h ws.Header, payload []byte, max int, sink Sink) error {
	switch {
	case h.OpCode.IsControl():
		return sink.Control(h.OpCode, payload)
	case h.Fin && !r.inside():
		return r.complete(h.OpCode, h.Rsv != 0, payload, max, sink)
	}
	if !r.inside() {
		r.op, r.deflate = h.OpCode, h.Rsv != 0
	}
	r.message = extend(r.message, payload, r.limit(h, max))
	if !h.Fin {
		return nil
	}
	message, op := r.message, r.op
	r.message, r.op = nil, ws.OpContinuation
	return r.complete(op, r.deflate, message, max, sink)
}

func (r *Reader) complete(op ws.OpCode, deflate bool, message []byte, max int, sink Sink) error {
	if deflate {
		return r.Inflater.inflate(message, max, func(plain []byte) error {
			return r.complete(op, false, plain, max, sink)
		})
	}
	if op == ws.OpText && !utf8.Valid(message) {
		return ErrUTF8
	}
	return sink.Message(op == ws.OpBinary, message)
}
