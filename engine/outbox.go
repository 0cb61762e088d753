package engine

// outbox holds the frames that wait for one client, oldest first. Its owner's
// lock guards it. Frames stay until they were written, so that its size is what
// the client has not taken yet.
type outbox struct {
	frames []*Frame
	head   int // frames[:head] are gone
	offset int // bytes of frames[head] already written (WebSocket form)
	flight int // frames that the flusher is writing now: they must stay
	bytes  int
}

func (o *outbox) empty() bool { return o.head == len(o.frames) }

func (o *outbox) push(f *Frame) {
	if o.head > 0 && len(o.frames) == cap(o.frames) {
		o.compact()
	}
	o.frames = append(o.frames, f)
	o.bytes += f.size()
}

// compact moves what waits to the front when at least half of the slice is
// gone, so that a queue that never runs empty does not grow for ever.
func (o *outbox) compact() {
	if o.head*2 < len(o.frames) {
		return
	}
	n := copy(o.frames, o.frames[o.head:])
	clear(o.frames[n:])
	o.frames, o.head = o.frames[:n], 0
}

// peek appends up to max waiting frames to dst and returns it with the bytes of
// the first that are already written. Until advance these frames stay.
func (o *outbox) peek(dst []*Frame, max int) ([]*Frame, int) {
	o.flight = min(len(o.frames)-o.head, max)
	return append(dst, o.frames[o.head:o.head+o.flight]...), o.offset
}

// advance takes off the frames that n more written bytes complete, and ends the
// flight of the others.
func (o *outbox) advance(n int) {
	o.flight = 0
	n += o.offset
	for !o.empty() {
		size := len(o.frames[o.head].websocket())
		if n < size {
			break
		}
		n -= size
		o.pop()
	}
	o.offset = n
}

func (o *outbox) pop() *Frame {
	f := o.frames[o.head]
	o.frames[o.head] = nil
	o.head++
	o.bytes -= f.size()
	if o.empty() {
		o.reset()
	}
	return f
}

// drop forgets all frames but those in flight and one that is half written:
// without its rest nothing behind it could be read.
func (o *outbox) drop() {
	keep := o.flight
	if o.offset > 0 {
		keep = max(keep, 1)
	}
	for _, f := range o.frames[o.head+keep:] {
		o.bytes -= f.size()
	}
	clear(o.frames[o.head+keep:])
	o.frames = o.frames[:o.head+keep]
}

// keepFrames is the capacity, in frames, that an empty outbox may hold on to.
const keepFrames = 4

func (o *outbox) reset() {
	if cap(o.frames) > keepFrames {
		o.frames = nil
	}
	o.frames, o.head, o.bytes = o.frames[:0], 0, 0
}

// take takes off frames of up to max bytes, and at least one if there is one.
func (o *outbox) take(max int) []*Frame {
	if o.bytes <= max {
		frames := o.frames[o.head:]
		*o = outbox{}
		return frames
	}
	var batch []*Frame
	for size := 0; !o.empty(); {
		size += o.frames[o.head].size()
		if size > max && len(batch) > 0 {
			break
		}
		batch = append(batch, o.pop())
	}
	return batch
}
