package chat

import (
	"container/list"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// room is one room. mu is held for each change and each message, which gives messages, members and history one order.
type room struct {
	name  string
	owner *account // of who opened it
	held  tally    // what history and nonces take

	mu        sync.Mutex // guards what follows
	members   members
	history   history
	nonces    nonces
	users     int  // how many users were in the room on all nodes when a user of this node entered last; where nodes share their rooms
	forgotten bool // not in rooms.named any more; nobody can join it

	// Guarded by rooms.mu.
	parked  *list.Element // in rooms.empty
	emptied time.Time
}

// tally counts the bytes of a room's memory: for the room, for its owner, and for all rooms together.
type tally struct {
	room       atomic.Int64
	owner, all *atomic.Int64
}

func (t *tally) add(bytes int) {
	for _, count := range []*atomic.Int64{&t.room, t.owner, t.all} {
		count.Add(int64(bytes))
	}
}

// rooms are the rooms of a chat. Lock order: rooms.mu, room.mu, then the locks of package namespaces.
type rooms struct {
	cfg   *Config
	bytes atomic.Int64 // of all histories and nonces

	ids sync.Mutex // guards id; a leaf
	id  uint64     // the last one given out

	mu    sync.Mutex // guards what follows
	named map[string]*room
	users map[handshake.UserKey]*account
	empty *list.List // of *room, the one that is empty for longest first
	lost  lost
}

func (rs *rooms) init(cfg *Config) {
	rs.cfg, rs.named, rs.users, rs.empty = cfg, make(map[string]*room), make(map[handshake.UserKey]*account), list.New()
}

// stamp is the id of a message and its time.
type stamp struct {
	id uint64
	at int64 // milliseconds since 1970
}

// text is the id as clients see it: later ids are greater as texts too.
func (s stamp) text() string { return fmt.Sprintf("%016x", s.id) }

// sent is the acknowledgement of the message.
func (s stamp) sent() sent { return sent{true, s.text(), s.at} }

// stamp returns the id of the next message and its time. Ids grow, across restarts too as long as the clock does.
func (rs *rooms) stamp() stamp {
	const perMilli = 16 // bits
	rs.ids.Lock()
	defer rs.ids.Unlock()
	at := rs.cfg.Now().UnixMilli()
	rs.id = max(rs.id+1, uint64(at)<<perMilli) // times are after 1970
	return stamp{rs.id, at}
}

// obtain returns a room and makes it if needed, as one of the user's. It may be forgotten before the caller has locked it.
func (rs *rooms) obtain(name string, u *account) (*room, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.named[name]; r != nil {
		return r, nil
	}
	rs.expireLocked()
	if len(u.rooms) >= max(1, rs.cfg.MaxRooms/shareOfOne) && !rs.forgetOldestLocked(u) {
		return nil, &namespaces.Error{Code: CodeTooManyRooms, Message: "You have opened too many rooms; leave one of them, or join a room that is there."}
	}
	if len(rs.named) >= rs.cfg.MaxRooms && !rs.forgetOneLocked() {
		return nil, &namespaces.Error{Code: CodeTooManyRooms, Message: "There are too many rooms; join one of them."}
	}
	r := &room{name: name, owner: u, held: tally{owner: &u.bytes, all: &rs.bytes}}
	r.members.init()
	r.history.init(rs.cfg.HistoryMessages, rs.cfg.HistoryBytes, &r.held)
	r.history.cut = rs.lost.has(name)
	r.nonces.init(rs.cfg.Nonces, &r.held)
	rs.named[name] = r
	if u.rooms == nil {
		u.rooms = make(map[*room]struct{})
	}
	u.rooms[r] = struct{}{}
	rs.parkLocked(r)
	return r, nil
}

// settle lists a room as empty or not, after its last member has gone or its first has come.
func (rs *rooms) settle(r *room) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.mu.Lock()
	empty, forgotten := r.members.len() == 0, r.forgotten
	r.mu.Unlock()
	switch {
	case forgotten:
	case empty && r.parked == nil:
		rs.parkLocked(r)
	case !empty && r.parked != nil:
		rs.unparkLocked(r)
	}
	rs.expireLocked()
}

// occupied returns the names of the rooms that have members on this node.
func (rs *rooms) occupied() (names []string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for name, r := range rs.named {
		if r.parked == nil {
			names = append(names, name)
		}
	}
	return names
}

// parkLocked lists an empty room.
func (rs *rooms) parkLocked(r *room) {
	r.emptied = rs.cfg.Now()
	r.parked = rs.empty.PushBack(r)
	r.owner.empty++
}

// unparkLocked takes a room from the empty ones.
func (rs *rooms) unparkLocked(r *room) {
	rs.empty.Remove(r.parked)
	r.parked = nil
	r.owner.empty--
}

// expireLocked forgets the empty rooms that are too old or too many.
func (rs *rooms) expireLocked() {
	oldest := rs.cfg.Now().Add(-rs.cfg.EmptyFor)
	for first := rs.empty.Front(); first != nil && first.Value.(*room).emptied.Before(oldest); first = rs.empty.Front() {
		rs.forgetLocked(first.Value.(*room))
	}
	for rs.empty.Len() > rs.cfg.EmptyRooms {
		rs.forgetOneLocked()
	}
}

// forgetOneLocked forgets an empty room of the user who has the most of them, and says whether there was one.
func (rs *rooms) forgetOneLocked() bool {
	for u := rs.mostEmpty(); u != nil; u = rs.mostEmpty() {
		if rs.forgetOldestLocked(u) {
			return true
		}
	}
	return false
}

func (rs *rooms) mostEmpty() *account {
	return rs.largestLocked(func(u *account) int64 { return int64(u.empty) })
}

// forgetOldestLocked forgets the room of a user that is empty for longest, and says whether there was one.
func (rs *rooms) forgetOldestLocked(u *account) bool {
	for e := rs.empty.Front(); e != nil && u.empty > 0; {
		r := e.Value.(*room)
		e = e.Next()
		if r.owner == u && rs.forgetLocked(r) {
			return true
		}
	}
	return false
}

// forgetLocked forgets an empty room, unless somebody has just come into it; either way it is not listed as empty any
// more.
func (rs *rooms) forgetLocked(r *room) bool {
	rs.unparkLocked(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.members.len() > 0 {
		return false
	}
	r.forgotten = true
	if r.history.incomplete() || r.history.len() > 0 {
		rs.lost.add(r.name)
	}
	r.history.clear()
	r.nonces.clear()
	delete(rs.named, r.name)
	delete(r.owner.rooms, r)
	rs.closeLocked(r.owner)
	return true
}

// relieve keeps all histories and nonces together within their limit. The user whose rooms remember the most loses first
// the empty rooms, then the oldest entries of the largest. It frees some memory in one go, because the search for the
// largest takes time.
func (rs *rooms) relieve() {
	if !rs.full(0) {
		return
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !rs.full(0) {
		return // somebody else was here
	}
	spare := rs.cfg.HistoryTotal / 64
	for rs.full(spare) {
		u := rs.largestLocked(func(u *account) int64 { return u.bytes.Load() })
		if u == nil {
			return
		}
		if !rs.forgetOldestLocked(u) {
			rs.shed(u.largestLocked(), spare)
		}
	}
}

// full reports whether fewer than the given number of spare bytes are left.
func (rs *rooms) full(spare int) bool { return rs.bytes.Load() > int64(rs.cfg.HistoryTotal-spare) }

// largestLocked returns the room that remembers the most. rooms.mu is held; the account has rooms.
func (u *account) largestLocked() *room {
	var found *room
	for r := range u.rooms {
		if found == nil || r.held.room.Load() > found.held.room.Load() {
			found = r
		}
	}
	return found
}

// shed drops an eighth of what a room remembers, or less when that is enough.
func (rs *rooms) shed(r *room, spare int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	least := r.held.room.Load() * 7 / 8
	for rs.full(spare) && r.held.room.Load() > least && r.shedLocked() {
		continue
	}
}

// shedLocked drops the oldest entry of the room, a message or the answer to one, and reports whether there was any.
func (r *room) shedLocked() bool {
	switch {
	case r.nonces.len() > 0 && (r.history.len() == 0 || r.nonces.answers[0].text() <= r.history.oldest()):
		r.nonces.forget(0, 1)
	case r.history.len() > 0:
		r.history.drop()
	default:
		return false
	}
	return true
}
