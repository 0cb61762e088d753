package engine

import "gatehouse/internal/budget"

// turns is a queue that is fair by user: the first entry of each owner comes before
// the second entry of any other. It is not safe for concurrent use.
type turns[T any] struct {
	queues map[budget.Owner][]T
	order  []budget.Owner // owners that have an entry
	length int
}

func (q *turns[T]) push(owner budget.Owner, v T) {
	if q.queues == nil {
		q.queues = map[budget.Owner][]T{}
	}
	if len(q.queues[owner]) == 0 {
		q.order = append(q.order, owner)
	}
	q.queues[owner] = append(q.queues[owner], v)
	q.length++
}

// pop takes the next one off; there must be one.
func (q *turns[T]) pop() T {
	owner := q.order[0]
	q.order = q.order[1:]
	own := q.queues[owner]
	v := own[0]
	if own = own[1:]; len(own) > 0 {
		q.queues[owner] = own
		q.order = append(q.order, owner)
	} else {
		delete(q.queues, owner)
	}
	q.length--
	return v
}
