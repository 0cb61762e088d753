package engine

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/gobwas/ws"
)

// What a client may not do with compression, and how its session ends.
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
			zippedly(t, Config{MaxPayload: 10_000}, func(t *testing.T, _ *rig, z *zipped, s *side) {
				check(t, z.write(c.bytes(t)))
				if p := must[packet](t)(z.next()); p.kind != kindEnd || p.code != c.code {
					t.Errorf("got %q, want code %d", p, c.code)
				}
				s.end(t, ReasonTransportError)
			})
		})
	}
}

func TestNobodyCompressesWhoHasNotAgreed(t *testing.T) {
	everyWS(t, func(t *testing.T, w *wsClient, s *side) {
		check(t, w.write(compressedFrame(ws.OpText, true, deflated(t, nil, []byte("4x")))))
		s.end(t, ReasonTransportError)
		if p := must[packet](t)(w.next()); p.code != CodeProtocolError {
			t.Errorf("got %q", p)
		}
	})
}

func TestACompressedMessageComesInFragmentsWithPingsBetween(t *testing.T) {
	zippedly(t, Config{}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		c := deflated(t, nil, []byte("4"+talk(1)))
		check(t, z.write(compressedFrame(ws.OpText, false, c[:3])))
		check(t, z.frame(ws.OpPing, []byte("between")))
		check(t, z.write(fragment(ws.OpContinuation, false, string(c[3:20]))))
		check(t, z.write(fragment(ws.OpContinuation, true, string(c[20:]))))
		if m := s.got.next(t); m.data != talk(1) {
			t.Errorf("got %q", m)
		}
	})
}

func TestTheLargestMessageMayBeCompressedAndBeNoSmaller(t *testing.T) {
	zippedly(t, Config{MaxPayload: 200_000}, func(t *testing.T, _ *rig, z *zipped, s *side) {
		noise := make([]byte, 200_000)
		for i, x := 0, uint32(7); i < len(noise); i++ {
			x = x*1664525 + 1013904223
			noise[i] = byte(x >> 24)
		}
		check(t, z.write(compressedFrame(ws.OpBinary, true, deflated(t, nil, noise))))
		if m := s.got.next(t); m.data != string(noise) {
			t.Errorf("got %d bytes", len(m.data))
		}
	})
}

// A bomb must not have been unpacked to be refused.
func TestABombTakesNoMoreMemoryThanTheLimit(t *testing.T) {
	const max = 100_000
	bomb := deflated(t, nil, make([]byte, 16<<20))
	z := &inflater{pools: &inflaterPools{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if err := z.inflate(bomb, max, func([]byte) error { return nil }); !errors.Is(err, errTooBig) {
			t.Fatalf("got %v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 10; n > 6*max {
		t.Errorf("%d bytes allocated for each", n)
	}
}

func TestSlideKeepsTheLastBytes(t *testing.T) {
	var all, past []byte
	for n := range 100 {
		b := bytes.Repeat([]byte{byte(n)}, n%23)
		all = append(all, b...)
		past = slide(past, b, 16)
		if want := all[max(0, len(all)-16):]; !bytes.Equal(past, want) {
			t.Fatalf("%v instead of %v", past, want)
		}
	}
}

// FuzzCompressedReader feeds compressed frames whole and in pieces: what comes
// out is the same, no message is above the limit, and what is kept stays within
// it. What was compressed comes back.
func FuzzCompressedReader(f *testing.F) {
	const max = 1 << 12
	f.Add([]byte("4hello"), []byte{1, 2}, true)
	f.Add([]byte(talk(1)), []byte{3}, false)
	f.Add(make([]byte, 3*max), []byte{200, 1}, true)
	f.Add([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, []byte{5}, false) // RFC 7692, section 7.2.3.4
	f.Add([]byte{0, 0, 0, 0xff, 0xff, 0, 5, 0, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o'}, []byte{}, true)
	f.Fuzz(func(t *testing.T, data, cuts []byte, takeover bool) {
		reader := func() *frameReader {
			z := &inflater{pools: &inflaterPools{}}
			if takeover {
				z.window = 1 << 9
			}
			return &frameReader{inflater: z}
		}
		stream := append(compressedFrame(ws.OpBinary, true, data), compressedFrame(ws.OpText, false, data)...)
		stream = append(stream, fragment(ws.OpContinuation, true, string(data))...)
		var whole, cut recorder
		wantErr := reader().feed(bytes.Clone(stream), max, &whole)
		gotErr := feedInPieces(t, reader(), stream, cuts, compressedReaderMax, &cut)
		if fmt.Sprint(whole.log, wantErr) != fmt.Sprint(cut.log, gotErr) {
			t.Fatalf("whole: %q %v\nin pieces: %q %v", whole.log, wantErr, cut.log, gotErr)
		}
		var back recorder
		r := reader()
		past := []byte(nil)
		for range 2 {
			err := r.feed(compressedFrame(ws.OpBinary, true, deflated(t, past, data)), max, &back)
			if tooBig := len(data) > max; tooBig != errors.Is(err, errTooBig) || !tooBig && err != nil {
				t.Fatalf("%d bytes: %v", len(data), err)
			} else if tooBig {
				return
			}
			if takeover {
				past = slide(past, data, 1<<9)
			}
		}
		if want := fmt.Sprintf("true %q", data); back.log[0] != want || back.log[1] != want {
			t.Fatalf("%.200q came back as %.200q", want, back.log)
		}
	})
}

// compressedReaderMax is the limit of FuzzCompressedReader.
const compressedReaderMax = 1 << 12
