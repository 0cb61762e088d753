package glimpse

import (
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/limit"
	"gatehouse/packet"
)

const (
	mostWaiting  = 256 // how many messages may wait to be shown
	mostASecond  = 100 // how many are shown; the rest is counted
	outOfTheWire = "out"
	intoTheWire  = "in"
)

// Seen is one message of a connection, or says how many were left out.
type Seen struct {
	At        time.Time `json:"at"`
	Direction string    `json:"direction"` // "in" from the client, "out" to it
	Missed    int64     `json:"missed,omitempty"`
	Frame
}

// Message is a message that waits to be described.
type Message struct {
	at       time.Time
	incoming bool
	binary   bool
	data     []byte        // of a client, copied
	size     int           // of all of it
	frame    *packet.Frame // to the client; shared and immutable
}

// View shows one operator the packets of one connection in one namespace. Its methods are safe for concurrent use.
type View struct {
	namespace string
	waiting   chan Message
	missed    atomic.Int64

	mu   sync.Mutex // guards what follows
	pace limit.Allowance
}

// NewView shows the packets of one namespace.
func NewView(namespace string) *View {
	return &View{namespace: namespace, waiting: make(chan Message, mostWaiting)}
}

// Messages signals that there is something for [View.Next].
func (v *View) Messages() <-chan Message { return v.waiting }

// add hands a message to the view, or counts it as left out. It never waits.
func (v *View) add(m Message) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pace.Take(m.at, mostASecond, time.Second/mostASecond) > 0 {
		v.missed.Add(1)
		return
	}
	select {
	case v.waiting <- m:
	default:
		v.missed.Add(1)
	}
}

// Describe describes a message: a packet, or one of its attachments. The result is empty for messages of other namespaces.
func (v *View) Describe(m Message) []Seen {
	var frames []Frame
	switch {
	case m.frame == nil && m.size > len(m.data):
		frames = []Frame{{Kind: "unreadable", Bytes: m.size, Cut: true}}
	case m.frame == nil && m.binary:
		frames = []Frame{describeBinary(m.data, true)}
	case m.frame == nil:
		frames = []Frame{describeText(m.data, true)}
	default:
		if m.frame.Text != nil {
			frames = append(frames, describeText(m.frame.Text, false))
		}
		for _, a := range m.frame.Attachments {
			frames = append(frames, describeBinary(a, false))
		}
	}
	if len(frames) > 0 && frames[0].Namespace != "" && frames[0].Namespace != v.namespace {
		return nil
	}
	direction := outOfTheWire
	if m.incoming {
		direction = intoTheWire
	}
	seen := make([]Seen, len(frames))
	for i, f := range frames {
		seen[i] = Seen{At: m.at, Direction: direction, Frame: f}
	}
	if len(seen) > 0 {
		seen[0].Missed = v.missed.Swap(0)
	}
	return seen
}

// Views holds the views of one connection. The zero value has none, and costs no more than reading one word.
type Views struct{ list atomic.Pointer[[]*View] }

// Add begins to show messages to v.
func (vs *Views) Add(v *View) {
	for {
		old := vs.list.Load()
		var all []*View
		if old != nil {
			all = append(all, *old...)
		}
		all = append(all, v)
		if vs.list.CompareAndSwap(old, &all) {
			return
		}
	}
}

// Remove ends that.
func (vs *Views) Remove(v *View) {
	for {
		old := vs.list.Load()
		if old == nil {
			return
		}
		var all []*View
		for _, one := range *old {
			if one != v {
				all = append(all, one)
			}
		}
		next := &all
		if len(all) == 0 {
			next = nil
		}
		if vs.list.CompareAndSwap(old, next) {
			return
		}
	}
}

// Received shows a message of the client, of which it keeps no more than a copy.
func (vs *Views) Received(binary bool, data []byte) {
	all := vs.list.Load()
	if all == nil {
		return
	}
	m := Message{at: time.Now(), incoming: true, binary: binary, size: len(data)}
	m.data = append([]byte{}, data[:min(len(data), mostRead)]...)
	for _, v := range *all {
		v.add(m)
	}
}

// Sent shows a frame for the client.
func (vs *Views) Sent(f *packet.Frame) {
	all := vs.list.Load()
	if all == nil {
		return
	}
	m := Message{at: time.Now(), frame: f}
	for _, v := range *all {
		v.add(m)
	}
}
