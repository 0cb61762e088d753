package msgpack

import (
	"encoding/binary"
	"errors"
	"math"
)

// The reasons to refuse a value. They hold nothing of its content.
var (
	ErrTruncated   = errors.New("msgpack: truncated")
	ErrTrailing    = errors.New("msgpack: bytes after the value")
	ErrFormat      = errors.New("msgpack: unknown format")
	ErrExtension   = errors.New("msgpack: unknown extension type")
	ErrKind        = errors.New("msgpack: value of another kind")
	ErrKey         = errors.New("msgpack: key of a map is not a string")
	ErrTooDeep     = errors.New("msgpack: nested too deeply")
	ErrUTF8        = errors.New("msgpack: invalid UTF-8")
	ErrAttachments = errors.New("msgpack: too many binary values")
)

// Kind is what a value is.
type Kind uint8

// The kinds of values. An ArrayBuffer of an old notepack.io is Binary.
const (
	Nil Kind = iota
	Undefined
	Bool
	Int
	Uint
	Float
	String
	Binary
	Date
	Array
	Map
)

// token is the beginning of a value: all of it, unless it is an array or a map.
type token struct {
	kind Kind
	bits uint64 // Bool, Int, Uint, Float; milliseconds of a Date as a float
	data []byte // String, Binary: shares the reader's memory
	n    int    // values of an Array, keys of a Map
}

// Reader reads values one after another. It shares the memory of what it reads. Its first error is the end: results
// after one mean nothing.
type Reader struct {
	b  []byte
	at int
}

// NewReader returns a reader of b, which must not change while it is read.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Offset returns how many bytes have been read.
func (r *Reader) Offset() int { return r.at }

// End returns [ErrTrailing] unless everything has been read.
func (r *Reader) End() error {
	if r.at < len(r.b) {
		return ErrTrailing
	}
	return nil
}

// Peek returns the kind of the next value and leaves it unread.
func (r *Reader) Peek() (Kind, error) {
	ahead := *r
	t, err := ahead.next()
	return t.kind, err
}

// Array begins an array and returns how many values follow.
func (r *Reader) Array() (int, error) { t, err := r.expect(Array); return t.n, err }

// Map begins a map and returns how many keys follow, each with its value.
func (r *Reader) Map() (int, error) { t, err := r.expect(Map); return t.n, err }

// Text reads a string. Whether it is UTF-8 is not checked.
func (r *Reader) Text() ([]byte, error) { t, err := r.expect(String); return t.data, err }

// Bytes reads binary data.
func (r *Reader) Bytes() ([]byte, error) { t, err := r.expect(Binary); return t.data, err }

// Uint reads an integer that is not negative.
func (r *Reader) Uint() (uint64, error) { t, err := r.expect(Uint); return t.bits, err }

// Raw reads the next value, of any kind, and returns its bytes. Arrays and maps inside it, and itself, may be nested
// depth deep.
func (r *Reader) Raw(depth int) ([]byte, error) {
	start := r.at
	// The values that are open, as a count each: an array of n values awaits n, a map 2n.
	var few [32]int
	for open := append(few[:0], 1); len(open) > 0; {
		last := len(open) - 1
		if open[last] == 0 {
			open = open[:last]
			continue
		}
		open[last]--
		t, err := r.next()
		if err != nil {
			return nil, err
		}
		switch t.kind {
		case Map:
			open = append(open, 2*t.n)
		case Array:
			open = append(open, t.n)
		}
		if len(open)-1 > depth {
			return nil, ErrTooDeep
		}
	}
	return r.b[start:r.at:r.at], nil
}

func (r *Reader) expect(k Kind) (token, error) {
	t, err := r.next()
	if err == nil && t.kind != k {
		err = ErrKind
	}
	return t, err
}

// next reads the beginning of a value. Integers that are not negative are Uint, whatever their format.
func (r *Reader) next() (token, error) {
	if r.at >= len(r.b) {
		return token{}, ErrTruncated
	}
	format := r.b[r.at]
	r.at++
	switch {
	case format < fixMap:
		return token{kind: Uint, bits: uint64(format)}, nil
	case format < fixArray:
		return r.sized(Map, int(format&0x0f))
	case format < fixString:
		return r.sized(Array, int(format&0x0f))
	case format < formatNil:
		return r.sized(String, int(format&0x1f))
	case format >= negative:
		return signed(int64(int8(format))), nil // two's complement is the format
	case format == formatNil:
		return token{kind: Nil}, nil
	case format == formatNo, format == formatYes:
		return token{kind: Bool, bits: uint64(format - formatNo)}, nil
	case format >= float32b && format <= int64b:
		return r.number(format)
	case format >= fixExt1 && format <= fixExt16:
		return r.fixedExtension(1<<(format-fixExt1), format)
	}
	return r.prefixed(format)
}

// prefixed reads a value whose length comes before it.
func (r *Reader) prefixed(format byte) (token, error) {
	var (
		width int
		kind  Kind
	)
	switch format {
	case bin8, bin16, bin32:
		width, kind = 1<<(format-bin8), Binary
	case ext8, ext16, ext32:
		return r.extension(1 << (format - ext8))
	case str8, str16, str32:
		width, kind = 1<<(format-str8), String
	case array16, array32:
		width, kind = 2<<(format-array16), Array
	case map16, map32:
		width, kind = 2<<(format-map16), Map
	default:
		return token{}, ErrFormat
	}
	n, err := r.length(width)
	if err != nil {
		return token{}, err
	}
	return r.sized(kind, n)
}

// length reads a length of width bytes. It is at most that of what follows.
func (r *Reader) length(width int) (int, error) {
	n, err := r.uint(width)
	if err == nil && n > uint64(len(r.b)-r.at) {
		err = ErrTruncated
	}
	return int(n), err // at most the length of a slice, or of no use
}

// sized makes a token of a length, after checking it against the bytes that are there.
func (r *Reader) sized(kind Kind, n int) (token, error) {
	least := n // bytes that must follow
	if kind == Map {
		least = 2 * n
	}
	if least > len(r.b)-r.at {
		return token{}, ErrTruncated
	}
	t := token{kind: kind, n: n}
	if kind == String || kind == Binary {
		t.data = r.b[r.at : r.at+n : r.at+n]
		r.at += n
	}
	return t, nil
}

func (r *Reader) number(format byte) (token, error) {
	var width int
	switch format {
	case float32b, float64b:
		width = 4 << (format - float32b)
	case uint8b, uint16b, uint32b, uint64b:
		width = 1 << (format - uint8b)
	default:
		width = 1 << (format - int8b)
	}
	v, err := r.uint(width)
	switch {
	case err != nil:
		return token{}, err
	case format == float32b:
		return token{kind: Float, bits: math.Float64bits(float64(math.Float32frombits(uint32(v))))}, nil // 32 bits
	case format == float64b:
		return token{kind: Float, bits: v}, nil
	case format < int8b:
		return token{kind: Uint, bits: v}, nil
	}
	shift := 64 - 8*width
	return signed(int64(v<<shift) >> shift), nil // two's complement is the format
}

func signed(v int64) token {
	if v >= 0 {
		return token{kind: Uint, bits: uint64(v)}
	}
	return token{kind: Int, bits: uint64(v)} // kept as its bits
}

// uint reads an unsigned integer of width bytes.
func (r *Reader) uint(width int) (uint64, error) {
	if width > len(r.b)-r.at {
		return 0, ErrTruncated
	}
	var whole [8]byte
	copy(whole[8-width:], r.b[r.at:])
	r.at += width
	return binary.BigEndian.Uint64(whole[:]), nil
}
