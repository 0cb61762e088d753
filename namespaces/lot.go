package namespaces

import (
	"container/list"
	"sync"
	"time"

	"gatehouse/internal/ordered"
)

// lot holds the sockets that are parked: their transport is lost, and their clients may come back. One goroutine of the hub
// ends those whose time is over.
type lot struct {
	// Fixed once made.
	max  int
	stay time.Duration
	wake chan struct{} // signals that there is something to do earlier

	mu     sync.Mutex            // guards what follows, and berths; a leaf
	queue  *list.List            // of *berth, the one parked first at the front
	owners *ordered.Heap[*owner] // who has most first
	byKey  map[uint64]*owner
	over   []*Socket // had to make room
	closed bool
}

// berth is the place of a parked socket.
type berth struct {
	socket *Socket
	until  time.Time
	owner  *owner
	all    *list.Element // in the lot's queue
	own    *list.Element // in the owner's
}

// owner is a user with parked sockets, identified as by turns.ownerKey.
type owner struct {
	key   uint64
	queue *list.List    // of *berth
	place ordered.Place // in owners
}

// init makes an empty lot; without a time to stay nothing is ever parked.
func (l *lot) init(r Recovery) {
	l.max, l.stay = r.Parked, r.For
	l.wake = make(chan struct{}, 1)
	l.queue, l.byKey = list.New(), make(map[uint64]*owner)
	l.owners = ordered.New(func(a, b *owner) bool { return a.queue.Len() > b.queue.Len() }, func(o *owner) *ordered.Place { return &o.place })
}

// add parks a socket and returns its place, or nil when the hub closes. When there are too many, the oldest of the user
// with the most parked sockets has to go, so that a user with many costs others nothing.
func (l *lot) add(s *Socket) *berth {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.queue.Len() >= l.max {
		victim := l.owners.First().queue.Front().Value.(*berth)
		l.removeLocked(victim)
		l.over = append(l.over, victim.socket)
	}
	o := l.byKey[s.owner]
	if o == nil {
		o = &owner{key: s.owner, queue: list.New()}
		l.byKey[s.owner] = o
	}
	b := &berth{socket: s, until: time.Now().Add(l.stay), owner: o}
	b.all, b.own = l.queue.PushBack(b), o.queue.PushBack(b)
	l.owners.Set(o)
	if l.queue.Len() == 1 || len(l.over) > 0 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return b
}

// remove takes out a socket that is not parked any more.
func (l *lot) remove(b *berth) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeLocked(b)
}

func (l *lot) removeLocked(b *berth) {
	if b.all == nil {
		return
	}
	l.queue.Remove(b.all)
	b.owner.queue.Remove(b.own)
	b.all, b.own = nil, nil
	if b.owner.queue.Len() == 0 {
		l.owners.Remove(b.owner)
		delete(l.byKey, b.owner.key)
		return
	}
	l.owners.Set(b.owner)
}

// next removes and returns a socket whose time is over. When there is none, it returns nil and how long the first
// parked socket still has; zero when none is parked.
func (l *lot) next(now time.Time) (due *Socket, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.over); n > 0 {
		due = l.over[n-1]
		l.over[n-1] = nil
		l.over = l.over[:n-1]
		return due, 0
	}
	front := l.queue.Front()
	if front == nil {
		l.over = nil
		return nil, 0
	}
	b := front.Value.(*berth)
	if left = b.until.Sub(now); left > 0 {
		return nil, left
	}
	l.removeLocked(b)
	return b.socket, 0
}

// close returns the sockets that are parked and parks no more.
func (l *lot) close() []*Socket {
	all := l.all()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return all
}

// all returns the sockets that are parked.
func (l *lot) all() []*Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append(make([]*Socket, 0, l.queue.Len()+len(l.over)), l.over...)
	for e := l.queue.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*berth).socket)
	}
	return all
}

func (l *lot) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.Len()
}
