package bridge

import (
	"slices"
	"time"
)

// question is an event of the application's that awaits its acknowledgement. Ids
// are counted per namespace.
type question struct {
	namespace string
	id        uint64
	since     time.Time
}

// maxQuestions is how many questions to one client are remembered. When there are more,
// the oldest count as given up.
const maxQuestions = 256

// asks notes that the application awaits an acknowledgement: it can only come
// when the client is read.
func (c *conn) asks(namespace string, id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dropped {
		return
	}
	if len(c.asked) == maxQuestions {
		c.asked = slices.Delete(c.asked, 0, 1)
	}
	c.asked = append(c.asked, question{namespace, id, time.Now()})
	c.throttleLocked()
}

// answeredLocked settles a question. An acknowledgement without a question is
// late or made up, and changes nothing.
func (c *conn) answeredLocked(namespace string, id uint64) {
	i := slices.IndexFunc(c.asked, func(q question) bool { return q.id == id && q.namespace == namespace })
	if i >= 0 {
		c.asked = slices.Delete(c.asked, i, i+1)
	}
	if len(c.asked) == 0 {
		c.asked = nil // an idle connection keeps no memory for questions
	}
}

// awaitingLocked reports whether a listener may be waiting for its client. The library
// does not tell when an application gives up, so questions that ended without an answer
// are dropped here, from the newest back to the first that is open.
func (c *conn) awaitingLocked() bool {
	for last := len(c.asked) - 1; last >= 0; last-- {
		if c.openLocked(&c.asked[last]) {
			return true
		}
		c.asked = c.asked[:last]
	}
	c.asked = nil
	return false
}

// openLocked reports whether a listener may still take the answer. When Timeout ends,
// the library forgets a socket's question, but not a broadcast's; EventWait ends those,
// as no event waits longer for the listener that asked.
func (c *conn) openLocked(q *question) bool {
	s := c.seats[q.namespace]
	if s == nil || s.gone || s.socket == nil {
		return false
	}
	_, kept := s.socket.Acks().Load(q.id)
	return kept && time.Since(q.since) < c.srv.cfg.EventWait
}
