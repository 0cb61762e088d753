package glimpse

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/packet"
)

const (
	mostRead  = 64 << 10 // how many bytes a packet may have; of a larger one only the size is shown
	mostShown = 4 << 10  // how many bytes of its text are shown
)

// Frame is a packet, or an attachment, as it is shown.
type Frame struct {
	Kind      string `json:"kind"` // "event", "acknowledgement", "connect", "connected", "refused", "disconnect", "attachment", "unreadable"
	Name      string `json:"name,omitempty"`
	ID        string `json:"id,omitempty"`   // of the acknowledgement
	Text      string `json:"text,omitempty"` // the payload, masked
	Bytes     int    `json:"bytes"`          // of the whole, as it was sent
	Cut       bool   `json:"cut,omitempty"`  // Text is not all of it
	Namespace string `json:"-"`              // "" for frames that name none, such as an attachment
}

// packetHead is the part of a packet in the text codec before the payload.
type packetHead struct {
	kind      packet.Type
	namespace string
	id        string
	payload   []byte
}

// readHead splits the text of a packet (Socket.IO protocol 5, section "Packet encoding").
func readHead(text []byte) (h packetHead, ok bool) {
	if len(text) == 0 || text[0] < '0' || text[0] > '6' {
		return h, false
	}
	h.kind, h.namespace = packet.Type(text[0]-'0'), "/"
	text = text[1:]
	if h.kind == packet.BinaryEvent || h.kind == packet.BinaryAck {
		_, rest, found := bytes.Cut(text, []byte("-"))
		if !found {
			return h, false
		}
		text = rest
	}
	if len(text) > 0 && text[0] == '/' {
		name, rest, _ := bytes.Cut(text, []byte(","))
		h.namespace, _, _ = strings.Cut(string(name), "?") // old clients put their credentials there
		text = rest
	}
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	h.id, h.payload = string(text[:digits]), text[digits:]
	return h, true
}

// describeText describes a packet in the text codec. incoming tells a client's CONNECT from the server's answer.
func describeText(text []byte, incoming bool) Frame {
	h, ok := readHead(text)
	if !ok {
		return unreadable(len(text))
	}
	f := Frame{Kind: kindOf(h.kind, incoming), ID: h.id, Bytes: len(text), Namespace: h.namespace}
	if len(h.payload) == 0 {
		return f
	}
	if len(text) > mostRead {
		f.Cut = true
		return f
	}
	f.Name = eventName(h)
	masked, err := maskJSON(h.payload, f.Kind == "connect" || strings.HasPrefix(f.Name, "auth:"))
	if err != nil {
		f.Kind, f.Name = "unreadable", ""
		return f
	}
	if f.Name != "" {
		masked = withoutName(masked)
		f.Name = MaskText(f.Name)
	}
	f.Text, f.Cut = shorten(masked)
	return f
}

// eventName is the first element of an event's payload.
func eventName(h packetHead) string {
	if h.kind != packet.Event && h.kind != packet.BinaryEvent {
		return ""
	}
	dec := jsontext.NewDecoder(bytes.NewReader(h.payload), jsontext.AllowInvalidUTF8(true))
	if open, err := dec.ReadToken(); err != nil || open.Kind() != '[' {
		return ""
	}
	name, err := dec.ReadToken()
	if err != nil || name.Kind() != '"' {
		return ""
	}
	return name.String()
}

// withoutName returns an event's payload without the name: "[]" when the event has no arguments.
func withoutName(masked []byte) []byte {
	for i := 2; i < len(masked); i++ {
		switch masked[i] {
		case '\\':
			i++
		case '"':
			return append([]byte("["), bytes.TrimPrefix(masked[i+1:], []byte(","))...)
		}
	}
	return masked
}

func shorten(text []byte) (string, bool) {
	if len(text) <= mostShown {
		return string(text), false
	}
	cut := mostShown
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return string(text[:cut]), true
}

// describeBinary describes a binary message: a packet of a client that speaks MessagePack, or an attachment.
func describeBinary(data []byte, incoming bool) Frame {
	if len(data) <= mostRead && len(data) > 0 && isMap(data[0]) {
		if p, err := packet.DecodeMsgpack(data, packet.Limits{}); err == nil {
			f := describeText(packet.Encode(&p, packet.V5).Text, incoming)
			f.Bytes = len(data)
			return f
		}
	}
	return Frame{Kind: "attachment", Bytes: len(data), Text: fmt.Sprintf("%s bytes", strconv.Itoa(len(data)))}
}

// isMap reports whether a MessagePack value that begins with b is a map, as every packet is.
func isMap(b byte) bool { return b&0xf0 == 0x80 || b == 0xde || b == 0xdf }

func unreadable(n int) Frame { return Frame{Kind: "unreadable", Bytes: n} }

func kindOf(t packet.Type, incoming bool) string {
	switch t {
	case packet.Connect:
		if incoming {
			return "connect"
		}
		return "connected"
	case packet.Disconnect:
		return "disconnect"
	case packet.Event, packet.BinaryEvent:
		return "event"
	case packet.Ack, packet.BinaryAck:
		return "acknowledgement"
	}
	return "refused"
}
