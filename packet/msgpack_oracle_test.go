package packet_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"gatehouse/packet"
	"gatehouse/packet/msgpack"
)

// Packets are byte for byte what socket.io-msgpack-parser makes of the same values, in the order type, data, id, nsp.
func TestEncodesMsgpackAsNode(t *testing.T) {
	cases := append(encodeCases(t), msgpackValueCases(t)...)
	questions := make([]question, len(cases))
	for i, c := range cases {
		questions[i] = question{Name: c.name, MsgpackPacket: inMsgpackOrder(t, c.node)}
	}
	answers := consult(t, "encode-msgpack.jsonl", questions)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := []any{writeBytes(packet.Encode(&c.packet, packet.Msgpack).Attachments[0])}
			want := answers[c.name].Frames
			// notepack.io writes the lowest 64 bits of a number beyond them, which is another number.
			wraps := c.name == "numbers"
			if reflect.DeepEqual(got, want) == wraps {
				t.Errorf("encoded %v\nNode    %v\nintended difference: %t", got, want, wraps)
			}
		})
	}
}

// msgpackValueCases are values for which msgpack has several forms.
func msgpackValueCases(t *testing.T) []encodeCase {
	event := func(name, argument string) encodeCase {
		return encodeCase{name: name, packet: packet.Packet{Type: packet.Event, Event: "a", Args: args(t, json.RawMessage(argument))},
			node: `{"type":2,"nsp":"/","data":["a",` + argument + `]}`}
	}
	list := func(n int) string { return "[" + strings.Repeat("1,", n) + "1]" }
	return []encodeCase{
		event("integers at the bounds of their forms", `[0,127,128,255,256,65535,65536,4294967295,4294967296,9007199254740991,`+
			`-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,-9007199254740991]`),
		event("whole numbers with a point or an exponent", "[1.0,1e3,-1e2,4.5e1,-0,-0.0,0e5]"),
		event("fractions", "[0.5,-1.25,1e-300,5e-324]"),
		event("texts at the bounds of their forms", `["`+strings.Repeat("a", 31)+`","`+strings.Repeat("b", 32)+`","`+
			strings.Repeat("c", 255)+`","`+strings.Repeat("d", 256)+`"]`),
		event("arrays at the bounds of their forms", "["+list(14)+","+list(15)+"]"),
		event("empty containers", `[{},[],[ ],{ },[[]],{"a":{}}]`),
		event("nested", `{"a":[{"b":[1,{"c":"}],{"}]},2],"d\"":[[],[[3]]]}`),
		event("escapes", `"\u00e9\ud83d\ude00\/\n\\"`),
	}
}

// inMsgpackOrder writes a packet with its fields in this package's order.
func inMsgpackOrder(t *testing.T, node string) json.RawMessage {
	t.Helper()
	var p struct {
		Type      int             `json:"type"`
		Data      json.RawMessage `json:"data,omitempty"`
		ID        *uint64         `json:"id,omitempty"`
		Namespace string          `json:"nsp"`
	}
	if err := json.Unmarshal([]byte(node), &p); err != nil {
		t.Fatal(err)
	}
	ordered, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return ordered
}

// This package accepts and refuses the same messages as socket.io-msgpack-parser, and reads the same from them, except
// for the differences that the cases name.
func TestDecodesMsgpackAsNode(t *testing.T) {
	cases := msgpackCases()
	questions := make([]question, len(cases))
	for i, c := range cases {
		questions[i] = question{Name: c.name, Msgpack: binary(c.frames[0].([]byte))}
	}
	answers := consult(t, "decode-msgpack.jsonl", questions)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			node := answers[c.name]
			var packets []packet.Packet
			p, err := packet.DecodeMsgpack(c.frames[0].([]byte), packet.Limits{})
			if err == nil {
				packets = append(packets, p)
			}
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

// A message in msgpack is written by hand: fields in the order given.
type field struct {
	name  string
	value []byte
}

func message(fields ...field) []byte {
	b := msgpack.AppendMap(nil, len(fields))
	for _, f := range fields {
		b = append(msgpack.AppendString(b, f.name), f.value...)
	}
	return b
}

func kind(t packet.Type) field      { return field{"type", msgpack.AppendUint(nil, uint64(t))} }
func nsp(name string) field         { return field{"nsp", msgpack.AppendString(nil, name)} }
func data(b ...byte) field          { return field{"data", b} }
func id(n uint64) field             { return field{"id", msgpack.AppendUint(nil, n)} }
func text(s string) []byte          { return msgpack.AppendString(nil, s) }
func array(values ...[]byte) []byte { return list(msgpack.AppendArray(nil, len(values)), values) }
func list(head []byte, values [][]byte) []byte {
	for _, v := range values {
		head = append(head, v...)
	}
	return head
}

// object is a map of keys and values in turn.
func object(values ...[]byte) []byte { return list(msgpack.AppendMap(nil, len(values)/2), values) }

func pack(name string, b []byte) decodeCase { return decodeCase{name: name, frames: []any{b}} }

// packed is an event "a" with the given arguments.
func packed(name string, arguments ...[]byte) decodeCase {
	return pack(name, message(kind(packet.Event), data(array(append([][]byte{text("a")}, arguments...)...)...), nsp("/")))
}

var (
	undefined = []byte{0xd4, 0, 0}
	null      = []byte{0xc0}
	number    = []byte{1}
)

func msgpackCases() []decodeCase {
	var cases []decodeCase
	for _, group := range [][]decodeCase{
		msgpackPacketCases(), msgpackFieldCases(), msgpackFormatCases(), msgpackDateCases(), msgpackBombCases(),
	} {
		cases = append(cases, group...)
	}
	return cases
}

func msgpackPacketCases() []decodeCase {
	event := data(array(text("a"), number)...)
	empty := data(array()...)
	auth := data(object(text("token"), text("t"))...)
	const noBinary = "credentials are texts"
	return []decodeCase{
		pack("event", message(kind(packet.Event), event, nsp("/"))),
		pack("event as the client writes it", message(kind(packet.Event), event,
			field{"options", object(text("compress"), []byte{0xc3})}, id(3), nsp("/chat"))),
		pack("event with nsp before type", message(nsp("/"), event, kind(packet.Event))),
		pack("event with an id that is undefined", message(kind(packet.Event), event, field{"id", undefined}, nsp("/"))),
		pack("event of a number", message(kind(packet.Event), data(array(number)...), nsp("/"))).unlike("names are texts; Node looks up the handler by the digits"),
		pack("event without name", message(kind(packet.Event), empty, nsp("/"))).not(packet.BadEventName).unlike(useless),
		pack("event of an object", message(kind(packet.Event), data(array(object())...), nsp("/"))).
			not(packet.BadEventName).unlike(useless),
		pack("event with a reserved name", message(kind(packet.Event), data(array(text("disconnect"))...), nsp("/"))).
			not(packet.ReservedEventName).unlike(useless),
		pack("event of 257 bytes", message(kind(packet.Event), data(array(text(strings.Repeat("n", 257)))...), nsp("/"))).
			not(packet.EventNameTooLong).unlike(noSurprise),
		pack("event without data", message(kind(packet.Event), nsp("/"))).not(packet.MissingPayload),
		pack("event with an object", message(kind(packet.Event), auth, nsp("/"))).not(packet.BadPayload),
		pack("acknowledgement", message(kind(packet.Ack), data(array(number)...), id(0), nsp("/"))),
		pack("acknowledgement without arguments", message(kind(packet.Ack), empty, id(1<<53-1), nsp("/"))),
		pack("acknowledgement without id", message(kind(packet.Ack), empty, nsp("/"))).not(packet.MissingID).unlike(useless),
		pack("CONNECT", message(kind(packet.Connect), nsp("/"))),
		pack("CONNECT as the client writes it without auth", message(kind(packet.Connect), data(undefined...), nsp("/"))),
		pack("CONNECT with auth", message(kind(packet.Connect), auth, nsp("/chat"))),
		pack("CONNECT with null", message(kind(packet.Connect), data(null...), nsp("/"))).not(packet.BadPayload),
		pack("CONNECT with an array", message(kind(packet.Connect), empty, nsp("/"))).not(packet.BadPayload),
		pack("CONNECT with binary", message(kind(packet.Connect), data(object(text("a"), []byte{0xc4, 1, 1})...), nsp("/"))).
			not(packet.TooManyAttachments).unlike(noBinary),
		pack("CONNECT with an id", message(kind(packet.Connect), id(1), nsp("/"))).not(packet.UnexpectedID).unlike(noMeaning),
		pack("DISCONNECT", message(kind(packet.Disconnect), nsp("/chat"))),
		pack("DISCONNECT with data", message(kind(packet.Disconnect), auth, nsp("/"))).not(packet.UnexpectedPayload),
		pack("CONNECT_ERROR with an object", message(kind(packet.ConnectError), data(object(text("message"), text("m"))...), nsp("/"))),
		pack("CONNECT_ERROR with a string", message(kind(packet.ConnectError), data(text("m")...), nsp("/"))),
		pack("CONNECT_ERROR without data", message(kind(packet.ConnectError), nsp("/"))).not(packet.MissingPayload),
		pack("binary event", message(kind(packet.BinaryEvent), event, nsp("/"))).not(packet.UnknownType),
	}
}

func msgpackFieldCases() []decodeCase {
	event, typed := data(array(text("a"))...), kind(packet.Event)
	const twice = "two fields of one name can be read in two ways"
	const unreachable = "no client with the other parser could name it"
	return []decodeCase{
		pack("empty message", []byte{}).not(packet.Empty),
		pack("no map", array(typed.value)).not(packet.InvalidMsgpack),
		pack("a number", number).not(packet.InvalidMsgpack),
		pack("nil", null).not(packet.InvalidMsgpack),
		pack("empty map", object()).not(packet.UnknownType),
		pack("type missing", message(event, nsp("/"))).not(packet.UnknownType),
		pack("type as text", message(field{"type", text("2")}, event, nsp("/"))).not(packet.UnknownType),
		pack("type as a double", message(field{"type", []byte{0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0}}, event, nsp("/"))).
			not(packet.UnknownType).unlike("integers are written as integers"),
		pack("type negative", message(field{"type", []byte{0xff}}, event, nsp("/"))).not(packet.UnknownType),
		pack("type twice", message(typed, kind(packet.Connect), nsp("/"))).not(packet.RepeatedField).unlike(twice),
		pack("data twice", message(typed, event, event, nsp("/"))).not(packet.RepeatedField).unlike(twice),
		pack("nsp missing", message(typed, event)).not(packet.BadNamespace),
		pack("nsp nil", message(typed, event, field{"nsp", null})).not(packet.BadNamespace),
		pack("nsp empty", message(typed, event, nsp(""))).not(packet.BadNamespace).unlike(unreachable),
		pack("nsp without slash", message(typed, event, nsp("chat"))).not(packet.BadNamespace).unlike(unreachable),
		pack("nsp with a comma", message(typed, event, nsp("/a,b"))).not(packet.BadNamespace).unlike(unreachable),
		pack("nsp of 256 bytes", message(typed, event, nsp("/"+strings.Repeat("n", 255)))),
		pack("nsp of 257 bytes", message(typed, event, nsp("/"+strings.Repeat("n", 256)))).
			not(packet.NamespaceTooLong).unlike(noSurprise),
		pack("id 2^53", message(typed, event, id(1<<53), nsp("/"))).not(packet.BadID).
			unlike("JavaScript cannot tell such ids apart"),
		pack("id negative", message(typed, event, field{"id", []byte{0xff}}, nsp("/"))).not(packet.BadID).unlike(useless),
		pack("id nil", message(typed, event, field{"id", null}, nsp("/"))).not(packet.BadID),
		pack("id as text", message(typed, event, field{"id", text("1")}, nsp("/"))).not(packet.BadID),
		pack("unknown fields of every kind", message(typed, event, nsp("/"), field{"x", undefined}, field{"y", array(object())})),
		pack("a key that is no text", append(msgpack.AppendMap(nil, 1), 1, 2)).not(packet.InvalidMsgpack),
		pack("bytes behind", append(message(typed, event, nsp("/")), 0xc0)).not(packet.TrailingBytes),
		pack("half", message(typed, event, nsp("/"))[:9]).not(packet.InvalidMsgpack),
	}
}

func msgpackFormatCases() []decodeCase {
	blob := func(n byte) []byte { return []byte{0xc4, 1, n} }
	var ten [][]byte
	for n := range byte(10) {
		ten = append(ten, blob(n))
	}
	const notText = "JSON has no such text: a receiver with the other parser would see another one"
	return []decodeCase{
		packed("nil, booleans, undefined", null, []byte{0xc2}, []byte{0xc3}, undefined),
		packed("undefined in an array", array(undefined, number)),
		packed("undefined in an object", object(text("a"), undefined, text("b"), number, text("c"), undefined)),
		packed("a single member that is undefined", object(text("a"), undefined)),
		packed("integers of every form", []byte{0xcc, 255}, []byte{0xcd, 1, 0}, []byte{0xce, 1, 0, 0, 0},
			[]byte{0xcf, 0, 1, 0, 0, 0, 0, 0, 0}, []byte{0xe0}, []byte{0xd0, 0x80}, []byte{0xd1, 0x80, 0},
			[]byte{0xd2, 0x80, 0, 0, 0}, []byte{0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1}, []byte{0xd0, 5}, []byte{0xd3, 0, 0, 0, 0, 0, 0, 0, 7}),
		packed("integers that JavaScript rounds", msgpack.AppendUint(nil, math.MaxUint64), msgpack.AppendInt(nil, math.MinInt64),
			msgpack.AppendUint(nil, 1<<53+1)),
		packed("doubles", msgpack.AppendFloat(nil, 0.1), msgpack.AppendFloat(nil, 1e300), msgpack.AppendFloat(nil, -5e-324),
			msgpack.AppendFloat(nil, 1e-7), []byte{0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0}),
		packed("floats", []byte{0xca, 0x3f, 0xc0, 0, 0}, []byte{0xca, 0x3d, 0xcc, 0xcc, 0xcd}),
		packed("what JSON has no number for", msgpack.AppendFloat(nil, math.NaN()), msgpack.AppendFloat(nil, math.Inf(1)),
			msgpack.AppendFloat(nil, math.Inf(-1))),
		packed("texts of every form", text(""), text("é😀\x00\"\\\u2028"), text(strings.Repeat("x", 200)), []byte{0xda, 0, 1, 'a'},
			[]byte{0xdb, 0, 0, 0, 1, 'a'}),
		packed("invalid UTF-8", []byte{0xa1, 0xff}).not(packet.InvalidUTF8).unlike(notText),
		packed("invalid UTF-8 in a key", object([]byte{0xa1, 0xff}, number)).not(packet.InvalidUTF8).unlike(notText),
		packed("arrays of every form", []byte{0xdc, 0, 1, 1}, []byte{0xdd, 0, 0, 0, 1, 1}),
		packed("maps of every form", []byte{0xde, 0, 1, 0xa1, 'a', 1}, []byte{0xdf, 0, 0, 0, 1, 0xa1, 'a', 1}),
		packed("a number as key", object(number, number)).not(packet.InvalidMsgpack).
			unlike("JavaScript turns what is no text into one, as it sees fit"),
		packed("binary of every form", blob(1), []byte{0xc5, 0, 1, 2}, []byte{0xc6, 0, 0, 0, 1, 3}, []byte{0xc4, 0}),
		packed("binary inside", object(text("d"), array(blob(1), object(text("e"), blob(2))))),
		packed("an ArrayBuffer of an old encoder", []byte{0xc7, 1, 0, 9}, []byte{0xc8, 0, 1, 0, 8}, []byte{0xc9, 0, 0, 0, 1, 0, 7}),
		packed("10 binary values", ten...),
		packed("11 binary values", append(ten, blob(10))...).not(packet.TooManyAttachments).unlike(noSurprise),
		packed("a placeholder", object(text("_placeholder"), []byte{0xc3}, text("num"), []byte{0})).
			not(packet.PlaceholderRange).unlike(misread),
		packed("a placeholder beside binary", blob(1), object(text("_placeholder"), []byte{0xc3}, text("num"), []byte{0})).
			not(packet.PlaceholderTwice).unlike(misread),
	}
}

func msgpackDateCases() []decodeCase {
	at := func(ms int64) []byte {
		b := []byte{0xd7, 0}
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(ms>>shift))
		}
		return b
	}
	const other = "notepack.io hands on a pair of type and bytes"
	const timestamps = "notepack.io 3, which Node's adapters use, reads the specification's timestamps; version 2, of the client, does not"
	return []decodeCase{
		packed("dates", at(0), at(1_600_000_000_123), at(-1), at(-62_167_219_200_000)),
		packed("dates in years of six digits", at(-62_167_219_200_001), at(253_402_300_800_000), at(8.64e15), at(-8.64e15)),
		packed("dates that JavaScript has not", at(8.64e15+1), at(math.MaxInt64), at(math.MinInt64)),
		packed("timestamp 32", []byte{0xd6, 0xff, 0, 0, 0, 1}).unlike(timestamps),
		packed("timestamp 64", []byte{0xd7, 0xff, 0, 0, 0, 0, 0, 0, 0, 1}).unlike(timestamps),
		packed("timestamp 96", append([]byte{0xc7, 12, 0xff}, make([]byte, 12)...)).unlike(timestamps),
		packed("extension type 1", []byte{0xd4, 1, 0}).not(packet.InvalidMsgpack).unlike(other),
		packed("extension type -2", []byte{0xd6, 0xfe, 0, 0, 0, 0}).not(packet.InvalidMsgpack).unlike(other),
		packed("extension type 0 of 2 bytes", []byte{0xd5, 0, 0, 0}).not(packet.InvalidMsgpack).unlike(other),
		packed("extension type 5 of a length", []byte{0xc7, 1, 5, 0}).not(packet.InvalidMsgpack).unlike(other),
		packed("the byte that stands for nothing", []byte{0xc1}).not(packet.InvalidMsgpack),
	}
}

func msgpackBombCases() []decodeCase {
	deep := func(n int) []byte {
		return append([]byte(strings.Repeat("\x91", n)), 0xc0)
	}
	return []decodeCase{
		packed("62 arrays in the array of arguments", deep(62)),
		packed("64 arrays in the array of arguments", deep(64)).not(packet.TooDeep).unlike(noSurprise),
		packed("a text of 4 GiB that is not there", []byte{0xdb, 255, 255, 255, 255}).not(packet.InvalidMsgpack),
		packed("an array of 65,535 that are not there", []byte{0xdc, 255, 255}).not(packet.InvalidMsgpack),
		packed("a map of 65,535 that are not there", []byte{0xde, 255, 255}).not(packet.InvalidMsgpack),
		packed("bytes of 4 GiB that are not there", []byte{0xc6, 255, 255, 255, 255}).not(packet.InvalidMsgpack),
		packed("an extension that is not there", []byte{0xc9, 255, 255, 255, 255, 5}).not(packet.InvalidMsgpack),
		packed("a double of 3 bytes", []byte{0xcb, 0, 0, 0}).not(packet.InvalidMsgpack),
		packed("a date of 3 bytes", []byte{0xd7, 0, 0, 0, 0}).not(packet.InvalidMsgpack),
	}
}
