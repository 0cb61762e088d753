package namespaces

import (
	"sync"
	"time"
)

// registry lists the connections. Those in no namespace are pending and have a deadline; as all deadlines are equally long,
// they stand in the order of a queue, and one timer serves them all.
type registry struct {
	// Fixed once made.
	epoch time.Time     // the times of clients count from here
	wake  chan struct{} // signals that the queue is not empty any more, or that the timeout has changed
	stop  chan struct{}

	mu       sync.Mutex // guards what follows, and the links of clients; a leaf
	timeout  time.Duration
	max      int
	pending  clientList
	admitted clientList
	closed   bool
}

// clientList is a doubly linked list through Client.link.
type clientList struct {
	first, last *Client
	len         int
}

// link is a client's place in the registry.
type link struct {
	list       *clientList // nil: in none
	prev, next *Client
	since      time.Duration // when it became pending, counted from the registry's epoch
}

func (r *registry) init(timeout time.Duration, most int) {
	r.epoch, r.timeout, r.max = time.Now(), timeout, most
	r.wake = make(chan struct{}, 1)
	r.stop = make(chan struct{})
}

// add lists a new client as pending. It returns false when the hub is closed.
func (r *registry) add(c *Client) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	c.hub.tasks.Hold() // until the client has ended all its sockets; Hub.Close still holds its own count
	c.held = true
	r.enqueueLocked(c)
	return true
}

// excess returns the oldest pending client while there are too many, or nil. Closing it takes it out of the list.
func (r *registry) excess() *Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending.len <= r.max {
		return nil
	}
	return r.pending.first
}

// oldest returns the client that has been pending for longest, or nil when that is shorter than the given time.
func (r *registry) oldest(atLeast time.Duration) *Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.pending.first
	if c == nil || time.Since(r.epoch)-c.link.since < atLeast {
		return nil
	}
	return c
}

// enqueueLocked starts the deadline of c.
func (r *registry) enqueueLocked(c *Client) {
	c.link.since = time.Since(r.epoch)
	r.pending.push(c)
	if r.pending.len == 1 {
		r.rouseLocked()
	}
}

// rouseLocked wakes closeLate to look again.
func (r *registry) rouseLocked() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// set changes the limits, also for clients that are pending already.
func (r *registry) set(timeout time.Duration, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timeout, r.max = timeout, most
	r.rouseLocked()
}

// admit ends the deadline of c.
func (r *registry) admit(c *Client) { r.move(c, &r.pending, func() { r.admitted.push(c) }) }

// suspend begins a new deadline for c, which has left its last namespace.
func (r *registry) suspend(c *Client) { r.move(c, &r.admitted, func() { r.enqueueLocked(c) }) }

// move takes c out of a list, and push puts it into another one. A client that is not in the list, because it has moved
// or ended meanwhile, stays where it is.
func (r *registry) move(c *Client, from *clientList, push func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.link.list == from {
		from.remove(c)
		push()
	}
}

// remove forgets c.
func (r *registry) remove(c *Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.link.list != nil {
		c.link.list.remove(c)
	}
}

// left returns how much time a client has to enter a namespace, and false when it is in one. Without time left it is about to
// be closed.
func (r *registry) left(c *Client) (left time.Duration, pending bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.link.list != &r.pending {
		return 0, false
	}
	return max(0, c.link.since+r.timeout-time.Since(r.epoch)), true
}

// late returns a client whose deadline has passed, or how long the next client still has; 0 when there is none. Closing
// the client takes it out of the list.
func (r *registry) late() (late *Client, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.pending.first
	if c == nil {
		return nil, 0
	}
	if left := c.link.since + r.timeout - time.Since(r.epoch); left > 0 {
		return nil, left
	}
	return c, 0
}

// close takes all clients and lets no more in. It returns false when it was called before.
func (r *registry) close() (all []*Client, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, false
	}
	r.closed = true
	close(r.stop)
	for _, list := range []*clientList{&r.pending, &r.admitted} {
		for list.first != nil {
			all = append(all, list.first)
			list.remove(list.first)
		}
	}
	return all, true
}

// all returns the connections, pending ones included.
func (r *registry) all() []*Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Client, 0, r.pending.len+r.admitted.len)
	for _, list := range []*clientList{&r.pending, &r.admitted} {
		for c := list.first; c != nil; c = c.link.next {
			all = append(all, c)
		}
	}
	return all
}

func (r *registry) count() (all, pending int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending.len + r.admitted.len, r.pending.len
}

func (l *clientList) push(c *Client) {
	c.link.list, c.link.prev, c.link.next = l, l.last, nil
	if l.last != nil {
		l.last.link.next = c
	} else {
		l.first = c
	}
	l.last = c
	l.len++
}

func (l *clientList) remove(c *Client) {
	if c.link.prev != nil {
		c.link.prev.link.next = c.link.next
	} else {
		l.first = c.link.next
	}
	if c.link.next != nil {
		c.link.next.link.prev = c.link.prev
	} else {
		l.last = c.link.prev
	}
	c.link = link{}
	l.len--
}

// closeLate closes the connections that entered no namespace in time. It runs until the registry is closed.
func (h *Hub) closeLate() {
	timer := time.NewTimer(h.limits().ConnectTimeout)
	defer timer.Stop()
	for {
		late, next := h.registry.late()
		if late != nil {
			late.shut(closePolicy, "connect timeout", ReasonForcedServer)
			continue
		}
		if next > 0 {
			timer.Reset(next)
		}
		select {
		case <-timer.C:
		case <-h.registry.wake:
		case <-h.registry.stop:
			return
		}
	}
}
