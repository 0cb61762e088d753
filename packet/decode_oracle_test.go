package packet_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"gatehouse/packet"
)

// This package accepts and refuses the same messages as Node's parser, and reads the same from them, except for the
// differences that the cases name.
func TestDecodesAsNode(t *testing.T) {
	cases := decodeCases()
	questions := make([]question, len(cases))
	for i, c := range cases {
		questions[i] = question{Name: c.name, Frames: forOracle(c.frames)}
	}
	answers := consult(t, "decode.jsonl", questions)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			node := answers[c.name]
			packets, err := decodeAll(c.frames)
			if reason := reasonOf(t, err); reason != c.refused {
				t.Errorf("refused with %q, want %q", reason, c.refused)
			}
			same := (err != nil) == (node.Error != "") && sameAsNode(packets, node.Packets)
			if same != (c.differs == "") {
				t.Errorf("same as Node: %t, intended difference: %q\nours: %+v, %v\nNode: %+v, %s",
					same, c.differs, packets, err, node.Packets, node.Error)
			}
		})
	}
}

// forOracle writes frames as the oracle reads them.
func forOracle(frames []any) []any {
	out := make([]any, len(frames))
	for i, f := range frames {
		out[i] = f
		if b, ok := f.([]byte); ok {
			out[i] = binary(b)
		}
	}
	return out
}

// decodeAll gives frames to a decoder until it refuses one.
func decodeAll(frames []any) (packets []packet.Packet, err error) {
	var d packet.Decoder
	for _, f := range frames {
		var (
			p        packet.Packet
			complete bool
		)
		switch f := f.(type) {
		case string:
			p, complete, err = d.Text([]byte(f))
		case []byte:
			p, complete, err = d.Binary(f)
		}
		if err != nil {
			return packets, err
		}
		if complete {
			packets = append(packets, p)
		}
	}
	return packets, nil
}

func reasonOf(t *testing.T, err error) packet.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var refusal *packet.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("%v is not an Error", err)
	}
	return refusal.Reason
}

func sameAsNode(ours []packet.Packet, node []nodePacket) bool {
	if len(ours) != len(node) {
		return false
	}
	for i, p := range ours {
		view, err := nodeView(p)
		if err != nil || !reflect.DeepEqual(view, node[i]) {
			return false
		}
	}
	return true
}

// nodeView returns a packet as Node's decoder would report it.
func nodeView(p packet.Packet) (nodePacket, error) {
	view := nodePacket{Type: int(p.Type), Namespace: p.Namespace}
	if p.HasID {
		id := float64(p.ID)
		view.ID = &id
	}
	switch p.Type {
	case packet.Event, packet.Ack:
		data := []any{}
		if p.Type == packet.Event {
			data = append(data, p.Event)
		}
		for i := range p.Args.Len() {
			var v any
			if err := p.Args.Decode(i, &v); err != nil {
				return view, err
			}
			data = append(data, writeBytes(v))
		}
		view.Data = data
	default:
		if p.Payload != nil {
			return view, json.Unmarshal(p.Payload, &view.Data)
		}
	}
	return view, nil
}

// writeBytes replaces bytes by the oracle's notation.
func writeBytes(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{"$binary": base64.StdEncoding.EncodeToString(v)}
	case []any:
		for i := range v {
			v[i] = writeBytes(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = writeBytes(v[name])
		}
	}
	return v
}
