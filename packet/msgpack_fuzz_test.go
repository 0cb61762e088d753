package packet_test

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"gatehouse/packet"
)

// FuzzDecodeMsgpack: no message ends the process; an accepted one is a packet that the other parser could have made, and
// is the same after it was encoded and decoded again.
func FuzzDecodeMsgpack(f *testing.F) {
	for _, c := range msgpackCases() {
		f.Add(c.frames[0].([]byte))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		p, err := packet.DecodeMsgpack(message, packet.Limits{})
		if err != nil {
			reasonOf(t, err)
			return
		}
		holdsValid(t, p)
		size := len(p.Payload)
		for i := range p.Args.Len() {
			size += len(p.Args.Raw(i))
		}
		if most := 6*len(message) + 30*packet.DefaultMaxAttachments; size > most {
			t.Errorf("%d bytes became %d of JSON, more than %d", len(message), size, most)
		}
		again := packet.Encode(&p, packet.Msgpack).Attachments[0]
		q, err := packet.DecodeMsgpack(again, packet.Limits{})
		if err != nil {
			t.Fatalf("our own packet %x: %v", again, err)
		}
		samePacket(t, p, q)
		samePacket(t, p, reread(t, packet.Encode(&p, packet.V5)))
	})
}

// FuzzJSONToMsgpack: packets of a client with the other parser reach one with msgpack with the same meaning.
func FuzzJSONToMsgpack(f *testing.F) {
	for _, c := range decodeCases() {
		f.Add([]byte(c.frames[0].(string)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d packet.Decoder
		p, complete, err := d.Text(bytes.Clone(text))
		for n := byte(0); err == nil && !complete; n++ {
			p, complete, err = d.Binary([]byte{n})
		}
		if err != nil {
			return
		}
		q, err := packet.DecodeMsgpack(packet.Encode(&p, packet.Msgpack).Attachments[0], packet.Limits{})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if p.Type != q.Type || p.Namespace != q.Namespace || p.ID != q.ID || p.HasID != q.HasID || p.Event != q.Event ||
			p.Args.Len() != q.Args.Len() {
			t.Fatalf("%+v, then %+v", p, q)
		}
		for i := range p.Args.Len() {
			sameJSON(t, p.Args.Raw(i), q.Args.Raw(i))
		}
		if p.Payload != nil {
			sameJSON(t, p.Payload, q.Payload)
		}
	})
}

// sameJSON compares values as JavaScript would: numbers as doubles, placeholders by what they name.
func sameJSON(t *testing.T, one, two []byte) {
	t.Helper()
	var a, b any
	if json.Unmarshal(one, &a) != nil {
		return // a number beyond a double
	}
	if err := json.Unmarshal(two, &b); err != nil {
		t.Fatalf("%s became %s: %v", one, two, err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if !bytes.Equal(bytes.ReplaceAll(x, []byte("-0"), []byte("0")), bytes.ReplaceAll(y, []byte("-0"), []byte("0"))) &&
		!bytes.Contains(one, []byte("_placeholder")) {
		t.Errorf("%s became %s", one, two)
	}
}

// A bomb of 100,000 containers, or of keys, costs what its bytes cost.
func TestMsgpackBombsAreRefusedWithoutAllocatingForThem(t *testing.T) {
	bombs := map[string]struct {
		message []byte
		refused packet.Reason
	}{
		"nesting": {message(kind(packet.Event), data([]byte(strings.Repeat("\x91", 100_000)+"\xc0")...), nsp("/")), packet.TooDeep},
		"nesting in an unknown field": {message(kind(packet.Event), field{"x", []byte(strings.Repeat("\x81\xa1a", 100_000) + "\xc0")},
			nsp("/")), packet.TooDeep},
		"a map of 2^32-1 fields":   {[]byte{0xdf, 255, 255, 255, 255, 0xa1, 'a', 1}, packet.InvalidMsgpack},
		"an array of 2^32-1":       {message(kind(packet.Event), data(0xdd, 255, 255, 255, 255, 1), nsp("/")), packet.InvalidMsgpack},
		"an old ArrayBuffer, 4GiB": {message(kind(packet.Event), data(0xc9, 255, 255, 255, 255, 0, 1)), packet.InvalidMsgpack},
	}
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			var err error
			allocated := testing.AllocsPerRun(1, func() { _, err = packet.DecodeMsgpack(bomb.message, packet.Limits{}) })
			if reason := reasonOf(t, err); reason != bomb.refused {
				t.Errorf("refused with %q, want %q", reason, bomb.refused)
			}
			if allocated > 20 {
				t.Errorf("%v allocations", allocated)
			}
		})
	}
}

// Integers of 64 bits reach Go exactly, though JavaScript rounds them.
func TestIntegersOf64BitsAreKept(t *testing.T) {
	p := packet.Packet{Type: packet.Event, Event: "a", Args: args(t, uint64(math.MaxUint64), int64(math.MinInt64), uint64(1<<53+1))}
	q, err := packet.DecodeMsgpack(packet.Encode(&p, packet.Msgpack).Attachments[0], packet.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	samePacket(t, packet.Packet{Type: packet.Event, Namespace: "/", Event: "a", Args: p.Args}, q)
}

// Decoded values share no memory with the message: the transport uses its buffer again.
func TestDecodedMsgpackKeepsNothingOfTheMessage(t *testing.T) {
	m := packed("", []byte{0xc4, 2, 1, 2}, text("text")).frames[0].([]byte)
	p, err := packet.DecodeMsgpack(m, packet.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(m)
	if got := p.Args.Attachments()[0]; !bytes.Equal(got, []byte{1, 2}) || string(p.Args.Raw(1)) != `"text"` || p.Event != "a" {
		t.Errorf("%v %s %q", got, p.Args.Raw(1), p.Event)
	}
}
