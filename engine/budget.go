package engine

import "sync/atomic"

// sendBudget counts the memory of the frames that wait for all clients of a server,
// in bytes, and bounds it by Config.OutboxTotal. The first countAbove bytes of a
// client that reads are not counted: the flusher has sent them before they could add
// up.
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
// Above seven eighths of the limit the reaper closes sessions until six eighths are left. It closes strangers before users,
// then begins with the user for whose sessions most waits, and with the largest of them; a shared frame counts whole for each.
// Frames are freed with their last receiver, so the longest backlogs hold the oldest frames. Where memory grows faster than
// the reaper works, a session that is behind and is sent more at the limit itself is closed. Either way the reason is
// ReasonSlow.
//
// It is safe for concurrent use. A receiver that keeps up touches none of it.
type sendBudget struct {
	limit atomic.Int64 // 0: none
	held  atomic.Int64
	wake  chan struct{} // to the reaper
	stop  chan struct{}
}

func (b *sendBudget) init(limit int) {
	b.limit.Store(int64(limit))
	b.wake = make(chan struct{}, 1)
	b.stop = make(chan struct{})
}

// add counts n more bytes; a negative n takes bytes off.
func (b *sendBudget) add(n int64) {
	if b.held.Add(n) > b.high() && n > 0 {
		b.relieve()
	}
}

// relieve wakes the reaper, where there is a limit.
func (b *sendBudget) relieve() {
	if b.limit.Load() == 0 {
		return
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// set changes the limit of a budget that has one.
func (b *sendBudget) set(limit int) {
	b.limit.Store(int64(limit))
	b.relieve()
}

func (b *sendBudget) high() int64 { return b.limit.Load() / 8 * 7 }
func (b *sendBudget) low() int64  { return b.limit.Load() / 8 * 6 }

func (b *sendBudget) over() bool {
	limit := b.limit.Load()
	return limit > 0 && b.held.Load() > limit
}

// listCost is the number of bytes that the list of a send queue counts for. A short list is part of the session.
func listCost(frames []*Frame) int64 {
	const free, pointer = 64, 8
	if cap(frames) <= free {
		return 0
	}
	return int64(cap(frames)) * pointer
}
