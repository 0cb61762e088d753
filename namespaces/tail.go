package namespaces

import (
	"fmt"
	"io"

	"gatehouse/packet"
)

// tail holds the frames that a socket has been sent lately, so that they can be sent to its client again. It is guarded
// by the mu of its socket. Frames are shared by all sockets that they were sent to.
type tail struct {
	// The fields that a delivery touches stand in one cache line.
	ring    []*packet.Frame // grows up to the limit
	base    string          // the offset of the frame before the first one
	first   int32           // index of the oldest frame
	count   int32
	bytes   int32
	settled int32 // how many of the oldest frames were there at the last ageing

	back      *comeback         // true until the connect handlers run
	secret    [secretBytes]byte // fixed
	journal   *journal          // for other nodes; nil without them
	recovered bool              // the socket goes on where another one stopped
}

// tailOverhead is how many bytes a frame counts for besides its own.
const tailOverhead = 64

// maxWeight is how many bytes a frame counts for at most.
const maxWeight = 1<<30 - 1

func newTail(random io.Reader) (*tail, error) {
	t := new(tail)
	if _, err := io.ReadFull(random, t.secret[:]); err != nil {
		return nil, fmt.Errorf("make private id: %w", err)
	}
	return t, nil
}

// add appends a frame and drops the oldest ones above the limits. Of a frame that is too large only the offset is kept.
func (t *tail) add(f *packet.Frame, limits *Recovery) {
	if int(t.count) == len(t.ring) && len(t.ring) < limits.Messages {
		t.grow(limits.Messages)
	}
	if int(t.count) == len(t.ring) {
		t.drop()
	}
	t.ring[t.index(t.count)] = f
	t.count++
	t.bytes += weight(f)
	for int(t.bytes) > limits.Bytes && t.count > 0 {
		t.drop()
	}
}

// last is the offset of the last frame.
func (t *tail) last() string {
	if t.count == 0 {
		return t.base
	}
	return t.at(t.count - 1).Offset
}

// grow doubles the ring.
func (t *tail) grow(most int) {
	const least = 8
	ring := make([]*packet.Frame, min(most, max(least, 2*len(t.ring))))
	for i := range t.count {
		ring[i] = t.at(i)
	}
	t.ring, t.first = ring, 0
}

func (t *tail) at(i int32) *packet.Frame { return t.ring[t.index(i)] }

// index is the place of the i-th frame.
func (t *tail) index(i int32) int {
	n := int(t.first) + int(i)
	if n >= len(t.ring) {
		n -= len(t.ring)
	}
	return n
}

// drop forgets the oldest frame. A client that has this frame can still go on after it.
func (t *tail) drop() {
	f := t.ring[t.first]
	t.ring[t.first] = nil
	if t.first++; int(t.first) == len(t.ring) {
		t.first = 0
	}
	t.count--
	t.settled = max(0, t.settled-1)
	t.bytes -= weight(f)
	t.base = f.Offset
}

// age drops the frames that were there at the last call.
func (t *tail) age() {
	for t.settled > 0 {
		t.drop()
	}
	t.settled = t.count
	if t.count == 0 {
		t.ring, t.first = nil, 0
	}
}

// reaches reports whether all frames after an offset are there.
func (t *tail) reaches(offset string) bool {
	_, ok := t.find(offset)
	return ok
}

// find returns how many frames stand up to an offset.
func (t *tail) find(offset string) (n int32, ok bool) {
	for n = t.count; n > 0; n-- {
		if t.at(n-1).Offset == offset {
			return n, true
		}
	}
	return 0, offset == t.base
}

// since drops the frames up to an offset, which must be there, and returns those that follow. Markers of volatile
// events are left out.
func (t *tail) since(offset string) []*packet.Frame {
	n, _ := t.find(offset)
	for range n {
		t.drop()
	}
	t.base, t.settled = offset, 0
	var missed []*packet.Frame
	for i := range t.count {
		if f := t.at(i); !isMarker(f) {
			missed = append(missed, f)
		}
	}
	return missed
}

// marker stands for a volatile event that a client may have. It is not sent again.
func marker(f *packet.Frame) *packet.Frame { return &packet.Frame{Offset: f.Offset} }

func isMarker(f *packet.Frame) bool { return f.Text == nil && f.Attachments == nil }

// weight is how many bytes a frame counts for.
func weight(f *packet.Frame) int32 {
	n := tailOverhead + len(f.Text)
	for _, a := range f.Attachments {
		n += len(a)
	}
	return int32(min(n, maxWeight)) // bounded
}
