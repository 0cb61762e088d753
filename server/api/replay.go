package api

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// Bounds of the remembered requests with an Idempotency-Key.
const (
	longestIdempotencyKey = 128 // bytes
	replayFor             = 10 * time.Minute
	mostReplays           = 10_000   // of one key
	mostReplayBytes       = 16 << 20 // of one key
	replayOverhead        = 512      // bytes, of an entry without its answer
)

// replays remembers the answers that one caller got to requests with an Idempotency-Key. Answers above the bounds are
// forgotten, the oldest first.
type replays struct {
	clock func() time.Time

	mu    sync.Mutex // guards what follows
	by    map[string]*replay
	order *list.List // of *replay, the oldest first
	bytes int
}

// replay is a request and the answer to it.
type replay struct {
	key    string
	digest [sha256.Size]byte // of the request
	done   chan struct{}     // closed when answer is there, or the request has failed
	answer []byte            // nil: the request failed, and nothing is remembered
	at     time.Time
	place  *list.Element
}

func newReplays(clock func() time.Time) *replays {
	return &replays{clock: clock, by: map[string]*replay{}, order: list.New()}
}

// begin returns the request that came with the same Idempotency-Key, or notes this one as the first. The caller of the
// first must call end.
func (r *replays) begin(key string, digest [sha256.Size]byte) (p *replay, first bool) {
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trimLocked(now)
	if p = r.by[key]; p != nil {
		return p, false
	}
	p = &replay{key: key, digest: digest, done: make(chan struct{}), at: now}
	p.place = r.order.PushBack(p)
	r.by[key] = p
	r.bytes += replayOverhead
	return p, true
}

// end keeps the answer. Without an answer, the request can be made again.
func (r *replays) end(p *replay, answer []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.answer = answer
	close(p.done)
	if r.by[p.key] != p {
		return // forgotten meanwhile
	}
	if answer == nil {
		r.forgetLocked(p)
		return
	}
	r.bytes += len(answer)
	r.trimLocked(r.clock())
}

// trimLocked forgets answers that are too old or too many.
func (r *replays) trimLocked(now time.Time) {
	for r.order.Len() > 0 {
		oldest, _ := r.order.Front().Value.(*replay)
		if r.order.Len() <= mostReplays && r.bytes <= mostReplayBytes && now.Sub(oldest.at) <= replayFor {
			return
		}
		r.forgetLocked(oldest)
	}
}

// forgetLocked removes an entry.
func (r *replays) forgetLocked(p *replay) {
	r.order.Remove(p.place)
	delete(r.by, p.key)
	r.bytes -= replayOverhead + len(p.answer)
}
