package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// tally counts what happened.
type tally struct {
	deliveries, history, acked, resent atomic.Int64
	messages, sent, stays              int // known when it is over

	mu     sync.Mutex // guards counts
	counts map[string]int
}

func (t *tally) init() { t.counts = make(map[string]int) }

func (t *tally) count(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[what]++
}

func (t *tally) print(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	row := func(what string, n int) { _, _ = fmt.Fprintf(w, "  %-48s %9d\n", what, n) }
	row("messages in the rooms", t.messages)
	row("sent, as the senders count", t.sent)
	row("acknowledged", int(t.acked.Load()))
	row("sent again with their nonce", int(t.resent.Load()))
	row("stays of members in rooms", t.stays)
	row("deliveries", int(t.deliveries.Load()))
	row("messages in histories", int(t.history.Load()))
	for _, what := range slices.Sorted(maps.Keys(t.counts)) {
		row(what, t.counts[what])
	}
}
