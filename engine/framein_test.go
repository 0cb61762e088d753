package engine

import (
	"bytes"
	"strings"
	"testing"
)

// A frame in the memory of its text is the same on the wire, however long the text
// is and however much room stands before it.
func TestAFrameInTheMemoryOfItsText(t *testing.T) {
	for _, attachments := range [][][]byte{nil, {[]byte("binary")}} {
		for _, size := range []int{0, 1, 124, 125, 65534, 65535, 70_000} {
			for _, lead := range []int{0, 2, 10, 11, 20} {
				text := strings.Repeat("x", size)
				memory := append(make([]byte, lead), text...)
				got, want := NewFrameIn(memory, lead, attachments), NewFrame([]byte(text), attachments)
				if !bytes.Equal(got.websocket(), want.websocket()) || !bytes.Equal(got.polling(), want.polling()) || got.size() != want.size() {
					t.Errorf("%d bytes behind %d with %d attachments differ", size, lead, len(attachments))
				}
			}
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	const lead = 12
	text := `43/echo,17[{"n":17,"text":"the quick brown fox jumps over the lazy dog, twice"}]`
	for name, render := range map[string]func() *Frame{
		"of text":  func() *Frame { return NewFrame([]byte(text), nil) },
		"in place": func() *Frame { return NewFrameIn(append(make([]byte, lead, lead+len(text)), text...), lead, nil) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = render().websocket()
			}
		})
	}
}
