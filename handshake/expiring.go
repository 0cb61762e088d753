package handshake

import (
	"time"

	"gatehouse/internal/ordered"
)

// expiring is a bounded map whose entries lapse, without a timer for each:
// every operation first drops what has lapsed. Its owner guards it.
type expiring[K comparable, V any] struct {
	limit int
	byKey map[K]*lapse[K, V]
	queue *ordered.Heap[*lapse[K, V]] // by the time of lapsing
}

type lapse[K comparable, V any] struct {
	key   K
	value V
	until time.Time
	place ordered.Place // in the queue
}

func newExpiring[K comparable, V any](limit int) *expiring[K, V] {
	sooner := func(a, b *lapse[K, V]) bool { return a.until.Before(b.until) }
	place := func(l *lapse[K, V]) *ordered.Place { return &l.place }
	return &expiring[K, V]{limit: limit, byKey: make(map[K]*lapse[K, V]), queue: ordered.New(sooner, place)}
}

// put sets an entry. It returns false, and changes nothing, when the map is
// full of entries that are still valid.
func (e *expiring[K, V]) put(now time.Time, key K, value V, until time.Time) bool {
	e.sweep(now)
	if old, ok := e.byKey[key]; ok {
		old.value, old.until = value, until
		e.queue.Set(old)
		return true
	}
	if len(e.byKey) >= e.limit {
		return false
	}
	entry := &lapse[K, V]{key: key, value: value, until: until}
	e.byKey[key] = entry
	e.queue.Set(entry)
	return true
}

// evict drops the entry that would lapse next.
func (e *expiring[K, V]) evict() {
	if e.queue.Len() > 0 {
		e.remove(e.queue.First().key)
	}
}

// resize changes the limit, and drops what is over it.
func (e *expiring[K, V]) resize(limit int) {
	e.limit = limit
	for len(e.byKey) > limit {
		e.evict()
	}
}

func (e *expiring[K, V]) get(now time.Time, key K) (value V, ok bool) {
	entry, ok := e.byKey[key]
	if !ok || !now.Before(entry.until) {
		return value, false
	}
	return entry.value, true
}

func (e *expiring[K, V]) remove(key K) {
	if entry, ok := e.byKey[key]; ok {
		delete(e.byKey, key)
		e.queue.Remove(entry)
	}
}

func (e *expiring[K, V]) sweep(now time.Time) {
	for e.queue.Len() > 0 && !now.Before(e.queue.First().until) {
		e.remove(e.queue.First().key)
	}
}
