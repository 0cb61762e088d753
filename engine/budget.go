package engine

import "sync/atomic"

// sendBudget is what waits for all clients of a server together, in bytes of memory,
// held against Config.OutboxTotal. Only what stays is counted: the first
// countAbove bytes of a client that takes what it is sent are with a flusher and
// gone before they could add up.
//
// What counts, once each:
//
//   - a frame that waits for anybody: its bytes and those of each wire form that
//     its receivers need. A frame that waits for 5,000 clients is in memory once
//     and counts once;
//   - for each client the list of what waits for it, 8 bytes a frame;
//   - what is made for one client: a compressed polling response, the bytes on
//     their way into TLS or from a compressor with a context.
//
// Who is cut first: above seven eighths of the limit the reaper closes sessions
// until six eighths are left: strangers before users, of those the user for whose
// sessions most waits, and of these the largest; a shared frame counts whole for each. Frames are freed with their last receiver, so
// the longest backlogs hold the oldest frames. Where memory grows faster than
// the reaper works, a session that is behind and is sent more at the limit itself
// is closed. Either way the reason is ReasonSlow.
//
// It is safe for concurrent use. A receiver that keeps up touches none of it.
type sendBudget struct {
	limit int64 // 0: none
	held  atomic.Int64
	wake  chan struct{} // to the reaper
	stop  chan struct{}
}

func (b *sendBudget) init(limit int) {
	b.limit = int64(limit)
	b.wake = make(chan struct{}, 1)
	b.stop = make(chan struct{})
}

// add counts n more bytes, or fewer.
func (b *sendBudget) add(n int64) {
	if b.held.Add(n) > b.high() && n > 0 && b.limit > 0 {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

func (b *sendBudget) high() int64 { return b.limit / 8 * 7 }
func (b *sendBudget) low() int64  { return b.limit / 8 * 6 }
func (b *sendBudget) over() bool  { return b.limit > 0 && b.held.Load() > b.limit }

// forms of a frame, as far as they take memory of their own.
type forms uint8

const (
	formWebSocket forms = 1 << iota
	formPolling
	formDeflated
	formBase64 // of a WebSocket whose client takes no binary messages
)

// oneHolder is above all forms; it stands for one outbox that holds the frame.
const oneHolder uint64 = 1 << 8

// holders counts the outboxes in which a frame waits.
type holders struct {
	// owner is the budget that the frame's bytes count in: of the server that
	// held it first, should there be several.
	owner atomic.Pointer[sendBudget]
	state atomic.Uint64 // holders times oneHolder, and the forms they need
}

// hold counts f as waiting in one more outbox, in the given form.
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
		n += body + parts*maxServerHeader
	}
	if state&uint64(formDeflated) != 0 {
		n += body + parts*maxServerHeader // at most; compressed only where that is less
	}
	if state&uint64(formBase64) != 0 {
		n += body + (body-len(f.text))/3 + parts*(4+maxServerHeader)
	}
	if state&uint64(formPolling) != 0 {
		n += body + (body-len(f.text))/3 + parts*4
	}
	return int64(n)
}

// listCost is what the list of an outbox counts; short ones are part of the
// session.
func listCost(frames []*Frame) int64 {
	const free, pointer = 64, 8
	if cap(frames) <= free {
		return 0
	}
	return int64(cap(frames)) * pointer
}
