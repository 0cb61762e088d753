package chat

import (
	"container/list"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/namespaces"
)

// room is one room. Whoever changes it or sends to it holds mu: that is what gives messages, members and history one order.
type room struct {
	name string

	mu        sync.Mutex // guards what follows
	members   members
	history   history
	nonces    nonces
	forgotten bool // no longer among the rooms; nobody can join any more

	// Guarded by rooms.mu.
	parked  *list.Element // in rooms.empty
	emptied time.Time
}

// rooms are the rooms of a chat. Lock order: rooms.mu, room.mu, then the locks of package namespaces.
type rooms struct {
	cfg   *Config
	bytes atomic.Int64 // of all histories and nonces

	ids sync.Mutex // guards id; a leaf
	id  uint64     // the last one given out

	mu    sync.Mutex // guards what follows
	named map[string]*room
	empty *list.List // of *room, the one that is empty for longest first
}

func (rs *rooms) init(cfg *Config) {
	rs.cfg, rs.named, rs.empty = cfg, make(map[string]*room), list.New()
}

// stamp is the id of a message and its time.
type stamp struct {
	id uint64
	at int64 // milliseconds since 1970
}

// text is the id as clients see it: later ones are greater as texts too.
func (s stamp) text() string { return fmt.Sprintf("%016x", s.id) }

// sent is the acknowledgement of the message.
func (s stamp) sent() sent { return sent{true, s.text(), s.at} }

// stamp returns the id of the next message and its time. Ids grow, across restarts too as long as the clock does.
func (rs *rooms) stamp() stamp {
	const perMilli = 16 // bits
	rs.ids.Lock()
	defer rs.ids.Unlock()
	at := rs.cfg.Now().UnixMilli()
	rs.id = max(rs.id+1, uint64(at)<<perMilli) //nolint:gosec // times are after 1970
	return stamp{rs.id, at}
}

// obtain returns a room and makes it if needed. It may be forgotten before the caller has locked it.
func (rs *rooms) obtain(name string) (*room, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.named[name]; r != nil {
		return r, nil
	}
	rs.expire()
	if len(rs.named) >= rs.cfg.MaxRooms && !rs.forgetOldest() {
		return nil, &namespaces.Error{Code: CodeTooManyRooms, Message: "There are too many rooms; join one of them."}
	}
	r := &room{name: name}
	r.members.init()
	r.history.init(rs.cfg.HistoryMessages, rs.cfg.HistoryBytes, &rs.bytes)
	r.nonces.init(rs.cfg.Nonces, &rs.bytes)
	rs.named[name] = r
	rs.park(r)
	return r, nil
}

// settle puts a room where it belongs after its first member has come or its last has gone.
func (rs *rooms) settle(r *room) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.mu.Lock()
	empty, forgotten := r.members.len() == 0, r.forgotten
	r.mu.Unlock()
	switch {
	case forgotten:
	case empty && r.parked == nil:
		rs.park(r)
	case !empty && r.parked != nil:
		rs.empty.Remove(r.parked)
		r.parked = nil
	}
	rs.expire()
}

// park lists an empty room. mu is held.
func (rs *rooms) park(r *room) {
	r.emptied = rs.cfg.Now()
	r.parked = rs.empty.PushBack(r)
}

// expire forgets the empty rooms that are too many or too old. mu is held.
func (rs *rooms) expire() {
	oldest := rs.cfg.Now().Add(-rs.cfg.EmptyFor)
	for first := rs.empty.Front(); first != nil; first = rs.empty.Front() {
		if rs.empty.Len() <= rs.cfg.EmptyRooms && !first.Value.(*room).emptied.Before(oldest) {
			return
		}
		rs.forgetOldest()
	}
}

// forgetOldest forgets the room that is empty for longest, and says whether there was one. mu is held.
func (rs *rooms) forgetOldest() bool {
	for first := rs.empty.Front(); first != nil; first = rs.empty.Front() {
		r := first.Value.(*room)
		rs.empty.Remove(first)
		r.parked = nil
		r.mu.Lock()
		r.forgotten = r.members.len() == 0 // somebody may just have come
		if r.forgotten {
			r.history.clear()
			r.nonces.clear()
		}
		forgotten := r.forgotten
		r.mu.Unlock()
		if forgotten {
			delete(rs.named, r.name)
			return true
		}
	}
	return false
}

// relieve keeps all histories and nonces together within their limit, after r got a message.
func (rs *rooms) relieve(r *room) {
	if !rs.full() {
		return
	}
	rs.mu.Lock()
	for rs.full() && rs.forgetOldest() {
		continue
	}
	rs.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for rs.full() && r.shed() {
		continue
	}
}

// shed gives up the oldest of what the room remembers, be it a message or the answer to one, and says whether there was any.
// The last of each always stays. mu is held.
func (r *room) shed() bool {
	switch {
	case r.nonces.len() > 1 && (r.history.len() <= 1 || r.nonces.answers[0].text() <= r.history.oldest()):
		r.nonces.forget(0, 1)
	case r.history.len() > 1:
		r.history.drop()
	default:
		return false
	}
	return true
}

func (rs *rooms) full() bool { return rs.bytes.Load() > int64(rs.cfg.HistoryTotal) }
