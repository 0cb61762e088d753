package limit

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// errFull is returned when too many callers wait for a place.
var errFull = errors.New("too many wait for a place")

// QueueConfig says how many places a [Queue] has. Every field must be positive.
type QueueConfig struct {
	Places  int // that are held at a time
	PerKey  int // that one key holds at a time
	Waiting int // how many callers may wait, of all keys together
}

// Queue gives a fixed number of places to callers that wait for them, fairly by
// key: keys are served in turn, so that a key with a thousand callers delays
// another key's caller by one. Callers of one key are served in their order. It
// is safe for concurrent use.
type Queue[K comparable] struct {
	mu      sync.Mutex // guards what follows; a leaf
	cfg     QueueConfig
	taken   int // places held
	waiting int
	keys    map[K]*turn[K]
	rounds  [2]list.List // lists of *turn: keys with waiting callers, the preferred ones and the others
}

// turn is a key that holds places or waits for some.
type turn[K comparable] struct {
	key   K
	held  int
	lines [2]list.List     // of *caller, one for each round
	in    [2]*list.Element // its places in rounds; nil where no caller waits
}

type caller struct {
	admitted chan error // gets one value: nil with the place, errFull without
}

// NewQueue makes a queue with all its places free.
func NewQueue[K comparable](cfg QueueConfig) *Queue[K] {
	return &Queue[K]{cfg: cfg, keys: make(map[K]*turn[K])}
}

// Set changes the numbers. Callers that have a place keep it, and those that wait
// go on to.
func (q *Queue[K]) Set(cfg QueueConfig) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cfg = cfg
	q.serveLocked()
}

// Enter waits for a place until ctx ends. The caller gives the place back with
// leave, once. A caller that is not preferred gets a place only when no
// preferred one could use it. When too many wait, the key with the most callers
// loses its newest one, which gets errFull.
func (q *Queue[K]) Enter(ctx context.Context, key K, preferred bool) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	round := 1
	if preferred {
		round = 0
	}
	c := &caller{admitted: make(chan error, 1)}
	q.mu.Lock()
	place := q.addLocked(key, c, round)
	q.serveLocked()
	if q.waiting > q.cfg.Waiting {
		q.shedLocked()
	}
	q.mu.Unlock()
	select {
	case err = <-c.admitted:
	case <-ctx.Done():
		err = q.giveUp(ctx, key, c, place, round)
	}
	if err != nil {
		return nil, err
	}
	return sync.OnceFunc(func() { q.leave(key) }), nil
}

// Waiting returns how many callers wait.
func (q *Queue[K]) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

func (q *Queue[K]) addLocked(key K, c *caller, round int) *list.Element {
	t, ok := q.keys[key]
	if !ok {
		t = &turn[K]{key: key}
		q.keys[key] = t
	}
	q.waiting++
	place := t.lines[round].PushBack(c)
	if t.in[round] == nil {
		t.in[round] = q.rounds[round].PushBack(t)
	}
	return place
}

// serveLocked gives the free places away.
func (q *Queue[K]) serveLocked() {
	for q.taken < q.cfg.Places {
		t, round := q.nextLocked()
		if t == nil {
			return
		}
		c := t.lines[round].Front()
		q.removeLocked(t, c, round, true)
		q.taken++
		t.held++
		c.Value.(*caller).admitted <- nil
	}
}

// nextLocked finds the key whose turn it is.
func (q *Queue[K]) nextLocked() (*turn[K], int) {
	for round := range q.rounds {
		for e := q.rounds[round].Front(); e != nil; e = e.Next() {
			if t := e.Value.(*turn[K]); t.held < q.cfg.PerKey {
				return t, round
			}
		}
	}
	return nil, 0
}

// removeLocked takes a caller out of its line. A key whose caller was served goes
// to the end of its round.
func (q *Queue[K]) removeLocked(t *turn[K], c *list.Element, round int, served bool) {
	q.waiting--
	t.lines[round].Remove(c)
	switch {
	case t.lines[round].Len() == 0:
		q.rounds[round].Remove(t.in[round])
		t.in[round] = nil
	case served:
		q.rounds[round].MoveToBack(t.in[round])
	}
}

// shedLocked refuses the newest caller of the key that has the most.
func (q *Queue[K]) shedLocked() {
	var most *turn[K]
	for _, t := range q.keys {
		if most == nil || t.callers() > most.callers() {
			most = t
		}
	}
	round := 1
	if most.lines[1].Len() == 0 {
		round = 0
	}
	c := most.lines[round].Back()
	q.removeLocked(most, c, round, false)
	c.Value.(*caller).admitted <- errFull
	q.forgetLocked(most)
}

func (t *turn[K]) callers() int { return t.lines[0].Len() + t.lines[1].Len() }

// forgetLocked drops a key that neither holds a place nor waits for one.
func (q *Queue[K]) forgetLocked(t *turn[K]) {
	if t.held == 0 && t.callers() == 0 {
		delete(q.keys, t.key)
	}
}

// giveUp ends a caller's wait. A caller that was served at the same moment gives
// its place to the next one.
func (q *Queue[K]) giveUp(ctx context.Context, key K, c *caller, place *list.Element, round int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case err := <-c.admitted:
		if err == nil {
			q.leaveLocked(key)
		}
	default:
		t := q.keys[key]
		q.removeLocked(t, place, round, false)
		q.forgetLocked(t)
	}
	return ctx.Err()
}

func (q *Queue[K]) leave(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaveLocked(key)
}

func (q *Queue[K]) leaveLocked(key K) {
	t := q.keys[key]
	t.held--
	q.taken--
	q.forgetLocked(t)
	q.serveLocked()
}
