package engine

import "gatehouse/engine/internal/rfc6455"

// sendQueue holds the frames that wait for one client, oldest first. Its owner's lock
// guards it. Frames stay until they have been written, so that the size of the queue
// is what the client has not taken yet.
type sendQueue struct {
	frames  []*Frame
	head    int // frames[:head] are gone
	offset  int // bytes of frames[head] already written (WebSocket form)
	flight  int // frames that the flusher is writing now: they must stay
	bytes   int
	counted int // how many of the oldest frames count in the budget
}

func (o *sendQueue) empty() bool { return o.head == len(o.frames) }

// idle reports whether nothing waits but perhaps a PING, whose deadline is the
// heartbeat's business.
func (o *sendQueue) idle() bool {
	switch len(o.frames) - o.head {
	case 0:
		return true
	case 1:
		return o.frames[o.head].fixed()
	}
	return false
}

func (o *sendQueue) push(f *Frame, b *sendBudget) {
	if len(o.frames) == cap(o.frames) {
		o.grow(f, b)
	} else {
		o.frames = append(o.frames, f)
	}
	o.bytes += f.size()
}

// replacePong puts f in the place of the last frame, if that is a PONG that nobody is
// writing.
func (o *sendQueue) replacePong(f *Frame) bool {
	last := len(o.frames) - 1
	if last < o.head+o.flight || last == o.head && o.offset > 0 || !o.frames[last].isPong() {
		return false
	}
	if o.counted > last-o.head {
		o.counted--
		o.frames[last].release()
	}
	o.bytes += f.size() - o.frames[last].size()
	o.frames[last] = f
	return true
}

// grow makes room for f in a full list.
func (o *sendQueue) grow(f *Frame, b *sendBudget) {
	if o.head > 0 {
		o.compact()
	}
	before := listCost(o.frames)
	o.frames = append(o.frames, f)
	if after := listCost(o.frames); after != before {
		b.add(after - before)
	}
}

// compact moves what waits to the front when at least half of the slice is
// gone, so that a queue that never runs empty does not grow for ever.
func (o *sendQueue) compact() {
	if o.head*2 < len(o.frames) {
		return
	}
	n := copy(o.frames, o.frames[o.head:])
	clear(o.frames[n:])
	o.frames, o.head = o.frames[:n], 0
}

// count adds all frames that wait to the budget.
func (o *sendQueue) count(b *sendBudget, form framing) {
	for _, f := range o.frames[o.head+o.counted:] {
		f.hold(b, form)
	}
	o.counted = len(o.frames) - o.head
}

// uncount takes all frames that wait out of the budget.
func (o *sendQueue) uncount() {
	for _, f := range o.frames[o.head : o.head+o.counted] {
		f.release()
	}
	o.counted = 0
}

// peek appends up to max waiting frames to dst and returns it with the bytes of
// the first that are already written. Until advance these frames stay.
func (o *sendQueue) peek(dst []*Frame, max int) ([]*Frame, int) {
	o.flight = min(len(o.frames)-o.head, max)
	return append(dst, o.frames[o.head:o.head+o.flight]...), o.offset
}

// advance takes off the frames that n more written bytes complete. The others are not
// in flight any more.
func (o *sendQueue) advance(n int, form framing, z *rfc6455.Compressor, b *sendBudget) {
	o.flight = 0
	n += o.offset
	for n > 0 && !o.empty() {
		size := len(o.frames[o.head].wire(form, z))
		if n < size {
			break
		}
		n -= size
		o.pop()
	}
	o.offset = n
	if o.empty() {
		o.reset(b)
	}
}

// shift takes off the n oldest frames, which have been written as a whole. The others
// are not in flight any more.
func (o *sendQueue) shift(n int, b *sendBudget) {
	o.flight, o.offset = 0, 0
	for range min(n, len(o.frames)-o.head) { // none are left of a session that is gone
		o.pop()
	}
	if o.empty() {
		o.reset(b)
	}
}

// pop takes the oldest frame, which the client now has, off the queue and out of the
// budget.
func (o *sendQueue) pop() {
	f := o.frames[o.head]
	o.frames[o.head] = nil
	o.head++
	f.settle(true)
	o.bytes -= f.size()
	if o.counted > 0 {
		o.counted--
		f.release()
	}
}

// drop forgets all frames but those in flight and one that is half written: without
// its rest the client could read nothing that follows.
func (o *sendQueue) drop(b *sendBudget) {
	keep := o.flight
	if o.offset > 0 {
		keep = max(keep, 1)
	}
	gone := o.frames[o.head+keep:]
	for i, f := range gone {
		o.bytes -= f.size()
		f.settle(false)
		if keep+i < o.counted {
			f.release()
		}
	}
	o.counted = min(o.counted, keep)
	clear(gone)
	before := listCost(o.frames)
	kept := o.frames[o.head : o.head+keep]
	o.frames, o.head = append(make([]*Frame, 0, keep+1), kept...), 0 // and the close frame
	b.add(listCost(o.frames) - before)
}

// forget drops all frames, as the client takes no more.
func (o *sendQueue) forget(b *sendBudget) {
	o.uncount()
	for _, f := range o.frames[o.head:] {
		f.settle(false)
	}
	b.add(-listCost(o.frames))
	*o = sendQueue{}
}

// keepFrames is the capacity, in frames, that an empty send queue may hold on to.
const keepFrames = 4

// reset makes an empty send queue small.
func (o *sendQueue) reset(b *sendBudget) {
	if cap(o.frames) > keepFrames {
		if cost := listCost(o.frames); cost > 0 {
			b.add(-cost)
		}
		o.frames = nil
	}
	o.frames, o.head, o.bytes = o.frames[:0], 0, 0
}

// take takes off frames of up to max bytes, and at least one if there is one.
// They still count in the budget until the caller releases them.
func (o *sendQueue) take(max int, b *sendBudget) []*Frame {
	o.count(b, framePolling)
	n, size := 0, 0
	for _, f := range o.frames[o.head:] {
		if size += f.size(); size > max && n > 0 {
			size -= f.size()
			break
		}
		n++
	}
	if o.head+n == len(o.frames) {
		batch := o.frames[o.head:]
		b.add(-listCost(o.frames))
		*o = sendQueue{}
		return batch
	}
	batch := append([]*Frame(nil), o.frames[o.head:o.head+n]...)
	clear(o.frames[o.head : o.head+n])
	o.head, o.bytes, o.counted = o.head+n, o.bytes-size, o.counted-n
	return batch
}
