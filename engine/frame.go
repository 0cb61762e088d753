package engine

import (
	"encoding/base64"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

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
	kind        byte
	plain       bool // never compressed
	text        []byte
	attachments [][]byte

	wsOnce   sync.Once
	ws       []byte
	pollOnce sync.Once
	poll     []byte

	compressed atomic.Pointer[madeForm] // of binary as it is, compressed
	texts      atomic.Pointer[madeForm] // of binary as base64

	sent    func(written bool) // may be nil
	pushed  atomic.Bool        // into some send queue
	holders holders
}

// NewFrame makes a message of text and, behind it, binary attachments. The
// slices must not change afterwards.
func NewFrame(text []byte, attachments [][]byte) *Frame {
	return &Frame{kind: typeMessage, text: text, attachments: attachments}
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

// Notify has sent called once for each session that f is sent to, when f has been
// written for it or with false when it will not be, and returns f. The call comes with
// the session locked: it must not block or use it.
func (f *Frame) Notify(sent func(written bool)) *Frame {
	f.sent = sent
	return f
}

// settle tells who asked whether f has been written.
func (f *Frame) settle(written bool) {
	if f.sent != nil {
		f.sent(written)
	}
}

// control makes a packet that is no message.
func control(kind byte, text string) *Frame {
	return &Frame{kind: kind, text: []byte(text)}
}

// firstPush reports whether nobody has been sent f before: it may be for one client
// alone.
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

// frameOverhead stands for headers and bookkeeping: a client that makes us answer
// with many small frames, as with WebSocket pings, must not get far beyond the
// send queue limit in memory.
const frameOverhead = 128

// websocket returns the bytes of all WebSocket frames of f (RFC 6455, section
// 5.2): unmasked, unfragmented.
func (f *Frame) websocket() []byte {
	f.wsOnce.Do(func() {
		n := 0
		if f.kind != typeBinary {
			n = rfc6455.MaxServerHeader + 1 + len(f.text)
		}
		for _, a := range f.attachments {
			n += rfc6455.MaxServerHeader + len(a)
		}
		b := make([]byte, 0, n)
		if f.kind != typeBinary {
			b = rfc6455.AppendHeader(b, ws.OpText, 1+len(f.text))
			b = append(append(b, f.kind), f.text...)
		}
		for _, a := range f.attachments {
			b = append(rfc6455.AppendHeader(b, ws.OpBinary, len(a)), a...)
		}
		f.ws = b
	})
	return f.ws
}

// madeForm is a wire form that few frames need.
type madeForm struct {
	once sync.Once
	b    []byte
}

// makeForm returns the form that p points to, made by whoever needs it first.
func makeForm(p *atomic.Pointer[madeForm], render func() []byte) []byte {
	form := p.Load()
	if form == nil {
		p.CompareAndSwap(nil, new(madeForm))
		form = p.Load()
	}
	form.once.Do(func() { form.b = render() })
	return form.b
}

// wire returns the bytes of f for a connection without a context that takes the
// given form; z compresses where that is asked for.
func (f *Frame) wire(form forms, z *rfc6455.Compressor) []byte {
	switch form {
	case formDeflated:
		return f.deflated(z)
	case formBase64:
		return f.base64()
	}
	return f.websocket()
}

// base64 returns the WebSocket frames of f for a client that takes no binary
// messages: those are text, "b" and base64.
func (f *Frame) base64() []byte {
	if f.kind == kindRaw || len(f.attachments) == 0 {
		return f.websocket()
	}
	return makeForm(&f.texts, func() (b []byte) {
		if f.kind != typeBinary {
			b = rfc6455.AppendHeader(b, ws.OpText, 1+len(f.text))
			b = append(append(b, f.kind), f.text...)
		}
		for _, a := range f.attachments {
			b = rfc6455.AppendHeader(b, ws.OpText, 1+base64.StdEncoding.EncodedLen(len(a)))
			b = base64.StdEncoding.AppendEncode(append(b, typeBinary), a)
		}
		return b
	})
}

// polling returns the packets of f as a long-polling payload.
func (f *Frame) polling() []byte {
	f.pollOnce.Do(func() {
		var b []byte
		if f.kind != typeBinary {
			b = append(append(make([]byte, 0, 1+len(f.text)), f.kind), f.text...)
		}
		for _, a := range f.attachments {
			if len(b) > 0 {
				b = append(b, separator)
			}
			b = base64.StdEncoding.AppendEncode(append(b, typeBinary), a)
		}
		f.poll = b
	})
	return f.poll
}

// deflated returns the compressed WebSocket form of f, made by whoever needs it
// first.
func (f *Frame) deflated(c *rfc6455.Compressor) []byte {
	if f.kind == kindRaw || f.plain || f.size()-frameOverhead < c.Threshold()-1 {
		return f.websocket()
	}
	return makeForm(&f.compressed, func() []byte { return f.appendDeflated(nil, c, nil) })
}

// appendDeflated appends all messages of f, compressed behind what the client remembers.
func (f *Frame) appendDeflated(b []byte, c *rfc6455.Compressor, past *rfc6455.History) []byte {
	if f.kind == kindRaw || f.plain {
		return append(b, f.websocket()...)
	}
	if f.kind != typeBinary {
		b = c.AppendMessage(b, ws.OpText, past, []byte{f.kind}, f.text)
	}
	for _, a := range f.attachments {
		b = c.AppendMessage(b, ws.OpBinary, past, a)
	}
	return b
}

// forms of a frame, as far as they take memory of their own.
type forms uint8

const (
	formWebSocket forms = 1 << iota
	formPolling
	formDeflated
	formBase64 // of a WebSocket whose client takes no binary messages
)

// oneHolder is above all forms; it stands for one send queue that holds the frame.
const oneHolder uint64 = 1 << 8

// holders counts the send queues in which a frame waits.
type holders struct {
	// owner is the budget that the frame's bytes count in: of the server that
	// held it first, should there be several.
	owner atomic.Pointer[sendBudget]
	state atomic.Uint64 // holders times oneHolder, and the forms they need
}

// hold counts f as waiting in one more send queue, in the given form.
func (f *Frame) hold(b *sendBudget, form forms) {
	if f.fixed() {
		return
	}
	f.holders.owner.CompareAndSwap(nil, b)
	for {
		old := f.holders.state.Load()
		now := (old + oneHolder) | uint64(form)
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
			now = 0 // the last one: its forms go with it
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

// memory is what f takes with the forms of state, in bytes; nothing when nobody
// holds it.
func (f *Frame) memory(state uint64) int64 {
	if state < oneHolder {
		return 0
	}
	n := f.size()
	if f.kind == kindRaw {
		return int64(n) // its only form is its text
	}
	body, parts := n-frameOverhead, 1+len(f.attachments)
	if state&uint64(formWebSocket) != 0 {
		n += body + parts*rfc6455.MaxServerHeader
	}
	if state&uint64(formDeflated) != 0 {
		n += body + parts*rfc6455.MaxServerHeader // at most; compressed only where that is less
	}
	if state&uint64(formBase64) != 0 {
		n += body + (body-len(f.text))/3 + parts*(4+rfc6455.MaxServerHeader)
	}
	if state&uint64(formPolling) != 0 {
		n += body + (body-len(f.text))/3 + parts*4
	}
	return int64(n)
}
