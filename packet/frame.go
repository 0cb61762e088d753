package packet

import "sync"

// Frame is one encoded packet. It is immutable, so that all receivers of a broadcast share it; it must not be copied.
type Frame struct {
	// Text is the text message, without the Engine.IO type byte; nil on a wire without text.
	Text []byte
	// Attachments are the binary messages that follow it, with nothing in between; without text exactly one.
	Attachments [][]byte
	// Offset is the packet's.
	Offset string

	// Uncompressed and Sent are those of the packet.
	Uncompressed bool
	Sent         func(written bool)

	once      sync.Once
	rendering any
}

// Rendering runs render on the first call and returns its result on that and every later one. The transport keeps its own
// form of the frame there. It is safe for concurrent use; all callers must mean the same form.
func (f *Frame) Rendering(render func(*Frame) any) any {
	f.once.Do(func() { f.rendering = render(f) })
	return f.rendering
}
