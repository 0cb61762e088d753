package rfc6455

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// recorder is a Sink that writes down what it is told.
type recorder struct{ log []string }

func (r *recorder) Message(binary bool, payload []byte) error {
	r.log = append(r.log, fmt.Sprintf("%t %q", binary, payload))
	return nil
}

func (r *recorder) Control(op ws.OpCode, payload []byte) error {
	r.log = append(r.log, fmt.Sprintf("%d %q", op, payload))
	return nil
}

func (r *recorder) Stopped() bool { return false }

// pausing is a Sink that asks for a stop after each message.
type pausing struct {
	recorder
	stop bool
}

func (p *pausing) Message(binary bool, payload []byte) error {
	p.stop = true
	return p.recorder.Message(binary, payload)
}

func (p *pausing) Stopped() bool { return p.stop }

// FuzzFrameReader cuts the same bytes in different places: what comes out must
// be the same, and what is kept stays within the limit.
func FuzzFrameReader(f *testing.F) {
	const max = 2 * longFrame
	long := clientFrame(ws.OpBinary, make([]byte, 300))
	f.Add(clientFrame(ws.OpText, []byte("4hello")), []byte{1, 2})
	f.Add(append(fragment(ws.OpText, false, "4a"), fragment(ws.OpContinuation, true, "b")...), []byte{3})
	f.Add(append(clientFrame(ws.OpPing, []byte("p")), long...), []byte{7, 0, 1})
	f.Add(header(0x81, true, 1<<62), []byte{1})
	inPieces := clientFrame(ws.OpText, []byte("4"+strings.Repeat("long ", longFrame/4)))
	f.Add(append(inPieces, clientFrame(ws.OpPing, []byte("behind it"))...), []byte{255, 100})
	f.Add([]byte{0x81, 0x80, 0, 0, 0, 0, 0x88, 0x82, 1, 2, 3, 4, 2, 234}, []byte{5})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		sameHeader(t, data)
		var whole, cut recorder
		var a, b Reader
		wantErr := a.Feed(bytes.Clone(data), max, &whole)
		gotErr := feedInPieces(t, &b, data, cuts, max, &cut)
		if fmt.Sprint(whole.log, wantErr) != fmt.Sprint(cut.log, gotErr) {
			t.Fatalf("whole: %q %v\nin pieces: %q %v", whole.log, wantErr, cut.log, gotErr)
		}
		var p pausing
		var c Reader
		err := feedWithPauses(&c, data, max, &p)
		if fmt.Sprint(whole.log, wantErr) != fmt.Sprint(p.log, err) {
			t.Fatalf("whole: %q %v\nwith pauses: %q %v", whole.log, wantErr, p.log, err)
		}
	})
}

// sameHeader compares this package's reading of a header with the library's.
func sameHeader(t *testing.T, data []byte) {
	want, err := ws.ReadHeader(bytes.NewReader(data))
	got, size := readHeader(data)
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB):
		if got.Length >= 0 {
			t.Fatalf("length %d", got.Length)
		}
	case (err == nil) != (size > 0), err == nil && got != want:
		t.Fatalf("read %+v of %d bytes, want %+v, %v", got, size, want, err)
	}
}

func feedInPieces(t *testing.T, r *Reader, data, cuts []byte, max int, sink Sink) error {
	data = bytes.Clone(data)
	for i := 0; len(data) > 0; i++ {
		n := len(data)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		if err := r.Feed(data[:n], max, sink); err != nil {
			return err
		}
		if kept := r.Pending(); kept > 2*max+ws.MaxHeaderSize {
			t.Fatalf("%d bytes kept", kept)
		}
		data = data[n:]
	}
	return nil
}

func feedWithPauses(r *Reader, data []byte, max int, p *pausing) error {
	err := r.Feed(bytes.Clone(data), max, p)
	for err == nil && p.stop {
		p.stop = false
		err = r.Feed(nil, max, p)
	}
	return err
}

type noSink struct{}

func (noSink) Message(bool, []byte) error { return nil }

func (noSink) Control(ws.OpCode, []byte) error { return nil }

func (noSink) Stopped() bool { return false }

func BenchmarkFrameReader(b *testing.B) {
	for _, size := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("payload=%d", size), func(b *testing.B) {
			frame := clientFrame(ws.OpText, []byte(strings.Repeat("4", size)))
			n := ReadBytes / len(frame)
			buffer := []byte(strings.Repeat(string(frame), n))
			work := make([]byte, len(buffer))
			var r Reader
			b.SetBytes(int64(len(buffer)))
			b.ReportAllocs()
			for b.Loop() {
				copy(work, buffer) // feed unmasks in place
				if err := r.Feed(work, 1<<20, noSink{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/frame")
		})
	}
}
