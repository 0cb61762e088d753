package packet

import "sync"

// Lead is how many bytes of the memory of a frame's text come before it: room for a transport's header.
const Lead = 12

// Frame is one encoded packet. It is immutable, so that all receivers of a broadcast share it; it must not be copied.
type Frame struct {
	// Text is the text message, without the Engine.IO type byte; nil on a wire without text.
	Text []byte
	// Attachments are the binary messages that follow it, with nothing in between; without text exactly one.
	Attachments [][]byte
	// Offset is the packet's.
	Offset string

	// Sent and Uncompressed are copied from the packet.
	Sent         func(written bool)
	Uncompressed bool

	once      sync.Once
	rendering any
	memory    []byte // of the text
}

// Memory returns the text and the [Lead] bytes before it in memory, which a renderer may write, so that the form of a
// transport needs no memory of its own. It is nil where there are no such bytes.
func (f *Frame) Memory() []byte { return f.memory }

// Rendering runs render on the first call and returns its result on that and every later one. The transport keeps its own
// form of the frame there. It is safe for concurrent use; all callers must mean the same form.
func (f *Frame) Rendering(render func(*Frame) any) any {
	f.once.Do(func() { f.rendering = render(f) })
	return f.rendering
}
