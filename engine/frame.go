package engine

import (
	"sync"
	"sync/atomic"

	"gatehouse/engine/internal/rfc6455"
)

// Packet types of Engine.IO v4, as on the wire.
const (
	typeOpen    = '0'
	typeClose   = '1'
	typePing    = '2'
	typePong    = '3'
	typeMessage = '4'
	typeUpgrade = '5'
	typeNoop    = '6'
	typeBinary  = 'b' // long-polling only: base64 follows
)

// kindRaw marks a frame of WebSockets only, whose text is its wire form.
const kindRaw = 0

// separator stands between the packets of a long-polling payload.
const separator = '\x1e'

// Frame is what goes to a client in one piece: a message, text first and then
// its attachments. It is immutable and may be sent to any number of sessions at
// once; each wire form is made when first needed and kept.
type Frame struct {
	// The fields stand in an order without gaps, to save memory: most frames are for one
	// client.
	text        []byte
	attachments [][]byte
	ws          []byte // of WebSockets; guarded by wsOnce unless it was made with the frame
	wsOnce      sync.Once
	pushed      atomic.Bool // into some send queue
	kind        byte
	plain       bool               // never compressed
	wsMade      bool               // with the frame, in the memory of the text
	sent        func(written bool) // may be nil

	poll       atomic.Pointer[madeForm] // of long-polling
	compressed atomic.Pointer[madeForm] // of binary as it is, compressed
	texts      atomic.Pointer[madeForm] // of binary as base64

	holders holders
}

// NewFrame makes a message of text and, behind it, binary attachments. The
// slices must not change afterwards.
func NewFrame(text []byte, attachments [][]byte) *Frame {
	return &Frame{kind: typeMessage, text: text, attachments: attachments}
}

// NewFrameIn is NewFrame of the text behind the first lead bytes of memory, which
// become the frame's: with enough of them a message without attachments needs no other
// memory for WebSockets.
func NewFrameIn(memory []byte, lead int, attachments [][]byte) *Frame {
	f := NewFrame(memory[lead:], attachments)
	if len(attachments) == 0 && lead > rfc6455.MaxServerHeader {
		f.websocketIn(memory, lead)
	}
	return f
}

// NewBinaryFrame makes a message that is binary only.
func NewBinaryFrame(data []byte) *Frame {
	return &Frame{kind: typeBinary, attachments: [][]byte{data}}
}

// Uncompressed keeps f from being compressed, and returns it. It is called before
// f is sent.
func (f *Frame) Uncompressed() *Frame {
	f.plain = true
	return f
}

// Notify sets sent, which is called once for each session that f is sent to: with true
// when f is written for it, with false when it will not be. It returns f. The session
// is locked during the call, which must not block or use it.
func (f *Frame) Notify(sent func(written bool)) *Frame {
	f.sent = sent
	return f
}

// settle calls the Notify function and tells it whether f has been written.
func (f *Frame) settle(written bool) {
	if f.sent != nil {
		f.sent(written)
	}
}

// control makes a packet that is no message.
func control(kind byte, text string) *Frame {
	return &Frame{kind: kind, text: []byte(text)}
}

// firstPush reports whether f has not been sent to anybody before, and so may be for
// one client alone.
func (f *Frame) firstPush() bool {
	if f.pushed.Load() {
		return false
	}
	f.pushed.Store(true)
	return true
}

// size is what the frame counts in a send queue, in bytes, whatever the transport.
func (f *Frame) size() int {
	n := frameOverhead + len(f.text)
	for _, a := range f.attachments {
		n += len(a)
	}
	return n
}

// frameOverhead counts for headers and bookkeeping, so that a client that
// provokes many small answers, as with WebSocket pings, does not get far beyond
// the send queue's limit in memory.
const frameOverhead = 128

// oneHolder is above all framings; it stands for one send queue that holds the frame.
const oneHolder uint64 = 1 << 8

// holders counts the send queues in which a frame waits.
type holders struct {
	// owner is the budget that the frame's bytes count in: of the server that
	// held it first, should there be several.
	owner atomic.Pointer[sendBudget]
	state atomic.Uint64 // holders times oneHolder, and the framings they need
}

// hold counts f as waiting in one more send queue, in the given framing.
func (f *Frame) hold(b *sendBudget, as framing) {
	if f.fixed() {
		return
	}
	f.holders.owner.CompareAndSwap(nil, b)
	for {
		old := f.holders.state.Load()
		now := (old + oneHolder) | uint64(as)
		if !f.holders.state.CompareAndSwap(old, now) {
			continue
		}
		if added := f.memory(now) - f.memory(old); added != 0 {
			f.holders.owner.Load().add(added)
		}
		return
	}
}

// release undoes one hold.
func (f *Frame) release() {
	if f.fixed() {
		return
	}
	for {
		old := f.holders.state.Load()
		now := old - oneHolder
		if now < oneHolder {
			now = 0 // this was the last holder: the wire forms go with it
		}
		if !f.holders.state.CompareAndSwap(old, now) {
			continue
		}
		if now == 0 {
			f.holders.owner.Load().add(-f.memory(old))
		}
		return
	}
}

// fixed reports whether f is one of the packets without content, which exist
// once.
func (f *Frame) fixed() bool {
	return f.kind != typeMessage && f.kind != typeBinary && f.kind != kindRaw
}
