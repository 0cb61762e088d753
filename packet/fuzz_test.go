package packet_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"gatehouse/packet"
)

// FuzzDecode: no text ends the process; what is accepted is JSON within the limits, and encodes to what decodes to the
// same packet.
func FuzzDecode(f *testing.F) {
	for _, c := range decodeCases() {
		f.Add([]byte(c.frames[0].(string)))
	}
	f.Add([]byte("2" + strings.Repeat("[", 100_000)))
	f.Add([]byte("2[\"a\xff\"]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d packet.Decoder
		p, complete, err := d.Text(bytes.Clone(text))
		if err != nil {
			reasonOf(t, err)
			if complete || d.Pending() {
				t.Error("something is left of a packet that was refused")
			}
			return
		}
		for n := byte(0); !complete; n++ {
			if p, complete, err = d.Binary([]byte{n}); err != nil {
				t.Fatal(err)
			}
		}
		holdsValid(t, p)
		again := packet.Encode(&p, packet.V5)
		q := reread(t, again)
		samePacket(t, p, q)
		if third := packet.Encode(&q, packet.V5); !bytes.Equal(third.Text, again.Text) {
			t.Errorf("encoded %q, then %q", again.Text, third.Text)
		}
	})
}

// FuzzSequence: a session of text and binary messages in any order never ends the process, and every attachment goes to
// the packet that awaits it. A zero byte ends a message; one that begins with 'b' is binary.
func FuzzSequence(f *testing.F) {
	for _, c := range decodeCases() {
		var script [][]byte
		for _, frame := range c.frames {
			switch frame := frame.(type) {
			case string:
				script = append(script, []byte(frame))
			case []byte:
				script = append(script, append([]byte("b"), frame...))
			}
		}
		f.Add(bytes.Join(script, []byte{0}))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		d := packet.NewDecoder(packet.Limits{MaxAttachments: 3})
		var attachments [][]byte
		for message := range bytes.SplitSeq(script, []byte{0}) {
			before := d.Pending()
			var (
				p        packet.Packet
				complete bool
				err      error
			)
			if data, ok := bytes.CutPrefix(message, []byte("b")); ok {
				attachments = append(attachments, data)
				p, complete, err = d.Binary(data)
				if !before && err == nil {
					t.Fatal("a binary message was taken with none awaited")
				}
			} else {
				attachments = nil
				p, complete, err = d.Text(message)
				if before && err == nil {
					t.Fatal("a text was taken with attachments awaited")
				}
			}
			if err != nil && (complete || d.Pending()) {
				t.Fatal("something is left of a packet that was refused")
			}
			if complete && len(attachments) > 0 && !reflect.DeepEqual(p.Args.Attachments(), attachments) {
				t.Fatalf("attachments %q, want %q", p.Args.Attachments(), attachments)
			}
		}
	})
}

// FuzzArgs: any argument of a client decodes into Go values or is an error, and the values encode and decode to
// themselves.
func FuzzArgs(f *testing.F) {
	for _, argument := range []string{
		"null", "1", `"AQI="`, first, second, "[" + first + "," + second + "]", `{"data":` + first + `,"more":` + second + "}",
		`{"Data":[` + second + `],"n":{"_placeholder":false}}`, `{"num":1,"_placeholder":true}`, `"\ud800"`, "1e400", `{"a":{"a":1,"a":2}}`,
	} {
		f.Add(argument, []byte{1}, []byte{})
	}
	f.Fuzz(func(t *testing.T, argument string, one, two []byte) {
		for _, attachments := range [][][]byte{nil, {one}, {one, two}} {
			text := "31[" + argument + "]"
			if len(attachments) > 0 {
				text = "6" + string(rune('0'+len(attachments))) + "-" + text[1:]
			}
			var d packet.Decoder
			p, complete, err := d.Text([]byte(text))
			for i := 0; err == nil && !complete; i++ {
				p, complete, err = d.Binary(attachments[i])
			}
			if err == nil {
				decodesAlike(t, p.Args)
			}
		}
	})
}

// decodesAlike checks that decoding and encoding are inverse for values of any kind.
func decodesAlike(t *testing.T, a packet.Args) {
	t.Helper()
	for i := range a.Len() {
		_ = a.Decode(i, new(struct {
			Data []byte
			More packet.Binary
			N    map[string]any
		}))
		_ = a.Decode(i, new([]packet.Binary))
		var value, again any
		if err := a.Decode(i, &value); err != nil {
			continue // a number beyond a double
		}
		b, err := packet.NewArgs(value)
		if err != nil {
			continue // names that differ in escapes may spell a placeholder now
		}
		if err := b.Decode(0, &again); err != nil || !reflect.DeepEqual(value, again) {
			t.Errorf("%s: %#v, then %#v, %v", a.Raw(i), value, again, err)
		}
	}
}

// holdsValid checks that an accepted packet is within the limits and that its raw parts are JSON for encoding/json too.
func holdsValid(t *testing.T, p packet.Packet) {
	t.Helper()
	if p.Type > packet.ConnectError || len(p.Namespace) > packet.DefaultMaxNamespace || len(p.Event) > packet.DefaultMaxEventName ||
		packet.Reserved(p.Event) || p.ID > packet.MaxID || len(p.Args.Attachments()) > packet.DefaultMaxAttachments {
		t.Errorf("accepted %+v", p)
	}
	if p.Payload != nil && !json.Valid(p.Payload) {
		t.Errorf("payload %q", p.Payload)
	}
	for i := range p.Args.Len() {
		if !json.Valid(p.Args.Raw(i)) {
			t.Errorf("argument %d: %q", i, p.Args.Raw(i))
		}
	}
}

// reread decodes a frame.
func reread(t *testing.T, f *packet.Frame) packet.Packet {
	t.Helper()
	var d packet.Decoder
	p, complete, err := d.Text(f.Text)
	for i := 0; err == nil && !complete; i++ {
		p, complete, err = d.Binary(f.Attachments[i])
	}
	if err != nil || d.Pending() {
		t.Fatalf("our own frame %q: pending %t, %v", f.Text, d.Pending(), err)
	}
	return p
}

func samePacket(t *testing.T, p, q packet.Packet) {
	t.Helper()
	pa, qa := p.Args, q.Args
	same := pa.Len() == qa.Len() && reflect.DeepEqual(pa.Attachments(), qa.Attachments())
	for i := 0; same && i < pa.Len(); i++ {
		same = bytes.Equal(pa.Raw(i), qa.Raw(i))
	}
	p.Args, q.Args = packet.Args{}, packet.Args{}
	if !same || !reflect.DeepEqual(p, q) {
		t.Errorf("%+v %+v, then %+v %+v", p, pa, q, qa)
	}
}
