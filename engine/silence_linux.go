package engine

import (
	"cmp"
	"container/list"
	"sync"
	"time"
)

// silence lists kept connections that are between two requests. When there are too many, the one that
// has been silent for longest is closed; those that are silent for too long are closed too, as by an
// http.Server. net/http does not get them: it would take them for new connections and wait only as long
// as for a first request, while a proxy may still use them.
type silence struct {
	srv *Server // fixed

	mu      sync.Mutex    // guards what follows, and kept.place and kept.since
	longest time.Duration // that one may be there
	line    list.List     // elements are *kept, the longest silent first
	timer   *time.Timer
	closed  bool
}

// defaultIdleTimeout is more than the 60 s after which proxies close their connections.
const defaultIdleTimeout = 75 * time.Second

func newSilence(srv *Server) silence {
	return silence{srv: srv, longest: cmp.Or(srv.cfg.IdleTimeout, defaultIdleTimeout)}
}

// add lists a connection as the newest. It reports false when connections are not kept any more.
func (q *silence) add(k *kept) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.srv.silent.Add(1)
	k.since, k.place = time.Now(), q.line.PushBack(k)
	switch {
	case q.line.Len() > q.srv.limits().silent:
		q.srv.spawn(q.oneTooManyLocked().dismiss)
	case q.timer == nil:
		q.timer = time.AfterFunc(q.longest, q.look)
	}
	return true
}

// oneTooManyLocked takes the longest silent connection off the list, to be closed; there
// must be one.
func (q *silence) oneTooManyLocked() *kept {
	k := q.line.Front().Value.(*kept)
	q.removeLocked(k)
	q.srv.cuts.silent.Add(1)
	return k
}

// endLongest closes the longest silent connection, and reports whether there was one.
func (q *silence) endLongest() bool {
	q.mu.Lock()
	if q.line.Len() == 0 {
		q.mu.Unlock()
		return false
	}
	k := q.oneTooManyLocked()
	q.mu.Unlock()
	k.dismiss()
	return true
}

// remove takes a connection off the list, if it is there.
func (q *silence) remove(k *kept) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if k.place != nil {
		q.removeLocked(k)
	}
}

func (q *silence) removeLocked(k *kept) {
	q.line.Remove(k.place)
	k.place = nil
	q.srv.silent.Add(-1)
}

// look is what the timer does.
func (q *silence) look() { q.srv.spawn(q.sweep) }

// sweep closes the connections that have said nothing for too long.
func (q *silence) sweep() {
	for _, k := range q.due() {
		k.dismiss()
	}
}

// due returns the connections that have said nothing for too long, and sets the timer for the next one.
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

// close ends all silent connections. One with a request under way ends after its answer.
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
