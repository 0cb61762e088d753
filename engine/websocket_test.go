package engine

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// header builds the first bytes of a client's frame with everything in it free
// to be wrong.
func header(first byte, masked bool, length uint64) []byte {
	b := []byte{first, 127}
	b = binary.BigEndian.AppendUint64(b, length)
	if masked {
		b[1] |= 0x80
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

func closeBody(code int, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
}

func TestFramesAgainstTheProtocolAreAnsweredWithACloseCode(t *testing.T) {
	const max = 1000
	for name, c := range map[string]struct {
		bytes  []byte
		code   int
		reason Reason
	}{
		"unmasked":                {[]byte{0x81, 2, '4', 'x'}, 1002, ReasonTransportError},
		"RSV1":                    {header(0xc1, true, 1), 1002, ReasonTransportError},
		"RSV2":                    {header(0xa1, true, 1), 1002, ReasonTransportError},
		"RSV3":                    {header(0x91, true, 1), 1002, ReasonTransportError},
		"reserved opcode 3":       {header(0x83, true, 1), 1002, ReasonTransportError},
		"reserved opcode 15":      {header(0x8f, true, 1), 1002, ReasonTransportError},
		"ping of 126 bytes":       {header(0x89, true, 126), 1002, ReasonTransportError},
		"fragmented ping":         {header(0x09, true, 0), 1002, ReasonTransportError},
		"continuation of nothing": {header(0x80, true, 1), 1002, ReasonTransportError},
		"message inside another":  {append(fragment(ws.OpText, false, "4a"), fragment(ws.OpText, true, "4b")...), 1002, ReasonTransportError},
		"length with its top bit": {header(0x81, true, 1<<63), 1002, ReasonTransportError},
		"declares 2^62 bytes":     {header(0x81, true, 1<<62), 1009, ReasonTransportError},
		"one byte too many":       {header(0x82, true, max+1), 1009, ReasonTransportError},
		"too big in fragments":    {append(fragment(ws.OpText, false, strings.Repeat("4", max)), fragment(ws.OpContinuation, true, "x")...), 1009, ReasonTransportError},
		"text not UTF-8":          {clientFrame(ws.OpText, []byte("4\xff")), 1007, ReasonTransportError},
		"half a character at end": {clientFrame(ws.OpText, []byte("4\xc3")), 1007, ReasonTransportError},
		"empty text":              {clientFrame(ws.OpText, nil), 1007, ReasonParseError},
		"unknown packet":          {clientFrame(ws.OpText, []byte("9")), 1007, ReasonParseError},
		"base64 that is none":     {clientFrame(ws.OpText, []byte("bA*AA")), 1007, ReasonParseError},
		"ping packet":             {clientFrame(ws.OpText, []byte("2")), 1008, ReasonTransportError},
		"close packet":            {clientFrame(ws.OpText, []byte("1")), 1000, ReasonTransportClose},
		"close":                   {clientFrame(ws.OpClose, nil), 1000, ReasonTransportClose},
		"close 1001":              {clientFrame(ws.OpClose, closeBody(1001, "going")), 1001, ReasonTransportClose},
		"close 4000":              {clientFrame(ws.OpClose, closeBody(4000, "")), 4000, ReasonTransportClose},
		"close of one byte":       {clientFrame(ws.OpClose, []byte{3}), 1002, ReasonTransportError},
		"close 999":               {clientFrame(ws.OpClose, closeBody(999, "")), 1002, ReasonTransportError},
		"close 1005":              {clientFrame(ws.OpClose, closeBody(1005, "")), 1002, ReasonTransportError},
		"close 5000":              {clientFrame(ws.OpClose, closeBody(5000, "")), 1002, ReasonTransportError},
		"close not UTF-8":         {clientFrame(ws.OpClose, closeBody(1000, "\xff")), 1007, ReasonTransportError},
	} {
		t.Run(name, func(t *testing.T) {
			onPaths(t, Config{Limits: Limits{MaxPayload: max}}, func(t *testing.T, cfg Config) {
				r := newRig(t, cfg)
				w := r.dialWS(t, "")
				sid := w.expectOpen(t)
				s := r.opened.next(t)
				check(t, w.Write(c.bytes))
				if p := must[packet](t)(w.next()); p.kind != kindEnd || p.code != c.code {
					t.Errorf("answered %q", p)
				}
				if p, err := w.next(); err == nil { // the server closes first
					t.Errorf("behind the close frame came %q", p)
				}
				s.end(t, c.reason)
				_ = w.Conn.Close()
				s.awaitState(t, func() bool { return s.current() == stateClosed && r.srv.session(sid) == nil })
				if s.got.length() > 0 {
					t.Errorf("handed up %q", s.got.next(t))
				}
			})
		})
	}
}

// fragment is a masked frame of a message in pieces.
func fragment(op ws.OpCode, fin bool, data string) []byte {
	b := clientFrame(op, []byte(data))
	if !fin {
		b[0] &^= 0x80
	}
	return b
}

func TestMessagesInFragmentsOfOneByteArriveWhole(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		w := r.dial(t, "websocket").(wsClient)
		s := r.opened.next(t)
		var b []byte
		const text = "4grüße in Stücken"
		for i := range len(text) {
			op := ws.OpContinuation
			if i == 0 {
				op = ws.OpText
			}
			b = append(b, fragment(op, false, text[i:i+1])...)
			b = append(b, clientFrame(ws.OpPing, []byte{byte(i)})...) // control frames may come between
		}
		b = append(b, fragment(ws.OpContinuation, true, "")...)
		check(t, w.Write(b))
		if m := s.got.next(t); m.data != text[1:] {
			t.Errorf("got %q", m)
		}
		// The last PING is answered. Earlier ones are answered if their PONG was on its
		// way.
		for last := string([]byte{byte(len(text) - 1)}); ; {
			p := must[packet](t)(w.next())
			if p.kind != 'P' {
				t.Fatalf("got %q", p)
			}
			if p.data == last {
				break
			}
		}
	})
}

func TestFramesInSegmentsOfOneByteArriveWhole(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		w := r.dial(t, "websocket").(wsClient)
		s := r.opened.next(t)
		b := append(clientFrame(ws.OpText, []byte("4one")), clientFrame(ws.OpBinary, []byte("two"))...)
		b = append(b, clientFrame(ws.OpText, []byte("4"+strings.Repeat("x", 200)))...)
		for i := range b {
			check(t, w.Write(b[i:i+1]))
		}
		for _, want := range []message{{false, "one"}, {true, "two"}, {false, strings.Repeat("x", 200)}} {
			if m := s.got.next(t); m != want {
				t.Errorf("got %q", m)
			}
		}
	})
}

func TestUnaskedPongsAndAPongBeforeAnythingElseAreHarmless(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		w := r.dialWS(t, "")
		check(t, w.frame(ws.OpText, []byte("3"))) // before the open packet is read
		check(t, w.frame(ws.OpPong, []byte("x")))
		w.expectOpen(t)
		check(t, w.send("up"))
		r.opened.next(t).got.next(t)
	})
}

func TestACloseReasonIsCutBetweenCharacters(t *testing.T) {
	everyWS(t, func(t *testing.T, w wsClient, s *side) {
		s.Session.Close(4001, strings.Repeat("ü", 100))
		p := must[packet](t)(w.next())
		if p.kind != kindEnd || p.code != 4001 || p.data != strings.Repeat("ü", 61) {
			t.Errorf("got %q", p)
		}
	})
}

// everyWS runs test over WebSockets of both paths, and over TLS.
func everyWS(t *testing.T, test func(t *testing.T, w wsClient, s *side)) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		test(t, r.dial(t, "websocket").(wsClient), r.opened.next(t))
	})
	t.Run("TLS", func(t *testing.T) {
		onPaths(t, Config{}, func(t *testing.T, cfg Config) {
			r := newRig(t, cfg, overTLS)
			test(t, r.dial(t, "websocket").(wsClient), r.opened.next(t))
		})
	})
}

func TestAnEarlyLimitHoldsUntilItIsRaised(t *testing.T) {
	everywhere(t, Config{Limits: Limits{MaxPayload: 1000}, Early: &Early{EarlyLimits: EarlyLimits{MaxPayload: 100}}}, func(t *testing.T, c client, s *side) {
		check(t, c.send(strings.Repeat("x", 99)))
		s.got.next(t)
		s.setMaxMessage(1 << 30)
		check(t, c.send(strings.Repeat("x", 999)))
		s.got.next(t)
		if err := c.send(strings.Repeat("x", 1000)); err == nil {
			if p, _ := c.next(); p.kind != kindEnd || p.code != CodeTooBig {
				t.Errorf("got %q", p)
			}
		}
	})
}
