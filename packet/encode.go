package packet

import (
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode encodes a packet for a wire: for [V5] byte for byte as socket.io-parser does, where events and acknowledgements
// with attachments become their binary forms; for [Msgpack] as socket.io-msgpack-parser does, into a frame of one binary
// message. p is borrowed for the call, its Args are shared.
//
// The packet comes from the server itself and is not checked: its namespace must be "" or begin with a slash and hold
// no comma, its event must not be [Reserved], its Payload must be JSON.
func Encode(p *Packet, w Wire) *Frame {
	f := new(Frame)
	if w == Msgpack {
		f.Attachments = [][]byte{appendMsgpack(nil, p)}
	} else {
		f.memory = encodeText(p)
		f.Text, f.Attachments = f.memory[Lead:], p.Args.attachments
	}
	f.Offset, f.Uncompressed, f.Sent = p.Offset, p.Uncompressed, p.Sent
	return f
}

// encodeText returns the text behind Lead bytes.
func encodeText(p *Packet) []byte {
	kind := p.Type.plain()
	text := make([]byte, Lead, Lead+size(p))
	switch n := len(p.Args.attachments); {
	case kind == Event && n > 0:
		text = appendCount(text, BinaryEvent, n)
	case kind == Ack && n > 0:
		text = appendCount(text, BinaryAck, n)
	default:
		text = append(text, '0'+byte(kind))
	}
	if p.Namespace != "/" && p.Namespace != "" {
		text = append(text, p.Namespace...)
		text = append(text, ',')
	}
	if p.HasID {
		text = strconv.AppendUint(text, p.ID, 10)
	}
	switch kind {
	case Event:
		text = append(text, '[')
		text = appendString(text, p.Event)
		if len(p.Args.raw) > 0 {
			text = append(text, ',')
		}
		text = append(text, p.Args.raw...)
		if p.Offset != "" {
			text = append(append(append(text, `,"`...), p.Offset...), '"')
		}
		text = append(text, ']')
	case Ack:
		text = append(append(append(text, '['), p.Args.raw...), ']')
	default:
		text = append(text, p.Payload...)
	}
	return text
}

// size is an upper bound of the text's length for names without escapes.
func size(p *Packet) int {
	const most = len(`5256-,9007199254740991["",,""]`)
	return most + len(p.Namespace) + len(p.Event) + len(p.Args.raw) + len(p.Offset) + len(p.Payload)
}

func appendCount(dst []byte, kind Type, attachments int) []byte {
	dst = append(dst, '0'+byte(kind))
	dst = strconv.AppendInt(dst, int64(attachments), 10)
	return append(dst, '-')
}

// appendString appends s as JSON.stringify writes it; invalid UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	if plain(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// plain reports whether s is ASCII without anything to escape: most names and many texts are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
