package msgpack

import (
	"encoding/binary"
	"math"
	"time"
)

// The extension types: notepack.io 2 has its own for types of JavaScript that msgpack lacks, notepack.io 3 writes the
// timestamps of the specification.
const (
	extJavaScript = 0
	extTimestamp  = -1
)

// fixedExtension reads an extension of n bytes whose format says its length.
func (r *Reader) fixedExtension(n int, format byte) (token, error) {
	kind, data, err := r.extensionData(n)
	switch {
	case err != nil:
		return token{}, err
	case kind == extJavaScript && format == fixExt1:
		return token{kind: Undefined}, nil
	case kind == extJavaScript && format == fixExt8:
		return date(float64(int64(binary.BigEndian.Uint64(data)))), nil // two's complement is the format
	case kind == extTimestamp:
		return timestamp(data)
	}
	return token{}, ErrExtension
}

// extension reads an extension whose length, of width bytes, comes before its type.
func (r *Reader) extension(width int) (token, error) {
	n, err := r.length(width)
	if err != nil {
		return token{}, err
	}
	kind, data, err := r.extensionData(n)
	switch {
	case err != nil:
		return token{}, err
	case kind == extJavaScript:
		return token{kind: Binary, data: data, n: len(data)}, nil
	case kind == extTimestamp && width == 1:
		return timestamp(data)
	}
	return token{}, ErrExtension
}

func (r *Reader) extensionData(n int) (kind int8, data []byte, err error) {
	if n >= len(r.b)-r.at { // the type is one byte more
		return 0, nil, ErrTruncated
	}
	start := r.at + 1
	kind, r.at = int8(r.b[r.at]), start+n // two's complement is the format
	return kind, r.b[start:r.at:r.at], nil
}

// timestamp reads the three forms of the specification's timestamp.
func timestamp(data []byte) (token, error) {
	var seconds, nanoseconds float64
	switch len(data) {
	case 4:
		seconds = float64(binary.BigEndian.Uint32(data))
	case 8:
		v := binary.BigEndian.Uint64(data)
		seconds, nanoseconds = float64(v&(1<<34-1)), float64(v>>34)
	case 12:
		nanoseconds = float64(binary.BigEndian.Uint32(data))
		seconds = float64(int64(binary.BigEndian.Uint64(data[4:]))) // two's complement is the format
	default:
		return token{}, ErrExtension
	}
	return date(seconds*1e3 + nanoseconds/1e6), nil
}

// date makes a token of milliseconds since 1970.
func date(milliseconds float64) token {
	return token{kind: Date, bits: math.Float64bits(milliseconds)}
}

// maxDate is how far from 1970 the dates of JavaScript reach, in milliseconds (ECMA-262, section 21.4.1.1).
const maxDate = 8.64e15

// appendDate appends a date as JSON.stringify writes it: with six digits and a sign outside the years 0 to 9999.
func appendDate(dst []byte, milliseconds float64) []byte {
	if !(math.Abs(milliseconds) <= maxDate) { // NaN too
		return append(dst, "null"...)
	}
	t := time.UnixMilli(int64(milliseconds)).UTC()
	dst = append(dst, '"')
	year := t.Year()
	if year < 0 || year > 9999 {
		sign := byte('+')
		if year < 0 {
			sign, year = '-', -year
		}
		dst = append(dst, sign)
		for _, unit := range []int{100_000, 10_000} {
			dst = append(dst, '0'+byte(year/unit%10)) // a digit
		}
	}
	for _, unit := range []int{1000, 100, 10, 1} {
		dst = append(dst, '0'+byte(year/unit%10)) // a digit
	}
	return append(t.AppendFormat(dst, "-01-02T15:04:05.000Z"), '"')
}
