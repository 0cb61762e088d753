package msgpack

import (
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits bound what one value may hold.
type Limits struct {
	Depth       int // arrays and maps open at once
	Attachments int // binary values
}

// JSON reads the next value as JSON. Binary values become placeholders and are returned as attachments, in their order;
// they share the reader's memory.
func (r *Reader) JSON(l Limits) (text []byte, attachments [][]byte, err error) {
	// A text is rarely longer as JSON: where it is, append grows the buffer.
	t := translator{r: r, limits: l, out: make([]byte, 0, len(r.b)-r.at+16)}
	first, err := r.next()
	if err == nil {
		err = t.value(first, 0)
	}
	return t.out, t.attachments, err
}

type translator struct {
	r           *Reader
	limits      Limits
	out         []byte
	attachments [][]byte
}

// value translates the value that begins with v, in depth containers.
func (t *translator) value(v token, depth int) error {
	switch v.kind {
	case Nil, Undefined:
		t.out = append(t.out, "null"...)
	case Bool:
		t.out = strconv.AppendBool(t.out, v.bits == 1)
	case Uint:
		t.out = strconv.AppendUint(t.out, v.bits, 10)
	case Int:
		t.out = strconv.AppendInt(t.out, int64(v.bits), 10) // its bits
	case Float:
		t.out = appendFloat(t.out, math.Float64frombits(v.bits))
	case Date:
		t.out = appendDate(t.out, math.Float64frombits(v.bits))
	case String:
		return t.text(v.data)
	case Binary:
		return t.binary(v.data)
	case Array, Map:
		if depth++; depth > t.limits.Depth {
			return ErrTooDeep
		}
		if v.kind == Map {
			return t.object(v.n, depth)
		}
		return t.array(v.n, depth)
	}
	return nil
}

func (t *translator) array(n, depth int) error {
	t.out = append(t.out, '[')
	for i := range n {
		if i > 0 {
			t.out = append(t.out, ',')
		}
		v, err := t.r.next()
		if err == nil {
			err = t.value(v, depth)
		}
		if err != nil {
			return err
		}
	}
	t.out = append(t.out, ']')
	return nil
}

func (t *translator) object(n, depth int) error {
	t.out = append(t.out, '{')
	first := len(t.out)
	for range n {
		before := len(t.out)
		if before > first {
			t.out = append(t.out, ',')
		}
		key, err := t.r.next()
		if err == nil && key.kind != String {
			err = ErrKey
		}
		if err == nil {
			err = t.text(key.data)
		}
		if err != nil {
			return err
		}
		v, err := t.r.next()
		if v.kind == Undefined && err == nil {
			t.out = t.out[:before] // JSON.stringify leaves the member out
			continue
		}
		t.out = append(t.out, ':')
		if err == nil {
			err = t.value(v, depth)
		}
		if err != nil {
			return err
		}
	}
	t.out = append(t.out, '}')
	return nil
}

func (t *translator) text(b []byte) error {
	if !utf8.Valid(b) {
		return ErrUTF8
	}
	t.out, _ = jsontext.AppendQuote(t.out, b) // fails only on invalid UTF-8
	return nil
}

func (t *translator) binary(b []byte) error {
	if len(t.attachments) >= t.limits.Attachments {
		return ErrAttachments
	}
	t.out = append(t.out, `{"_placeholder":true,"num":`...)
	t.out = strconv.AppendInt(t.out, int64(len(t.attachments)), 10)
	t.out = append(t.out, '}')
	t.attachments = append(t.attachments, b)
	return nil
}

// appendFloat appends a number as JSON.stringify writes it (ECMA-262, section 6.1.6.1.20).
func appendFloat(dst []byte, v float64) []byte {
	size := math.Abs(v)
	switch {
	case v == 0:
		return append(dst, '0')
	case math.IsNaN(v), math.IsInf(v, 0):
		return append(dst, "null"...)
	case size >= 1e-6 && size < 1e21:
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	// Go writes e-09 where JavaScript writes e-9.
	if n := len(dst); dst[n-2] == '0' && dst[n-4] == 'e' {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}
