package handshake

import (
	"container/heap"
	"time"
)

// expiring is a bounded map whose entries lapse, without a timer for each:
// every operation first drops what has lapsed. Its owner guards it.
type expiring[K comparable, V any] struct {
	limit int
	byKey map[K]*lapse[K, V]
	queue lapseQueue[K, V]
}

type lapse[K comparable, V any] struct {
	key   K
	value V
	until time.Time
	place int // in the queue
}

func newExpiring[K comparable, V any](limit int) *expiring[K, V] {
	return &expiring[K, V]{limit: limit, byKey: make(map[K]*lapse[K, V])}
}

// put sets an entry. It returns false, and changes nothing, when the map is
// full of entries that have not lapsed.
func (e *expiring[K, V]) put(now time.Time, key K, value V, until time.Time) bool {
	e.sweep(now)
	if old, ok := e.byKey[key]; ok {
		old.value, old.until = value, until
		heap.Fix(&e.queue, old.place)
		return true
	}
	if len(e.byKey) >= e.limit {
		return false
	}
	entry := &lapse[K, V]{key: key, value: value, until: until}
	e.byKey[key] = entry
	heap.Push(&e.queue, entry)
	return true
}

// evict drops the entry that would lapse next.
func (e *expiring[K, V]) evict() {
	if len(e.queue) > 0 {
		e.remove(e.queue[0].key)
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
		heap.Remove(&e.queue, entry.place)
	}
}

func (e *expiring[K, V]) sweep(now time.Time) {
	for len(e.queue) > 0 && !now.Before(e.queue[0].until) {
		e.remove(e.queue[0].key)
	}
}

// lapseQueue is a heap by the time of lapsing.
type lapseQueue[K comparable, V any] []*lapse[K, V]

func (q lapseQueue[K, V]) Len() int           { return len(q) }
func (q lapseQueue[K, V]) Less(i, j int) bool { return q[i].until.Before(q[j].until) }
func (q lapseQueue[K, V]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *lapseQueue[K, V]) Push(x any) {
	entry := x.(*lapse[K, V])
	entry.place = len(*q)
	*q = append(*q, entry)
}

func (q *lapseQueue[K, V]) Pop() any {
	last := len(*q) - 1
	entry := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return entry
}
