package client

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2, with the FIN bit where it is meant.
const (
	fin      = 0x80
	more     = 0x00
	text     = 0x01
	finText  = 0x81
	finClose = 0x88
	finPing  = 0x89
	finPong  = 0x8a

	masked = 0x80
)

// key masks every frame. It is not random, as nothing between the two ends needs
// protection here, and not zero, so that the server unmasks.
var key = [4]byte{0x3a, 0x91, 0x5c, 0xe7}

// closing is a closing frame without a code, as browsers send it.
var closing = []byte{finClose, masked, key[0], key[1], key[2], key[3]}

var errFrame = errors.New("frame not understood")

// appendText appends one masked text frame.
func appendText(dst, payload []byte) []byte {
	dst = appendHeader(dst, len(payload))
	start := len(dst)
	dst = append(dst, payload...)
	mask(dst[start:])
	return dst
}

func appendHeader(dst []byte, size int) []byte {
	dst = append(dst, finText)
	switch {
	case size < 126:
		dst = append(dst, masked|byte(size))
	case size < 1<<16:
		dst = append(dst, masked|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(size))
	default:
		dst = append(dst, masked|127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(size))
	}
	return append(dst, key[:]...)
}

func mask(b []byte) {
	word := uint64(binary.LittleEndian.Uint32(key[:]))
	word |= word << 32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}

// frame is one frame of a server, unmasked.
type frame struct {
	op      byte
	payload []byte
	size    int // with its header; 0 when it is not complete yet
}

func parseFrame(b []byte) (frame, error) {
	if len(b) < 2 {
		return frame{}, nil
	}
	if b[0]&0x70 != 0 || b[1]&masked != 0 {
		return frame{}, fmt.Errorf("%w: % x", errFrame, b[:2])
	}
	length, header := int(b[1]), 2
	switch {
	case length == 126:
		header = 4
	case length == 127:
		header = 10
	}
	if len(b) < header {
		return frame{}, nil
	}
	switch header {
	case 4:
		length = int(binary.BigEndian.Uint16(b[2:]))
	case 10:
		length = int(binary.BigEndian.Uint64(b[2:]))
	}
	if len(b)-header < length {
		return frame{}, nil
	}
	return frame{op: b[0], payload: b[header : header+length], size: header + length}, nil
}
