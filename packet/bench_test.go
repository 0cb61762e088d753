package packet_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/packet"
)

// chatMessage is a message:send of the chat with a text of 60 bytes.
const (
	chatMessage = `2/chat,17["message:send",{"room":"general","text":"` +
		`the quick brown fox jumps over the lazy dog and then sleeps.` + `","nonce":"k3j5h2"}]`
	binaryMessage = `52-/echo,3["upload",{"name":"a.png","data":` + first + `},` + second + `]`
)

type send struct {
	Room  string `json:"room"`
	Text  string `json:"text"`
	Nonce string `json:"nonce,omitempty"`
}

func BenchmarkDecodeEvent(b *testing.B) {
	for name, text := range map[string]string{
		"chat":           chatMessage,
		"echo":           `20["echo","the quick brown fox jumps over the lazy dog and then sleeps."]`,
		"four arguments": `2["move",1,2,3,4]`,
		"64KiB of text":  `2["a","` + strings.Repeat("x", 64<<10) + `"]`,
		"64KiB of lists": `2["a"` + strings.Repeat(`,[1]`, 16<<10) + `]`,
		"acknowledgment": `31[{"ok":true}]`,
	} {
		b.Run(name, func(b *testing.B) {
			var d packet.Decoder
			message := []byte(text)
			b.ReportAllocs()
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				if _, complete, err := d.Text(message); !complete || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeBinary(b *testing.B) {
	var d packet.Decoder
	text, attachment := []byte(binaryMessage), make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		_, _, err := d.Text(text)
		if err == nil {
			_, _, err = d.Binary(attachment)
		}
		if err == nil {
			_, _, err = d.Binary(attachment)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRefuse(b *testing.B) {
	var d packet.Decoder
	text := []byte("2" + strings.Repeat("[", 100_000))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Text(text); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, p := range map[string]packet.Packet{
		"event":           {Type: packet.Event, Namespace: "/chat", Event: "message", Args: received(b, chatMessage)},
		"acknowledgement": {Type: packet.Ack, ID: 5, HasID: true, Args: received(b, `2["a",{"ok":true}]`)},
		"binary":          {Type: packet.Event, Event: "upload", Args: received(b, binaryMessage, []byte{1}, []byte{2})},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				packet.Encode(&p, packet.V5)
			}
		})
	}
}

func BenchmarkNewArgs(b *testing.B) {
	message := send{"general", "the quick brown fox jumps over the lazy dog and then sleeps.", "k3j5h2"}
	for name, v := range map[string]any{
		"string": message.Text,
		"struct": message,
		"long":   slices.Repeat([]send{{"general", strings.Repeat("x", 2000), "k3j5h2"}}, 100),
		"bytes":  struct{ Data []byte }{make([]byte, 1024)},
		"passed": received(b, chatMessage),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := packet.NewArgs(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeArgument(b *testing.B) {
	text := received(b, chatMessage)
	bytes := received(b, binaryMessage, []byte{1}, []byte{2})
	for name, c := range map[string]struct {
		args packet.Args
		into any
	}{
		"struct":            {text, new(send)},
		"any":               {text, new(any)},
		"struct with bytes": {bytes, new(struct{ Data []byte })},
		"any with bytes":    {bytes, new(any)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.args.Decode(0, c.into); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
