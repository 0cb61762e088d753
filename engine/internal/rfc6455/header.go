package rfc6455

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// MaxServerHeader is the longest header of an unmasked WebSocket frame.
const MaxServerHeader = 10

// AppendHeader appends the header of an unmasked frame that is a whole message, or a
// control frame (section 5.2).
func AppendHeader(b []byte, op ws.OpCode, length int) []byte {
	b = append(b, 0x80|byte(op))
	switch {
	case length < 126:
		return append(b, byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(length))
	}
}

// CloseCode checks the body of a client's close frame (RFC 6455, sections 5.5.1 and
// 7.4) and returns the code to echo.
func CloseCode(body []byte) (int, error) {
	if len(body) == 0 {
		return codeNormal, nil
	}
	code, reason := ws.ParseCloseFrameData(body)
	switch {
	case len(body) == 1, !mayBeSent(code):
		return 0, violation("close code %d", code)
	case !utf8.ValidString(reason):
		return 0, ErrUTF8
	}
	return int(code), nil
}

// mayBeSent reports whether code is one that a client may send: registered and
// not kept for local use, or in the ranges of libraries and applications.
func mayBeSent(code ws.StatusCode) bool {
	switch {
	case code >= 1004 && code <= 1006:
		return false
	case code >= 1000 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}
