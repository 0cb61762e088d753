package engine

import (
	"testing"

	"github.com/gobwas/ws"
)

// A client that breaks the rules of compression ends its session.
func TestBrokenCompressionEndsTheSession(t *testing.T) {
	text := []byte("4" + talk(1))
	for name, c := range map[string]struct {
		code  int
		bytes func(t *testing.T) []byte
	}{
		"a bomb": {CodeTooBig, func(t *testing.T) []byte {
			return compressedFrame(ws.OpText, true, deflated(t, nil, make([]byte, 1<<20)))
		}},
		"one byte too many": {CodeTooBig, func(t *testing.T) []byte {
			return compressedFrame(ws.OpBinary, true, deflated(t, nil, make([]byte, 10_001)))
		}},
		"a bomb in fragments": {CodeTooBig, func(t *testing.T) []byte {
			z := deflated(t, nil, make([]byte, 1<<20))
			return append(compressedFrame(ws.OpText, false, z[:len(z)/2]), fragment(ws.OpContinuation, true, string(z[len(z)/2:]))...)
		}},
		"too long as it is": {CodeTooBig, func(*testing.T) []byte {
			return compressedFrame(ws.OpText, true, make([]byte, 11_000))
		}},
		"no deflate stream": {CodeInvalidPayload, func(*testing.T) []byte {
			return compressedFrame(ws.OpText, true, []byte("hello, this is not compressed"))
		}},
		"nothing": {CodeInvalidPayload, func(*testing.T) []byte { return compressedFrame(ws.OpText, true, nil) }},
		"no UTF-8": {CodeInvalidPayload, func(t *testing.T) []byte {
			return compressedFrame(ws.OpText, true, deflated(t, nil, []byte("4\xff\xfe")))
		}},
		"a reference to before the beginning": {CodeInvalidPayload, func(t *testing.T) []byte {
			return compressedFrame(ws.OpText, true, deflated(t, text, text))
		}},
		"a control frame": {CodeProtocolError, func(*testing.T) []byte { return compressedFrame(ws.OpPing, true, []byte("x")) }},
		"a continuation": {CodeProtocolError, func(t *testing.T) []byte {
			z := deflated(t, nil, text)
			return append(compressedFrame(ws.OpText, false, z[:5]), compressedFrame(ws.OpContinuation, true, z[5:])...)
		}},
		"another reserved bit": {CodeProtocolError, func(*testing.T) []byte {
			f := ws.NewFrame(ws.OpText, true, text)
			f.Header.Rsv = 2
			return must2(ws.CompileFrame(ws.MaskFrame(f)))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			zippedly(t, Config{Limits: Limits{MaxPayload: 10_000}}, func(t *testing.T, _ *rig, z *zipped, s *side) {
				check(t, z.Write(c.bytes(t)))
				if p := must[packet](t)(z.next()); p.kind != kindEnd || p.code != c.code {
					t.Errorf("got %q, want code %d", p, c.code)
				}
				s.end(t, ReasonTransportError)
			})
		})
	}
}

func TestNobodyCompressesWhoHasNotAgreed(t *testing.T) {
	everyWS(t, func(t *testing.T, w wsClient, s *side) {
		check(t, w.Write(compressedFrame(ws.OpText, true, deflated(t, nil, []byte("4x")))))
		s.end(t, ReasonTransportError)
		if p := must[packet](t)(w.next()); p.code != CodeProtocolError {
			t.Errorf("got %q", p)
		}
	})
}

func TestACompressedMessageComesInFragmentsWithPingsBetween(t *testing.T) {
	zippedly(t, Config{}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		c := deflated(t, nil, []byte("4"+talk(1)))
		check(t, z.Write(compressedFrame(ws.OpText, false, c[:3])))
		check(t, z.frame(ws.OpPing, []byte("between")))
		check(t, z.Write(fragment(ws.OpContinuation, false, string(c[3:20]))))
		check(t, z.Write(fragment(ws.OpContinuation, true, string(c[20:]))))
		if m := s.got.next(t); m.data != talk(1) {
			t.Errorf("got %q", m)
		}
	})
}

func TestTheLargestMessageMayBeCompressedAndBeNoSmaller(t *testing.T) {
	zippedly(t, Config{Limits: Limits{MaxPayload: 200_000}}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		noise := make([]byte, 200_000)
		for i, x := 0, uint32(7); i < len(noise); i++ {
			x = x*1664525 + 1013904223
			noise[i] = byte(x >> 24)
		}
		check(t, z.Write(compressedFrame(ws.OpBinary, true, deflated(t, nil, noise))))
		if m := s.got.next(t); m.data != string(noise) {
			t.Errorf("got %d bytes", len(m.data))
		}
	})
}
