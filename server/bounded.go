package server

import "sync"

// labels are the values of up to three labels.
type labels [3]string

// maxSeries bounds one metric; further combinations are counted together.
// Namespaces, events and codes are the program's own, so this is not reached.
const maxSeries = 4096

// bounded is one metric with labels: at most [maxSeries] combinations of their
// values. It is safe for concurrent use.
type bounded[T any] struct {
	names int // of labels
	with  func(values ...string) T

	mu   sync.RWMutex // guards made
	made map[labels]T
}

func newBounded[T any](with func(values ...string) T, names ...string) *bounded[T] {
	return &bounded[T]{names: len(names), with: with, made: make(map[labels]T)}
}

// of returns the series with these values.
func (b *bounded[T]) of(values ...string) T {
	var key labels
	copy(key[:], values)
	b.mu.RLock()
	one, ok := b.made[key]
	b.mu.RUnlock()
	if ok {
		return one
	}
	return b.add(key)
}

// each visits all series that there are.
func (b *bounded[T]) each(visit func(of labels, one T)) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for key, one := range b.made {
		visit(key, one)
	}
}

func (b *bounded[T]) add(key labels) T {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.made[key]; !ok && len(b.made) >= maxSeries {
		key = labels{"other", "other", "other"}
	}
	one, ok := b.made[key]
	if !ok {
		one = b.with(key[:b.names]...)
		b.made[key] = one
	}
	return one
}
