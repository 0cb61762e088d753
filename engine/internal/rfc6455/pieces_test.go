package rfc6455

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/gobwas/ws"
)

// taken is a Sink that keeps the messages.
type taken struct {
	noSink
	messages [][]byte
}

func (s *taken) Message(_ bool, payload []byte) error {
	s.messages = append(s.messages, bytes.Clone(payload))
	return nil
}

// Long frames of several connections that come in turns, a few bytes more or less than fill
// their pieces, are whole in the end, with short ones before and behind each.
func TestLongFramesAreKeptInPieces(t *testing.T) {
	const max = 8 * longFrame
	random := rand.New(rand.NewPCG(1, 2))
	for _, length := range []int{longFrame - 15, longFrame - 14, longFrame, 3 * pieceBytes, 3*pieceBytes - 14, 3*pieceBytes + 1, 200_000} {
		t.Run(strconv.Itoa(length), func(t *testing.T) {
			var readers [3]Reader
			var sinks [3]taken
			var sent [3][]byte
			var long [3][]byte
			for i := range sent {
				long[i] = make([]byte, length)
				for j := range long[i] {
					long[i][j] = byte(random.Uint32())
				}
				for range 2 {
					sent[i] = append(sent[i], clientFrame(ws.OpBinary, []byte("short"))...)
					sent[i] = append(sent[i], clientFrame(ws.OpBinary, long[i])...)
				}
				sent[i] = append(sent[i], clientFrame(ws.OpBinary, []byte("short"))...)
			}
			for len(sent[0])+len(sent[1])+len(sent[2]) > 0 {
				i := random.IntN(3)
				n := min(len(sent[i]), 1+random.IntN(9000))
				b := bytes.Clone(sent[i][:n])
				if err := readers[i].Feed(b, max, &sinks[i]); err != nil {
					t.Fatal(err)
				}
				clear(b) // borrowed for the call
				sent[i] = sent[i][n:]
				if r := &readers[i]; r.long != nil {
					room := 0
					for _, one := range r.long.all {
						room += cap(one)
					}
					if room > r.long.have+pieceBytes || room > r.long.want {
						t.Fatalf("%d bytes of memory for %d that have come of %d", room, r.long.have, r.long.want)
					}
				}
			}
			for i := range sinks {
				want := [][]byte{[]byte("short"), long[i], []byte("short"), long[i], []byte("short")}
				if len(sinks[i].messages) != len(want) {
					t.Fatalf("%d messages, want %d", len(sinks[i].messages), len(want))
				}
				for j := range want {
					if !bytes.Equal(sinks[i].messages[j], want[j]) {
						t.Errorf("message %d is not what was sent", j)
					}
				}
				if readers[i].Pending() > 0 {
					t.Errorf("%d bytes are left", readers[i].Pending())
				}
			}
		})
	}
}

// A long frame that nobody takes any more is passed over, wherever it stood.
func TestALongFrameInPiecesIsDiscarded(t *testing.T) {
	const max = 8 * longFrame
	sent := append(clientFrame(ws.OpBinary, make([]byte, 3*longFrame)), clientFrame(ws.OpClose, []byte{3, 232})...)
	for _, cut := range []int{longFrame, 2 * longFrame, 3*longFrame + 13} {
		var r Reader
		var got recorder
		if err := r.Feed(bytes.Clone(sent[:cut]), max, &got); err != nil {
			t.Fatal(err)
		}
		if r.Pending() != cut {
			t.Errorf("%d bytes pending, want %d", r.Pending(), cut)
		}
		r.Discard(&got)
		if r.Pending() > 0 {
			t.Errorf("%d bytes are kept", r.Pending())
		}
		if err := r.Feed(bytes.Clone(sent[cut:]), max, &got); err != nil {
			t.Fatal(err)
		}
		if want := `8 "\x03\xe8"`; len(got.log) != 1 || got.log[0] != want {
			t.Errorf("got %q, want %q", got.log, want)
		}
	}
}

// It feeds a long message in pieces of the size that a loop reads.
func BenchmarkLongFrame(b *testing.B) {
	for _, length := range []int{60_000, 990_000} {
		b.Run(strconv.Itoa(length), func(b *testing.B) {
			sent := clientFrame(ws.OpBinary, make([]byte, length))
			var r Reader
			b.ReportAllocs()
			b.SetBytes(int64(length))
			buffer := make([]byte, 8<<10)
			for range b.N {
				for rest := sent; len(rest) > 0; {
					n := copy(buffer, rest)
					if err := r.Feed(buffer[:n], 1<<20, noSink{}); err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
		})
	}
}
