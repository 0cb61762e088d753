package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// series are the waiting times of one honest client.
type series struct {
	mu    sync.Mutex // guards what follows
	waits []time.Duration
}

func (s *series) add(d time.Duration) {
	s.mu.Lock()
	s.waits = append(s.waits, d)
	s.mu.Unlock()
}

// figures summarise a series.
type figures struct {
	count    int
	p50, p99 time.Duration
}

// take returns the figures so far and begins anew.
func (s *series) take() figures {
	s.mu.Lock()
	waits := s.waits
	s.waits = nil
	s.mu.Unlock()
	slices.Sort(waits)
	f := figures{count: len(waits)}
	if f.count > 0 {
		f.p50, f.p99 = waits[f.count/2], waits[min(f.count-1, f.count*99/100)]
	}
	return f
}

// peak is the most memory and files that the server held.
type peak struct {
	memory, kernel int64 // bytes
	files          int
}

// watch measures every 50 ms until ctx ends.
func (t *target) watch(ctx context.Context) peak {
	var most peak
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		most.memory = max(most.memory, t.memory())
		most.kernel = max(most.kernel, buffers())
		most.files = max(most.files, t.files())
		select {
		case <-ctx.Done():
			return most
		case <-tick.C:
		}
	}
}
