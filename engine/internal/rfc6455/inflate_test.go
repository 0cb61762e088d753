package rfc6455

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/gobwas/ws"
)

// A bomb must be refused without being unpacked.
func TestABombTakesNoMoreMemoryThanTheLimit(t *testing.T) {
	const max = 100_000
	bomb := deflated(t, nil, make([]byte, 16<<20))
	z := NewInflater(&InflaterPools{}, 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if err := z.inflate(bomb, max, func([]byte) error { return nil }); !errors.Is(err, ErrTooBig) {
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
		past = Slide(past, b, 16)
		if want := all[max(0, len(all)-16):]; !bytes.Equal(past, want) {
			t.Fatalf("%v instead of %v", past, want)
		}
	}
}

// FuzzCompressedReader feeds compressed frames whole and in pieces: what comes
// out is the same, no message is above the limit, and what is kept stays within
// it. Compressed messages come back whole.
func FuzzCompressedReader(f *testing.F) {
	const max = 1 << 12
	f.Add([]byte("4hello"), []byte{1, 2}, true)
	f.Add([]byte(talk(1)), []byte{3}, false)
	f.Add(make([]byte, 3*max), []byte{200, 1}, true)
	f.Add([]byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00}, []byte{5}, false) // RFC 7692, section 7.2.3.4
	f.Add([]byte{0, 0, 0, 0xff, 0xff, 0, 5, 0, 0xfa, 0xff, 'h', 'e', 'l', 'l', 'o'}, []byte{}, true)
	f.Fuzz(func(t *testing.T, data, cuts []byte, takeover bool) {
		reader := func() *Reader {
			z := NewInflater(&InflaterPools{}, 0)
			if takeover {
				z.window = 1 << 9
			}
			return &Reader{Inflater: z}
		}
		stream := append(compressedFrame(ws.OpBinary, true, data), compressedFrame(ws.OpText, false, data)...)
		stream = append(stream, fragment(ws.OpContinuation, true, string(data))...)
		var whole, cut recorder
		wantErr := reader().Feed(bytes.Clone(stream), max, &whole)
		gotErr := feedInPieces(t, reader(), stream, cuts, compressedReaderMax, &cut)
		if fmt.Sprint(whole.log, wantErr) != fmt.Sprint(cut.log, gotErr) {
			t.Fatalf("whole: %q %v\nin pieces: %q %v", whole.log, wantErr, cut.log, gotErr)
		}
		var back recorder
		r := reader()
		past := []byte(nil)
		for range 2 {
			err := r.Feed(compressedFrame(ws.OpBinary, true, deflated(t, past, data)), max, &back)
			if tooBig := len(data) > max; tooBig != errors.Is(err, ErrTooBig) || !tooBig && err != nil {
				t.Fatalf("%d bytes: %v", len(data), err)
			} else if tooBig {
				return
			}
			if takeover {
				past = Slide(past, data, 1<<9)
			}
		}
		if want := fmt.Sprintf("true %q", data); back.log[0] != want || back.log[1] != want {
			t.Fatalf("%.200q came back as %.200q", want, back.log)
		}
	})
}

// compressedReaderMax is the limit of FuzzCompressedReader.
const compressedReaderMax = 1 << 12

// BenchmarkInflate reads a compressed message of 2 KB.
func BenchmarkInflate(b *testing.B) {
	frame := deflated(b, nil, []byte("4"+talk(1)))
	for name, window := range map[string]int{"none": 0, "takeover": 1 << 12} {
		b.Run(name, func(b *testing.B) {
			z := NewInflater(&InflaterPools{}, window)
			b.ReportAllocs()
			for b.Loop() {
				if err := z.inflate(frame, 1<<20, func([]byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
