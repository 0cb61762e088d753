package namespaces

import (
	"sync"
	"time"

	"gatehouse/packet"
)

// Backlogged is a [Conn] that tells how much waits for its client. With such connections, a client that sends to a room
// faster than the members read is slowed down before the members are cut: see [Broadcast.By].
type Backlogged interface {
	// Backlog returns how full the client's send queue is, in eighths. It is called with locks held, as Send is.
	Backlog() int
}

// crowd counts how far behind the receivers of a broadcast with a cause are. In a large room it looks at some of them only.
type crowd struct {
	every  int // one of so many receivers is asked
	seen   int
	asked  int
	levels [backlogLevels + 1]int
}

const (
	backlogLevels = 8  // eighths
	crowdSample   = 32 // after so many were asked, only every second is asked that would have been
)

// note asks a receiver.
func (c *crowd) note(s *Socket) {
	c.seen++
	if c.every == 0 {
		c.every = 1
	}
	if c.seen%c.every != 0 {
		return
	}
	b, ok := s.conn.(Backlogged)
	if !ok || s.ns.recovers() && !s.present() {
		return
	}
	c.asked++
	c.levels[min(max(b.Backlog(), 0), backlogLevels)]++
	if c.asked%crowdSample == 0 {
		c.every *= 2
	}
}

// level returns how far at least a quarter of the receivers is behind. If fewer are slow, they slow down nobody, and
// are cut in the end.
func (c *crowd) level() int {
	behind := 0
	for level := backlogLevels; level > 0; level-- {
		if behind += c.levels[level]; behind*4 >= c.asked && behind > 0 {
			return level
		}
	}
	return 0
}

// crowdRate is what a user may send to rooms that are an eighth behind, in bytes a second. With each further eighth it is half
// of that.
const crowdRate = 256 << 10

// crowded delays the next event of s, because its user has sent to a room that is behind.
func (p *pace) crowded(s *Socket, size, level int) {
	cost := time.Duration(size) * time.Second / crowdRate << (level - 1)
	now := time.Now()
	a, shard := p.account(s.owner, now)
	wait := a.crowded.Spend(now, cost, 0, maxPause)
	shard.mu.Unlock()
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.done || s.due&resting != 0 {
		return
	}
	s.due |= owing
	p.rests.set(s, now.Add(wait))
}

// rests are the waits of senders before their next events. They are kept here, not in each socket, because few sockets ever
// wait.
type rests struct {
	mu  sync.Mutex // guards what follows; a leaf
	all map[*Socket]*rest
}

type rest struct {
	until time.Time
	timer *time.Timer // nil until the wait has begun
}

func (r *rests) set(s *Socket, until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[*Socket]*rest)
	}
	r.all[s] = &rest{until: until}
}

// take removes the wait of s.
func (r *rests) take(s *Socket) *rest {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.all[s]
	delete(r.all, s)
	return one
}

func (r *rests) put(s *Socket, one *rest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[s] = one
}

// restLocked begins the wait of s, and reports whether it has one: then the queue goes on when the wait is over. The
// client's mu is held.
func (s *Socket) restLocked() bool {
	if s.due&owing == 0 {
		return false
	}
	s.due &^= owing
	rests, hub := &s.ns.hub.pace.rests, s.ns.hub
	one := rests.take(s)
	wait := time.Until(one.until)
	if wait <= 0 || s.done {
		return false
	}
	s.due |= resting
	hub.hooks.clientSlowed(s, SlowRoom, wait)
	hub.tasks.Hold()
	one.timer = time.AfterFunc(wait, func() {
		defer hub.tasks.Release()
		s.client.mu.Lock()
		defer s.client.mu.Unlock()
		s.goOnLocked()
	})
	rests.put(s, one)
	return true
}

// goOnLocked ends the wait of s, if it waits, and has its queue emptied. The client's mu is held.
func (s *Socket) goOnLocked() {
	if s.due&resting == 0 {
		return
	}
	s.due &^= resting
	if one := s.ns.hub.pace.rests.take(s); one.timer.Stop() {
		s.ns.hub.tasks.Release()
	}
	s.ns.hub.turns.start(s)
}

// lapseRestLocked forgets the wait of a socket that ends. The client's mu is held.
func (s *Socket) lapseRestLocked() {
	s.goOnLocked()
	if s.due&owing != 0 {
		s.due &^= owing
		s.ns.hub.pace.rests.take(s)
	}
}

// frameSize is the size of a packet in bytes, in the first of its encodings.
func (f *frames) frameSize() int {
	for _, frame := range f.made {
		if frame != nil {
			return frameBytes(frame)
		}
	}
	return 0
}

func frameBytes(f *packet.Frame) int {
	n := len(f.Text)
	for _, a := range f.Attachments {
		n += len(a)
	}
	return n
}
