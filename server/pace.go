package server

import (
	"sync"
	"time"
)

// pace allows so much per minute for each key (an address, a user): all of it
// at once, then evenly. It remembers a bounded number of keys, the others are
// forgiven; it is safe for concurrent use and never waits itself.
//
// A key's one number is when all that it took will have been earned: the
// generic cell rate algorithm (ITU-T I.371), which needs no timer.
type pace[K comparable] struct {
	each  time.Duration // what one costs
	clock func() time.Time

	mu         sync.Mutex // guards what follows; a leaf
	young, old map[K]time.Time
}

// paceKeys is how many keys each of the two generations holds.
const paceKeys = 50_000

func newPace[K comparable](perMinute int, clock func() time.Time) *pace[K] {
	return &pace[K]{each: time.Minute / time.Duration(perMinute), clock: clock, young: make(map[K]time.Time)}
}

// take takes one, or returns how long it has to wait for that.
func (p *pace[K]) take(key K) time.Duration {
	now := p.clock()
	p.mu.Lock()
	defer p.mu.Unlock()
	earned := p.young[key]
	if earned.IsZero() {
		earned = p.old[key]
	}
	if earned.Before(now) {
		earned = now
	}
	earned = earned.Add(p.each)
	if wait := earned.Sub(now) - time.Minute; wait > 0 {
		return wait
	}
	if len(p.young) >= paceKeys {
		p.old, p.young = p.young, make(map[K]time.Time)
	}
	p.young[key] = earned
	return 0
}
