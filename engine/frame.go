package engine

import (
	"encoding/base64"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"
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

	sent    func(written bool) // of a frame for one session; may be nil
	pushed  atomic.Bool        // into some outbox
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

// Notify has sent called once, when f has been written for its session or with
// false when it will not be, and returns f. f must then be sent to one session
// only. The call comes with the session locked: it must not block or use it.
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

// size is what the frame counts in an outbox, in bytes, whatever the transport.
func (f *Frame) size() int {
	n := frameOverhead + len(f.text)
	for _, a := range f.attachments {
		n += len(a)
	}
	return n
}

// frameOverhead stands for headers and bookkeeping: a client that makes us answer
// with many small frames, as with WebSocket pings, must not get far beyond the
// outbox limit in memory.
const frameOverhead = 128

// websocket returns the bytes of all WebSocket frames of f (RFC 6455, section
// 5.2): unmasked, unfragmented.
func (f *Frame) websocket() []byte {
	f.wsOnce.Do(func() {
		n := 0
		if f.kind != typeBinary {
			n = maxServerHeader + 1 + len(f.text)
		}
		for _, a := range f.attachments {
			n += maxServerHeader + len(a)
		}
		b := make([]byte, 0, n)
		if f.kind != typeBinary {
			b = appendHeader(b, ws.OpText, 1+len(f.text))
			b = append(append(b, f.kind), f.text...)
		}
		for _, a := range f.attachments {
			b = append(appendHeader(b, ws.OpBinary, len(a)), a...)
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
func (f *Frame) wire(form forms, z *compressor) []byte {
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
			b = appendHeader(b, ws.OpText, 1+len(f.text))
			b = append(append(b, f.kind), f.text...)
		}
		for _, a := range f.attachments {
			b = appendHeader(b, ws.OpText, 1+base64.StdEncoding.EncodedLen(len(a)))
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

// maxServerHeader is the longest header of an unmasked WebSocket frame.
const maxServerHeader = 10

func appendHeader(b []byte, op ws.OpCode, length int) []byte {
	b = append(b, 0x80|byte(op))
	switch {
	case length < 126:
		return append(b, byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(b, 127), uint64(length))
	}
}
