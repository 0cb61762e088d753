package namespaces

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// room is a set of sockets of this node with one order of what is sent to it: mu is held while frames are queued.
type room struct {
	name      string
	seq       uint64 // unique in the index: several rooms are locked in this order
	permanent bool   // stays when empty: everyone

	mu      sync.Mutex // guards what follows
	members []member
	dead    bool // empty and on its way out of the index; nobody can join any more
}

// member is a socket's entry in a room; the membership is the other end of it.
type member struct {
	socket *Socket
	at     *membership
}

// membership is a room's entry in a socket.
type membership struct {
	room *room
	pos  int // in room.members; -1 when not in it; guarded by room.mu
}

// add appends a member. mu is held.
func (r *room) add(s *Socket, at *membership) {
	at.room, at.pos = r, len(r.members)
	r.members = append(r.members, member{s, at})
}

// take removes the member at the given membership and says whether it was one. mu is held.
func (r *room) take(at *membership) bool {
	if at.room != r || at.pos < 0 {
		return false
	}
	last := len(r.members) - 1
	r.members[at.pos] = r.members[last]
	r.members[at.pos].at.pos = at.pos
	r.members[last] = member{}
	r.members = r.members[:last]
	at.pos = -1
	r.shrink()
	return true
}

// shrink gives memory back after a crowd has gone. mu is held.
func (r *room) shrink() {
	const small, slack = 64, 4
	if cap(r.members) > small && cap(r.members) > slack*len(r.members) {
		r.members = append(make([]member, 0, 2*len(r.members)), r.members...)
	}
}

// shards is the number of parts of an index, so that joins in different rooms seldom meet.
const shards = 32

// roomIndex finds the rooms of a namespace by name.
type roomIndex struct {
	seed   maphash.Seed
	seq    atomic.Uint64
	shards [shards]struct {
		mu    sync.RWMutex // a leaf
		rooms map[string]*room
	}
}

func (x *roomIndex) init() {
	x.seed = maphash.MakeSeed()
	for i := range x.shards {
		x.shards[i].rooms = make(map[string]*room)
	}
}

// find returns a room that exists, or nil.
func (x *roomIndex) find(name string) *room {
	shard := &x.shards[maphash.String(x.seed, name)%shards]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.rooms[name]
}

// obtain returns a room and makes it if needed, or if the one there is was seen to be dead. It may die before the caller
// has locked it: then the caller tries again with it.
func (x *roomIndex) obtain(name string, dead *room) *room {
	shard := &x.shards[maphash.String(x.seed, name)%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if r := shard.rooms[name]; r != nil && r != dead {
		return r
	}
	r := &room{name: name, seq: x.seq.Add(1)}
	shard.rooms[name] = r
	return r
}

// lock returns a room that is alive, locked.
func (x *roomIndex) lock(name string) *room {
	r := x.obtain(name, nil)
	for {
		r.mu.Lock()
		if !r.dead {
			return r
		}
		r.mu.Unlock()
		r = x.obtain(name, r)
	}
}

// unlock unlocks a room and forgets it when it is empty.
func (x *roomIndex) unlock(r *room) {
	dies := len(r.members) == 0 && !r.permanent && !r.dead
	if dies {
		r.dead = true
	}
	r.mu.Unlock()
	if !dies {
		return
	}
	shard := &x.shards[maphash.String(x.seed, r.name)%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.rooms[r.name] == r {
		delete(shard.rooms, r.name)
	}
}

// count returns the number of rooms.
func (x *roomIndex) count() int {
	n := 0
	for i := range x.shards {
		shard := &x.shards[i]
		shard.mu.RLock()
		n += len(shard.rooms)
		shard.mu.RUnlock()
	}
	return n
}

// lockAll locks rooms in the one order that all who lock several use.
func lockAll(rooms []*room) {
	slices.SortFunc(rooms, func(a, b *room) int {
		switch {
		case a.seq < b.seq:
			return -1
		case a.seq > b.seq:
			return 1
		default:
			return 0
		}
	})
	for _, r := range rooms {
		r.mu.Lock()
	}
}

// lockMany returns rooms that are alive and locked, with extra among them. The names are distinct.
func (x *roomIndex) lockMany(names []string, extra *room) []*room {
	rooms := make([]*room, 0, len(names)+1)
	for _, name := range names {
		rooms = append(rooms, x.obtain(name, nil))
	}
	rooms = append(rooms, extra)
	for {
		lockAll(rooms)
		if !slices.ContainsFunc(rooms, func(r *room) bool { return r.dead }) {
			return rooms
		}
		for i, r := range rooms {
			dead := r.dead
			r.mu.Unlock()
			if dead {
				rooms[i] = x.obtain(r.name, r)
			}
		}
	}
}

// directory finds the sockets of a namespace by id.
type directory struct {
	seed   maphash.Seed
	shards [shards]struct {
		mu      sync.RWMutex // a leaf
		sockets map[string]*Socket
	}
}

func (d *directory) init() {
	d.seed = maphash.MakeSeed()
	for i := range d.shards {
		d.shards[i].sockets = make(map[string]*Socket)
	}
}

func (d *directory) find(id string) *Socket {
	shard := &d.shards[maphash.String(d.seed, id)%shards]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.sockets[id]
}

func (d *directory) add(s *Socket) {
	shard := &d.shards[maphash.String(d.seed, s.id)%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.sockets[s.id] = s
}

func (d *directory) remove(s *Socket) {
	shard := &d.shards[maphash.String(d.seed, s.id)%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.sockets[s.id] == s {
		delete(shard.sockets, s.id)
	}
}
