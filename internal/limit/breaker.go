package limit

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Breaker sends no calls to a server that does not answer, and tells callers at
// once when to come back.
//
// It opens when, among the last calls, at least as many failed as succeeded.
// Failures of one key count once, however many they are, so that a key whose calls
// always fail does not open it for others. A failure to connect concerns every key,
// so each counts. Then comes a pause, short at first, longer with each further
// opening; after it some calls are let through as trials, and the others wait for
// their outcome. It is safe for concurrent use.
type Breaker[K comparable] struct {
	clock func() time.Time

	mu       sync.Mutex // guards what follows
	calls    []call[K]  // the last ones, a ring
	next     int        // where the next one goes
	openings int        // openings in a row, without an answer in between; 0: closed
	until    time.Time  // when the pause ends
	trials   int        // under way
	failed   int        // trials since the pause ended
	changed  chan struct{}
}

type call[K comparable] struct {
	at      time.Time
	key     K
	outcome Outcome
}

// Outcome is what the result of a call means for the server.
type Outcome int

// The outcomes of a call.
const (
	Answered    Outcome = iota
	Failing             // no valid answer, perhaps because of the question
	Unreachable         // the server cannot be connected to
	NoOutcome           // the caller went away first
)

const (
	breakerWindow   = 10 * time.Second // that is looked back
	breakerCalls    = 256              // looked back at, at most
	breakerFailures = 5                // that open it at least
	breakerTrials   = 5                // at a time, after a pause
	breakerReopen   = 3                // how many failed trials open it again
)

var breakerPause = Backoff{First: 500 * time.Millisecond, Max: 10 * time.Second}

// NewBreaker returns a closed breaker.
func NewBreaker[K comparable](clock func() time.Time) *Breaker[K] {
	return &Breaker[K]{clock: clock, changed: make(chan struct{})}
}

// Begin reports whether a call may be made, which is then followed by one End.
// Otherwise it returns when to try again.
func (b *Breaker[K]) Begin(ctx context.Context) (wait time.Duration, err error) {
	for {
		b.mu.Lock()
		wait := b.until.Sub(b.clock())
		switch {
		case b.openings == 0:
			b.mu.Unlock()
			return 0, nil
		case wait > 0:
			b.mu.Unlock()
			return wait, nil
		case b.trials < breakerTrials:
			b.trials++
			b.mu.Unlock()
			return 0, nil
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// End takes the outcome of a call, and the time for which the server has asked to
// be left alone.
func (b *Breaker[K]) End(key K, how Outcome, retryAfter time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.clock()
	if how != NoOutcome {
		b.note(call[K]{now, key, how})
	}
	if b.openings == 0 {
		if how >= Failing && how != NoOutcome && b.down(now) {
			b.open(now, retryAfter)
		}
		return
	}
	b.trials = max(b.trials-1, 0) // calls that began before the pause end in it
	switch {
	case how == Answered:
		b.openings, b.calls, b.next = 0, b.calls[:0], 0
	case how != NoOutcome && !now.Before(b.until):
		if b.failed++; b.failed >= breakerReopen {
			b.open(now, retryAfter)
		}
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *Breaker[K]) open(now time.Time, retryAfter time.Duration) {
	b.openings++
	b.failed = 0
	b.until = now.Add(max(breakerPause.Wait(b.openings), retryAfter))
}

func (b *Breaker[K]) note(c call[K]) {
	if len(b.calls) < breakerCalls {
		b.calls = append(b.calls, c)
		return
	}
	b.calls[b.next] = c
	b.next = (b.next + 1) % breakerCalls
}

// down judges the last calls.
func (b *Breaker[K]) down(now time.Time) bool {
	good, bad := 0, 0
	seen := make(map[K]bool)
	for _, c := range b.calls {
		switch {
		case now.Sub(c.at) > breakerWindow:
		case c.outcome == Answered:
			good++
		case c.outcome == Unreachable:
			bad++
		case !seen[c.key]:
			seen[c.key] = true
			bad++
		}
	}
	return bad >= breakerFailures && bad >= good
}

// OutcomeOf judges a call by its error. ctx is the caller's.
func OutcomeOf(ctx context.Context, err error) Outcome {
	var dial *net.OpError
	switch {
	case ctx.Err() != nil:
		return NoOutcome
	case errors.As(err, &dial) && dial.Op == "dial":
		return Unreachable
	}
	return Failing
}
