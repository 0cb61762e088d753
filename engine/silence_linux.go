package engine

import (
	"container/list"
	"sync"
	"time"
)

// silence lists the kept connections that are between two requests. None stays there
// for long: net/http, and who made its http.Server, have the limits for connections that
// say nothing.
type silence struct {
	spawn func(func()) bool // fixed: starts a goroutine

	mu      sync.Mutex    // guards what follows, and kept.place and kept.since
	most    int           // how many there may be: each holds a file
	longest time.Duration // that one may be there
	line    list.List     // of *kept, the longest silent first
	timer   *time.Timer
	closed  bool
}

const (
	silentFor  = 5 * time.Second // how long a kept connection may say nothing
	mostSilent = 1024            // and how many of them may
)

// add lists a connection as the newest. It reports false when none is kept any more.
func (q *silence) add(k *kept) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	k.since, k.place = time.Now(), q.line.PushBack(k)
	switch {
	case q.line.Len() > q.most:
		q.spawn(q.line.Front().Value.(*kept).dismiss)
	case q.timer == nil:
		q.timer = time.AfterFunc(q.longest, q.look)
	}
	return true
}

// remove takes a connection off the list, if it is there.
func (q *silence) remove(k *kept) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if k.place != nil {
		q.line.Remove(k.place)
		k.place = nil
	}
}

// look is what the timer does.
func (q *silence) look() { q.spawn(q.sweep) }

// sweep gives connections to net/http that have said nothing for long.
func (q *silence) sweep() {
	for _, k := range q.due() {
		k.dismiss()
	}
}

// due returns who has said nothing for long, and sets the timer for the next one.
func (q *silence) due() (long []*kept) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.timer = nil
	for e := q.line.Front(); e != nil && !q.closed; e = e.Next() {
		k := e.Value.(*kept)
		if left := q.longest - time.Since(k.since); left > 0 {
			q.timer = time.AfterFunc(left, q.look)
			break
		}
		long = append(long, k)
	}
	return long
}

// close ends all that are silent. Those with a request end behind its answer.
func (q *silence) close() {
	q.mu.Lock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
	var all []*kept
	for e := q.line.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*kept))
	}
	q.mu.Unlock()
	for _, k := range all {
		if k.begin() {
			k.end()
		}
	}
}
