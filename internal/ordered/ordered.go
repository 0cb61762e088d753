// Package ordered has a heap whose items know their places, so that any item can be
// moved or taken out.
package ordered

import "container/heap"

// Place is an item's position in its heap; the zero value is none.
type Place int

// Heap holds items, the first before all others. It is not safe for concurrent use.
type Heap[T any] struct{ items items[T] }

// New makes an empty heap, ordered by before. place gives the field of an item that
// the heap keeps its place in.
func New[T any](before func(a, b T) bool, place func(T) *Place) *Heap[T] {
	return &Heap[T]{items[T]{before: before, place: place}}
}

// Len is the number of items.
func (h *Heap[T]) Len() int { return h.items.Len() }

// First returns the item before all others; the heap must not be empty.
func (h *Heap[T]) First() T { return h.items.all[0] }

// Set enters an item, or moves it to where it belongs now.
func (h *Heap[T]) Set(item T) {
	if at := *h.items.place(item); at > 0 {
		heap.Fix(&h.items, int(at)-1)
		return
	}
	heap.Push(&h.items, item)
}

// Remove takes an item out, if it is there.
func (h *Heap[T]) Remove(item T) {
	if at := *h.items.place(item); at > 0 {
		heap.Remove(&h.items, int(at)-1)
	}
}

// items implements heap.Interface. Places count from 1.
type items[T any] struct {
	all    []T
	before func(a, b T) bool
	place  func(T) *Place
}

func (q *items[T]) Len() int           { return len(q.all) }
func (q *items[T]) Less(i, j int) bool { return q.before(q.all[i], q.all[j]) }
func (q *items[T]) Swap(i, j int) {
	q.all[i], q.all[j] = q.all[j], q.all[i]
	*q.place(q.all[i]), *q.place(q.all[j]) = Place(i+1), Place(j+1)
}

// Push implements heap.Interface.
func (q *items[T]) Push(x any) {
	item := x.(T)
	q.all = append(q.all, item)
	*q.place(item) = Place(len(q.all))
}

// Pop implements heap.Interface.
func (q *items[T]) Pop() any {
	last := len(q.all) - 1
	item := q.all[last]
	clear(q.all[last:])
	q.all = q.all[:last]
	*q.place(item) = 0
	return item
}
