package engine

import (
	"encoding/base64"
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"gatehouse/engine/internal/rfc6455"
)

// framing is how the frames of one client look on the wire. A Frame has one wire form
// for each, made by the first session that needs it. The values are bits: holders notes
// all framings of the sessions that wait for a frame.
type framing uint8

const (
	frameWebSocket framing = 1 << iota
	framePolling
	frameDeflated // of a WebSocket with compression, but without a context
	frameBase64   // of a WebSocket whose client takes no binary messages
)

// wire returns the bytes of f for a WebSocket without a context; z compresses where
// that is asked for.
func (f *Frame) wire(as framing, z *rfc6455.Compressor) []byte {
	switch as {
	case frameDeflated:
		return f.deflated(z)
	case frameBase64:
		return f.base64()
	default:
		return f.websocket()
	}
}

// formMemory is what the wire form of one framing takes at most, in bytes.
func (f *Frame) formMemory(as framing) int {
	body, parts := f.size()-frameOverhead, 1+len(f.attachments)
	grown := body + (body-len(f.text))/3 // attachments in base64
	switch as {
	case frameBase64:
		return grown + parts*(4+rfc6455.MaxServerHeader)
	case framePolling:
		return grown + parts*4
	case frameWebSocket:
		if f.wsMade {
			return 0 // in the memory of the text
		}
		return body + parts*rfc6455.MaxServerHeader
	default: // the compressed form is kept only where it is smaller
		return body + parts*rfc6455.MaxServerHeader
	}
}

// memory is what f takes with the wire forms of state, in bytes; 0 when nobody holds
// it.
func (f *Frame) memory(state uint64) int64 {
	if state < oneHolder {
		return 0
	}
	n := f.size()
	if f.kind == kindRaw {
		return int64(n) // its only form is its text
	}
	for as := frameWebSocket; as <= frameBase64; as <<= 1 {
		if state&uint64(as) != 0 {
			n += f.formMemory(as)
		}
	}
	return int64(n)
}

// websocket returns the bytes of all WebSocket frames of f (RFC 6455, section
// 5.2): unmasked, unfragmented.
func (f *Frame) websocket() []byte {
	if f.wsMade {
		return f.ws
	}
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

// websocketIn makes the WebSocket frame of a message without attachments in memory,
// where the text stands behind lead bytes.
func (f *Frame) websocketIn(memory []byte, lead int) {
	var room [rfc6455.MaxServerHeader]byte
	header := rfc6455.AppendHeader(room[:0], ws.OpText, 1+len(f.text))
	memory[lead-1] = f.kind
	start := lead - 1 - len(header)
	copy(memory[start:], header)
	f.ws, f.wsMade = memory[start:len(memory):len(memory)], true
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
	return makeForm(&f.poll, func() (b []byte) {
		if f.kind != typeBinary {
			b = append(append(make([]byte, 0, 1+len(f.text)), f.kind), f.text...)
		}
		for _, a := range f.attachments {
			if len(b) > 0 {
				b = append(b, separator)
			}
			b = base64.StdEncoding.AppendEncode(append(b, typeBinary), a)
		}
		return b
	})
}

// deflated returns the compressed WebSocket form of f, made by whoever needs it
// first.
func (f *Frame) deflated(c *rfc6455.Compressor) []byte {
	if f.kind == kindRaw || f.plain || f.size()-frameOverhead < c.Threshold()-1 {
		return f.websocket()
	}
	return makeForm(&f.compressed, func() []byte { return f.appendDeflated(nil, c, nil) })
}

// appendDeflated appends all messages of f, compressed with reference to what the
// client remembers.
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
