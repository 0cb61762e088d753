package msgpack

import (
	"encoding/binary"
	"math"
)

// The first bytes of values, from the specification's table of formats.
const (
	fixMap    = 0x80
	fixArray  = 0x90
	fixString = 0xa0
	formatNil = 0xc0
	unused    = 0xc1
	formatNo  = 0xc2
	formatYes = 0xc3
	bin8      = 0xc4
	bin16     = 0xc5
	bin32     = 0xc6
	ext8      = 0xc7
	ext16     = 0xc8
	ext32     = 0xc9
	float32b  = 0xca
	float64b  = 0xcb
	uint8b    = 0xcc
	uint16b   = 0xcd
	uint32b   = 0xce
	uint64b   = 0xcf
	int8b     = 0xd0
	int16b    = 0xd1
	int32b    = 0xd2
	int64b    = 0xd3
	fixExt1   = 0xd4
	fixExt2   = 0xd5
	fixExt4   = 0xd6
	fixExt8   = 0xd7
	fixExt16  = 0xd8
	str8      = 0xd9
	str16     = 0xda
	str32     = 0xdb
	array16   = 0xdc
	array32   = 0xdd
	map16     = 0xde
	map32     = 0xdf
	negative  = 0xe0 // the first of the negative integers of one byte
)

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, formatNil) }

// appendBool appends a boolean.
func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, formatYes)
	}
	return append(dst, formatNo)
}

// AppendInt appends an integer in its shortest form.
func AppendInt(dst []byte, v int64) []byte {
	switch {
	case v >= 0:
		return AppendUint(dst, uint64(v))
	case v >= -32:
		return append(dst, byte(v)) // two's complement is the format
	case v >= math.MinInt8:
		return append(dst, int8b, byte(v)) // as above
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, int16b), uint16(v)) // as above
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, int32b), uint32(v)) // as above
	default:
		return binary.BigEndian.AppendUint64(append(dst, int64b), uint64(v)) // as above
	}
}

// AppendUint appends an integer in its shortest form.
func AppendUint(dst []byte, v uint64) []byte {
	switch {
	case v < fixMap:
		return append(dst, byte(v))
	case v <= math.MaxUint8:
		return append(dst, uint8b, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, uint16b), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, uint32b), uint32(v))
	default:
		return binary.BigEndian.AppendUint64(append(dst, uint64b), v)
	}
}

// AppendFloat appends a number as JavaScript's encoder does: whole numbers that fit 64 bits as integers, the others as
// doubles.
func AppendFloat(dst []byte, v float64) []byte {
	const above = 1 << 64
	switch {
	case v != math.Trunc(v), v >= above, v < math.MinInt64:
		return binary.BigEndian.AppendUint64(append(dst, float64b), math.Float64bits(v))
	case v < 0:
		return AppendInt(dst, int64(v))
	default:
		return AppendUint(dst, uint64(v))
	}
}

// AppendString appends a text of at most 4 GiB.
func AppendString[T string | []byte](dst []byte, v T) []byte {
	n := len(v)
	if n < 32 {
		dst = append(dst, fixString|byte(n))
	} else {
		dst = appendLength(dst, n, str8, str16, str32)
	}
	return append(dst, v...)
}

// AppendBinary appends bytes, at most 4 GiB.
func AppendBinary(dst, v []byte) []byte {
	return append(appendLength(dst, len(v), bin8, bin16, bin32), v...)
}

// AppendArray begins an array of n values.
func AppendArray(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, fixArray|byte(n)) // at most 15
	}
	return appendLength(dst, n, 0, array16, array32)
}

// AppendMap begins a map of n keys, each with its value behind it.
func AppendMap(dst []byte, n int) []byte {
	if n < 16 {
		return append(dst, fixMap|byte(n)) // at most 15
	}
	return appendLength(dst, n, 0, map16, map32)
}

// appendLength appends the shortest of three forms that holds n; the first may be absent.
func appendLength(dst []byte, n int, in8, in16, in32 byte) []byte {
	switch {
	case n <= math.MaxUint8 && in8 != 0:
		return append(dst, in8, byte(n)) // bounded by the case
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, in16), uint16(n)) // bounded by the case
	default:
		return binary.BigEndian.AppendUint32(append(dst, in32), uint32(n)) // messages are far below 4 GiB
	}
}
