package packet_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"gatehouse/packet"
)

// encodeCase is a packet in Go, and the same one for Node.
type encodeCase struct {
	name   string
	packet packet.Packet
	node   string
}

type point struct {
	X int     `json:"x"`
	Y float64 `json:"y,omitempty"`
}

type upload struct {
	Name string        `json:"name"`
	Data []byte        `json:"data"`
	More packet.Binary `json:"more"`
}

func encodeCases(t *testing.T) []encodeCase {
	return append(encodeControlCases(), append(encodeValueCases(t), encodeBinaryCases(t)...)...)
}

func encodeControlCases() []encodeCase {
	return []encodeCase{
		{"CONNECT", packet.Packet{Type: packet.Connect, Namespace: "/", Payload: []byte(`{"sid":"abc"}`)},
			`{"type":0,"nsp":"/","data":{"sid":"abc"}}`},
		{"CONNECT without payload", packet.Packet{Type: packet.Connect}, `{"type":0,"nsp":"/"}`},
		{"CONNECT to a namespace", packet.Packet{Type: packet.Connect, Namespace: "/chat", Payload: []byte(`{"sid":"abc"}`)},
			`{"type":0,"nsp":"/chat","data":{"sid":"abc"}}`},
		{"DISCONNECT", packet.Packet{Type: packet.Disconnect}, `{"type":1,"nsp":"/"}`},
		{"DISCONNECT of a namespace", packet.Packet{Type: packet.Disconnect, Namespace: "/chat"}, `{"type":1,"nsp":"/chat"}`},
		{"CONNECT_ERROR", packet.Packet{Type: packet.ConnectError, Namespace: "/x",
			Payload: []byte(`{"message":"Invalid namespace"}`)}, `{"type":4,"nsp":"/x","data":{"message":"Invalid namespace"}}`},
	}
}

func encodeValueCases(t *testing.T) []encodeCase {
	event := func(values ...any) packet.Packet {
		return packet.Packet{Type: packet.Event, Namespace: "/", Event: "a", Args: args(t, values...)}
	}
	withID := func(p packet.Packet, id uint64) packet.Packet { p.ID, p.HasID = id, true; return p }
	in := func(p packet.Packet, namespace string) packet.Packet { p.Namespace = namespace; return p }
	named := func(name string) packet.Packet { return packet.Packet{Type: packet.Event, Event: name} }
	ack := func(values ...any) packet.Packet {
		return withID(packet.Packet{Type: packet.Ack, Args: args(t, values...)}, 12)
	}
	return []encodeCase{
		{"event without arguments", event(), `{"type":2,"nsp":"/","data":["a"]}`},
		{"event with arguments", event(1, "b", true, nil), `{"type":2,"nsp":"/","data":["a",1,"b",true,null]}`},
		{"event with id", withID(event(1), 0), `{"type":2,"nsp":"/","id":0,"data":["a",1]}`},
		{"event with the largest id", withID(event(1), packet.MaxID), `{"type":2,"nsp":"/","id":9007199254740991,"data":["a",1]}`},
		{"event of a namespace with id", in(withID(event(1), 7), "/chat"), `{"type":2,"nsp":"/chat","id":7,"data":["a",1]}`},
		{"acknowledgement", ack("b", map[string]int{"c": 1}), `{"type":3,"nsp":"/","id":12,"data":["b",{"c":1}]}`},
		{"acknowledgement without arguments", ack(), `{"type":3,"nsp":"/","id":12,"data":[]}`},
		{"struct", event(point{1, 2.5}, point{}), `{"type":2,"nsp":"/","data":["a",{"x":1,"y":2.5},{"x":0}]}`},
		{"maps in the order of their keys", event(map[string]any{"b": 1, "a": []any{1.5, nil}}),
			`{"type":2,"nsp":"/","data":["a",{"a":[1.5,null],"b":1}]}`},
		{"nil slice and nil map", event([]int(nil), map[string]int(nil)), `{"type":2,"nsp":"/","data":["a",[],{}]}`},
		{"numbers", event(math.MaxInt32, -1, 1e21, 1e-7, 0.1, 123456789012345680.0, 5e-324),
			`{"type":2,"nsp":"/","data":["a",2147483647,-1,1e21,1e-7,0.1,123456789012345680,5e-324]}`},
		{"HTML and line separators", event("<b>&</b>\u2028\u2029"),
			`{"type":2,"nsp":"/","data":["a","<b>&</b>\u2028\u2029"]}`},
		{"control characters", event("\x00\x01\b\t\n\v\f\r\x1f \x7f\"\\/"),
			`{"type":2,"nsp":"/","data":["a","\u0000\u0001\b\t\n\u000b\f\r\u001f \u007f\"\\/"]}`},
		{"control characters inside a value", event([]string{"\x00\x1f\x7f\"\\/é😀"}),
			`{"type":2,"nsp":"/","data":["a",["\u0000\u001f\u007f\"\\/é😀"]]}`},
		{"invalid UTF-8", event("\xff", []string{"a\xffb"}), `{"type":2,"nsp":"/","data":["a","\ufffd",["a\ufffdb"]]}`},
		{"event name with quotes", named("a\"\\\n\u2028é😀"), `{"type":2,"nsp":"/","data":["a\"\\\n\u2028é😀"]}`},
		{"raw JSON", event(json.RawMessage(`{"a" : [1, 2]}`)), `{"type":2,"nsp":"/","data":["a",{"a":[1,2]}]}`},
	}
}

func encodeBinaryCases(t *testing.T) []encodeCase {
	one, two, three := []byte{1}, []byte{2, 2}, []byte{3, 3, 3}
	inner := args(t, map[string]any{"deep": two}, "x", three)
	event := func(values ...any) packet.Packet {
		return packet.Packet{Type: packet.Event, Event: "a", Args: args(t, values...)}
	}
	const dataOne, dataTwo, dataThree = `{"$binary":"AQ=="}`, `{"$binary":"AgI="}`, `{"$binary":"AwMD"}`
	return []encodeCase{
		{"one attachment", event(one), `{"type":2,"nsp":"/","data":["a",` + dataOne + `]}`},
		{"an empty attachment", event([]byte{}), `{"type":2,"nsp":"/","data":["a",{"$binary":""}]}`},
		{"no attachment", event([]byte(nil), packet.Binary(nil), upload{}.Data),
			`{"type":2,"nsp":"/","data":["a",null,null,null]}`},
		{"attachments nested anywhere", event(map[string]any{"b": []any{one, map[string]packet.Binary{"c": two}}}, three),
			`{"type":2,"nsp":"/","data":["a",{"b":[` + dataOne + `,{"c":` + dataTwo + `}]},` + dataThree + `]}`},
		{"attachments in fields", event(upload{"n", one, two}, &upload{"m", nil, three}),
			`{"type":2,"nsp":"/","data":["a",{"name":"n","data":` + dataOne + `,"more":` + dataTwo +
				`},{"name":"m","data":null,"more":` + dataThree + `}]}`},
		{"arguments among others", event(one, inner, 5),
			`{"type":2,"nsp":"/","data":["a",` + dataOne + `,{"deep":` + dataTwo + `},"x",` + dataThree + `,5]}`},
		{"binary event said to be one", func() packet.Packet { p := event(one); p.Type = packet.BinaryEvent; return p }(),
			`{"type":2,"nsp":"/","data":["a",` + dataOne + `]}`},
		{"binary event without attachments", packet.Packet{Type: packet.BinaryEvent, Event: "a"},
			`{"type":2,"nsp":"/","data":["a"]}`},
		{"binary acknowledgement", packet.Packet{Type: packet.Ack, Namespace: "/chat", ID: 3, HasID: true,
			Args: args(t, one, "x", []packet.Binary{two})},
			`{"type":3,"nsp":"/chat","id":3,"data":[` + dataOne + `,"x",[` + dataTwo + `]]}`},
	}
}

// Frames are byte for byte what Node's encoder makes of the same values.
func TestEncodesAsNode(t *testing.T) {
	cases := encodeCases(t)
	questions := make([]question, len(cases))
	for i, c := range cases {
		questions[i] = question{Name: c.name, Packet: json.RawMessage(c.node)}
	}
	answers := consult(t, "encode.jsonl", questions)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			frame := packet.Encode(&c.packet, packet.V5)
			got := []any{string(frame.Text)}
			for _, a := range frame.Attachments {
				got = append(got, writeBytes(a))
			}
			if want := answers[c.name].Frames; !reflect.DeepEqual(got, want) {
				t.Errorf("encoded %q\nNode    %q", got, want)
			}
		})
	}
}

func args(t testing.TB, values ...any) packet.Args {
	t.Helper()
	a, err := packet.NewArgs(values...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
