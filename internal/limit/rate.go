package limit

import (
	"sync"
	"time"
)

// Allowance counts the units that one key has taken, as the moment at which all of
// them will have been earned. The zero value has taken nothing. It is not safe for
// concurrent use.
//
// One moment is all that the generic cell rate algorithm (ITU-T I.371) keeps; it
// needs no timer.
type Allowance struct{ earned time.Time }

// Take takes one unit out of burst; every is the time in which one comes back. It
// returns zero or, when it has taken nothing, how long to wait.
func (a *Allowance) Take(now time.Time, burst int, every time.Duration) time.Duration {
	return a.TakeN(now, 1, burst, every)
}

// TakeN takes n units out of burst at once. When all of burst is there, it takes even
// more than burst; the rest has to be earned afterwards.
func (a *Allowance) TakeN(now time.Time, n, burst int, every time.Duration) time.Duration {
	if wait := a.WaitN(now, n, burst, every); wait > 0 {
		return wait
	}
	if a.earned.Before(now) {
		a.earned = now
	}
	a.earned = a.earned.Add(time.Duration(n) * every)
	return 0
}

// WaitN returns the result of TakeN, and takes nothing.
func (a *Allowance) WaitN(now time.Time, n, burst int, every time.Duration) time.Duration {
	owed := max(a.earned.Sub(now), 0)
	return max(owed-time.Duration(max(burst-n, 0))*every, 0)
}

// Spend takes an amount, given as the time to earn it, even if it is not there. It
// returns zero as long as no more than burst is owed, otherwise the time until that
// is so again. A debt above the given maximum is forgiven.
func (a *Allowance) Spend(now time.Time, cost, burst, most time.Duration) time.Duration {
	earned := a.earned
	if earned.Before(now) {
		earned = now
	}
	earned = earned.Add(cost)
	if limit := now.Add(burst + most); earned.After(limit) {
		earned = limit
	}
	a.earned = earned
	return max(earned.Sub(now)-burst, 0)
}

// Rate allows each key a number of units per time: all of them at once, then evenly.
// It remembers a bounded number of keys; the others are forgotten, with what they
// have taken. It is safe for concurrent use and never waits itself.
type Rate[K comparable] struct {
	clock func() time.Time

	mu         sync.Mutex // guards what follows; a leaf
	burst      int
	every      time.Duration // after which one comes back
	young, old map[K]Allowance
}

// rateKeys is how many keys each of the two generations holds.
const rateKeys = 50_000

// NewRate makes a limit; perMinute must be positive, a nil clock is time.Now.
func NewRate[K comparable](perMinute int, clock func() time.Time) *Rate[K] {
	return NewRateOf[K](perMinute, time.Minute/time.Duration(perMinute), clock)
}

// NewRateOf makes a limit of burst units, of which one comes back after each time
// every. Both must be positive; a nil clock is time.Now.
func NewRateOf[K comparable](burst int, every time.Duration, clock func() time.Time) *Rate[K] {
	if clock == nil {
		clock = time.Now
	}
	return &Rate[K]{burst: burst, every: every, clock: clock, young: make(map[K]Allowance)}
}

// Set changes the limit. Units that a key has taken still count.
func (r *Rate[K]) Set(burst int, every time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.burst, r.every = burst, every
}

// Take takes one unit, or returns how long the key has to wait for one.
func (r *Rate[K]) Take(key K) time.Duration { return r.TakeN(key, 1) }

// TakeN takes n units at once, or returns how long the key has to wait for them.
func (r *Rate[K]) TakeN(key K, n int) time.Duration {
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.allowanceLocked(key)
	wait := a.TakeN(now, n, r.burst, r.every)
	if wait == 0 {
		r.keepLocked(key, a)
	}
	return wait
}

// Spend takes n units, even if they are not there, as [Allowance.Spend] does.
func (r *Rate[K]) Spend(key K, n int, most time.Duration) time.Duration {
	now := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.allowanceLocked(key)
	wait := a.Spend(now, time.Duration(n)*r.every, time.Duration(r.burst)*r.every, most)
	if n > 0 {
		r.keepLocked(key, a)
	}
	return wait
}

func (r *Rate[K]) allowanceLocked(key K) Allowance {
	if a, ok := r.young[key]; ok {
		return a
	}
	return r.old[key]
}

func (r *Rate[K]) keepLocked(key K, a Allowance) {
	if len(r.young) >= rateKeys {
		r.old, r.young = r.young, make(map[K]Allowance)
	}
	r.young[key] = a
}
