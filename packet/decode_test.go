package packet_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"gatehouse/packet"
)

func TestIdleDecoderIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(packet.Decoder{}); size > 48 {
		t.Errorf("a decoder takes %d bytes, want at most 48", size)
	}
}

func TestInvalidUTF8IsRefused(t *testing.T) {
	for _, text := range []string{
		"2[\"a\xff\"]", "2[\"a\",\"\xc0\x80\"]", "2[\"\xed\xa0\x80\"]", "0/\xff,", "4\"\xf8\"", "51-[\"a\",\"\xff\"," + first + "]",
	} {
		refusedWith(t, text, packet.InvalidUTF8)
	}
}

func TestHostileNestingIsRefused(t *testing.T) {
	const levels = 100_000
	for name, text := range map[string]string{
		"arrays":            "2" + strings.Repeat("[", levels),
		"closed arrays":     `2["a",` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + "]",
		"objects":           `0` + strings.Repeat(`{"a":`, levels),
		"both":              `31[` + strings.Repeat(`{"a":[`, levels),
		"with attachments":  "51-[" + strings.Repeat("[", levels),
		"highest limit set": `2["a",` + strings.Repeat("[", levels),
	} {
		t.Run(name, func(t *testing.T) {
			d := packet.NewDecoder(packet.Limits{MaxDepth: levels})
			_, _, err := d.Text([]byte(text))
			if reason := reasonOf(t, err); reason != packet.TooDeep {
				t.Errorf("refused with %q", reason)
			}
			refusedWith(t, text, packet.TooDeep)
		})
	}
}

func TestLimitsAreTheConfiguredOnes(t *testing.T) {
	limits := packet.Limits{MaxAttachments: 2, MaxDepth: 3, MaxEventName: 4, MaxNamespace: 5}
	binary := func(n int) string {
		text := fmt.Sprintf(`5%d-["a"`, n)
		for i := range n {
			text += fmt.Sprintf(`,{"_placeholder":true,"num":%d}`, i)
		}
		return text + "]"
	}
	for _, c := range []struct {
		text   string
		reason packet.Reason
	}{
		{binary(2), ""},
		{binary(3), packet.TooManyAttachments},
		{`2["a",[{}]]`, ""},
		{`2["a",[[[]]]]`, packet.TooDeep},
		{`2["abcd"]`, ""},
		{`2["abcde"]`, packet.EventNameTooLong},
		{"0/abcd,", ""},
		{"0/abcde,", packet.NamespaceTooLong},
	} {
		d := packet.NewDecoder(limits)
		_, _, err := d.Text([]byte(c.text))
		if reason := reasonOf(t, err); reason != c.reason {
			t.Errorf("%s: refused with %q, want %q", c.text, reason, c.reason)
		}
	}
}

func TestLimitsAboveTheHighestMeanTheHighest(t *testing.T) {
	d := packet.NewDecoder(packet.Limits{MaxAttachments: 1 << 40, MaxDepth: 1 << 40, MaxEventName: 1 << 40, MaxNamespace: 1 << 40})
	deepest := "31" + strings.Repeat("[", packet.HighestMaxDepth) + strings.Repeat("]", packet.HighestMaxDepth)
	if _, _, err := d.Text([]byte(deepest)); err != nil {
		t.Errorf("%d levels: %v", packet.HighestMaxDepth, err)
	}
	_, _, err := d.Text([]byte("5257-[]"))
	if reason := reasonOf(t, err); reason != packet.TooManyAttachments {
		t.Errorf("257 attachments: refused with %q", reason)
	}
}

func TestMessagesAreBorrowedForTheCallOnly(t *testing.T) {
	var d packet.Decoder
	text, attachment := []byte(`51-/chat,["name",`+first+`,"argument"]`), []byte("bytes")
	if _, complete, err := d.Text(text); complete || err != nil || !d.Pending() {
		t.Fatalf("complete %t, pending %t, %v", complete, d.Pending(), err)
	}
	clear(text)
	p, complete, err := d.Binary(attachment)
	clear(attachment)
	if !complete || err != nil || d.Pending() {
		t.Fatalf("complete %t, pending %t, %v", complete, d.Pending(), err)
	}
	if p.Namespace != "/chat" || p.Event != "name" || string(p.Args.Raw(1)) != `"argument"` ||
		!bytes.Equal(p.Args.Attachments()[0], []byte("bytes")) {
		t.Errorf("the packet changed with its message: %+v", p)
	}
}

func TestPayloadIsBorrowedForTheCallOnly(t *testing.T) {
	var d packet.Decoder
	text := []byte(`0{"token":"t"} `)
	p, _, err := d.Text(text)
	clear(text)
	if err != nil || string(p.Payload) != `{"token":"t"}` {
		t.Errorf("payload %q, %v", p.Payload, err)
	}
}

func TestDecoderStartsAfreshAfterARefusal(t *testing.T) {
	var d packet.Decoder
	for _, bad := range []string{`51-["a",` + first + "]", `2["b"]`} {
		_, _, err := d.Text([]byte(bad))
		if bad[0] == '2' && reasonOf(t, err) != packet.AttachmentsAwaited {
			t.Fatal(err)
		}
	}
	if d.Pending() {
		t.Error("the abandoned packet is still pending")
	}
	if p, complete, err := d.Text([]byte(`2["c"]`)); !complete || err != nil || p.Event != "c" {
		t.Errorf("%+v, %t, %v", p, complete, err)
	}
}

func TestNamespacesOfOneSessionMayAlternate(t *testing.T) {
	var d packet.Decoder
	for _, want := range []string{"/", "/chat", "/", "/admin", "/chat"} {
		p, _, err := d.Text([]byte("2" + want + `,["a"]`))
		if err != nil || p.Namespace != want {
			t.Errorf("namespace %q, want %q, %v", p.Namespace, want, err)
		}
	}
}

func TestRefusalsHoldNothingOfTheContent(t *testing.T) {
	const secret = "s3cr3t"
	for _, text := range []string{
		`0{"token":"` + secret + `"`, `2["` + secret + `"`, "0/" + secret + strings.Repeat("n", 300), `2["connect","` + secret + `"]`,
		`2["a",` + secret + "]", secret,
	} {
		var d packet.Decoder
		_, _, err := d.Text([]byte(text))
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRefusalsCompareByReason(t *testing.T) {
	var d packet.Decoder
	if _, _, err := d.Text([]byte("0")); err != nil {
		t.Fatal(err)
	}
	_, _, err := d.Binary(nil)
	wrapped := fmt.Errorf("read: %w", err)
	if !errors.Is(wrapped, &packet.Error{Reason: packet.UnexpectedBinary}) || errors.Is(wrapped, &packet.Error{Reason: packet.Empty}) {
		t.Error(wrapped)
	}
}

// The first message decides the wire of the session, and later ones on another wire are refused.
func TestTheFirstMessageDecidesTheWire(t *testing.T) {
	connect := packet.Packet{Type: packet.Connect, Namespace: "/"}
	binary := packet.Encode(&connect, packet.Msgpack).Attachments[0]

	var text packet.Decoder
	if _, complete, err := text.Text([]byte("0")); err != nil || !complete || text.Wire() != packet.V5 {
		t.Error(complete, err, text.Wire())
	}
	if _, _, err := text.Binary(binary); !errors.Is(err, &packet.Error{Reason: packet.UnexpectedBinary}) {
		t.Error(err)
	}
	var msgpack packet.Decoder
	if p, complete, err := msgpack.Binary(binary); err != nil || !complete || p.Type != packet.Connect || msgpack.Wire() != packet.Msgpack {
		t.Error(p, complete, err, msgpack.Wire())
	}
	if _, _, err := msgpack.Text([]byte("0")); !errors.Is(err, &packet.Error{Reason: packet.UnexpectedText}) {
		t.Error(err)
	}
	var broken packet.Decoder
	if _, _, err := broken.Binary([]byte{0xc1}); !errors.Is(err, &packet.Error{Reason: packet.InvalidMsgpack}) {
		t.Error(err)
	}
}

func TestTypesHaveTheNamesOfTheProtocol(t *testing.T) {
	got := fmt.Sprint(packet.Connect, packet.Disconnect, packet.Event, packet.Ack, packet.ConnectError, packet.BinaryEvent,
		packet.BinaryAck, packet.Type(7))
	if want := "CONNECT DISCONNECT EVENT ACK CONNECT_ERROR BINARY_EVENT BINARY_ACK Type(7)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func refusedWith(t *testing.T, text string, want packet.Reason) {
	t.Helper()
	var d packet.Decoder
	_, complete, err := d.Text([]byte(text))
	if reason := reasonOf(t, err); complete || reason != want {
		t.Errorf("%.40q: refused with %q, want %q", text, reason, want)
	}
}

// A quarter of a megabyte of each kind of content takes linear time: anything quadratic would run into the test's timeout.
func TestLargeHostileMessagesTakeLinearTime(t *testing.T) {
	const size = 250_000
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	for name, arguments := range map[string]string{
		"white space":            `{"k":` + fill(" ") + "1}",
		"tiny arguments":         strings.TrimSuffix(fill("1,"), ","),
		"arguments far apart":    "1" + strings.TrimSuffix(fill(",        1"), ","),
		"half placeholders":      "[" + fill(`{"num":0},`) + "1]",
		"placeholders in text":   `"` + fill(`{\"_placeholder\":true}`) + `"`,
		"escapes":                `{"` + fill(`\u005f`) + `":1}`,
		"a long number":          fill("1"),
		"braces in white space":  "[" + fill("{      },") + "1]",
		"members of one object":  "{" + fill(`"_placeholder":1,`) + `"a":1}`,
		"strings without an end": fill(`"\"`),
	} {
		t.Run(name, func(t *testing.T) {
			var d packet.Decoder
			if _, _, err := d.Text([]byte("52-[\"a\"," + first + "," + second + "," + arguments + "]")); err != nil {
				return
			}
			p, _, err := d.Binary([]byte{1})
			if err == nil {
				p, _, err = d.Binary([]byte{2})
			}
			if err != nil {
				t.Fatal(err)
			}
			total := 0
			for i := range p.Args.Len() {
				total += len(p.Args.Raw(i))
			}
			// Among other values the placeholders have to be found and numbered anew.
			if a := args(t, []byte{0}, p.Args); a.Len() != p.Args.Len()+1 || total == 0 {
				t.Errorf("%d arguments became %d", p.Args.Len(), a.Len())
			}
		})
	}
}
