package engine

import (
	"bytes"
	"encoding/base64"
	"io"
	"unicode/utf8"
)

// eachPacket walks a long-polling payload: packets between separators, binary
// ones as "b" and base64. It stops at the first error. Binary data is decoded
// in place, so payload is spoiled afterwards.
func eachPacket(payload []byte, receive func(kind byte, data []byte) error) error {
	for more := true; more; {
		var packet []byte
		packet, payload, more = bytes.Cut(payload, []byte{separator})
		kind, data, err := readPacket(packet)
		if err != nil {
			return err
		}
		if err := receive(kind, data); err != nil {
			return err
		}
	}
	return nil
}

func readPacket(packet []byte) (kind byte, data []byte, err error) {
	if len(packet) == 0 {
		return 0, nil, errEmpty
	}
	kind, data = packet[0], packet[1:]
	if kind != typeBinary {
		if !utf8.Valid(data) {
			return 0, nil, errUTF8
		}
		return kind, data, nil
	}
	n, err := base64.StdEncoding.Decode(data, data)
	if err != nil {
		return 0, nil, errBase64
	}
	return kind, data[:n], nil
}

// payloadLength is the length of frames as one long-polling payload, in bytes.
func payloadLength(frames []*Frame) int {
	n := len(frames) - 1
	for _, f := range frames {
		n += len(f.polling())
	}
	return n
}

var separators = []byte{separator}

// writePayload writes frames as one long-polling payload.
func writePayload(w io.Writer, frames []*Frame) error {
	for i, f := range frames {
		if i > 0 {
			if _, err := w.Write(separators); err != nil {
				return err
			}
		}
		if _, err := w.Write(f.polling()); err != nil {
			return err
		}
	}
	return nil
}
