package namespaces

import (
	"cmp"
	"iter"
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
	known   bool // the hooks have been told of it
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

// addLocked appends a member.
func (r *room) addLocked(s *Socket, at *membership) {
	at.room, at.pos = r, len(r.members)
	r.members = append(r.members, member{s, at})
}

// takeLocked removes the member at the given membership and says whether it was one.
func (r *room) takeLocked(at *membership) bool {
	if at.room != r || at.pos < 0 {
		return false
	}
	last := len(r.members) - 1
	r.members[at.pos] = r.members[last]
	r.members[at.pos].at.pos = at.pos
	r.members[last] = member{}
	r.members = r.members[:last]
	at.pos = -1
	r.shrinkLocked()
	return true
}

// shrinkLocked gives memory back after a crowd has gone.
func (r *room) shrinkLocked() {
	const small, slack = 64, 4
	if cap(r.members) > small && cap(r.members) > slack*len(r.members) {
		r.members = append(make([]member, 0, 2*len(r.members)), r.members...)
	}
}

// roomIndex finds the rooms of a namespace by name.
type roomIndex struct {
	byName index[*room]
	seq    atomic.Uint64
	watch  func(name string)             // nil, or called when rooms come and go; fixed once mounted
	told   func(name string, there bool) // nil, or calls the hooks; fixed once mounted
}

// find returns a room that exists, or nil.
func (x *roomIndex) find(name string) *room { return x.byName.find(name) }

// obtain returns a room. It makes one if there is none, or only the dead room that the caller has seen. The room may
// die before the caller has locked it: the caller then tries again and names it as the dead one.
func (x *roomIndex) obtain(name string, dead *room) (r *room) {
	if r := x.find(name); r != nil && r != dead {
		return r
	}
	made := false
	x.byName.change(name, func(old *room) (*room, bool) {
		if r = old; r == nil || r == dead {
			r, made = &room{name: name, seq: x.seq.Add(1)}, true
		}
		return r, true
	})
	if made && x.watch != nil {
		x.watch(name)
	}
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
	if there := len(r.members) > 0; x.told != nil && there != r.known && !r.permanent {
		r.known = there
		x.told(r.name, there)
	}
	r.mu.Unlock()
	if !dies {
		return
	}
	x.byName.change(r.name, func(now *room) (*room, bool) { return now, now != nil && now != r })
	if x.watch != nil {
		x.watch(r.name)
	}
}

// names iterates over the names of the rooms.
func (x *roomIndex) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := range x.byName.all() {
			if !yield(name) {
				return
			}
		}
	}
}

// bySeq is the order in which several rooms are locked, everywhere.
func bySeq(a, b *room) int { return cmp.Compare(a.seq, b.seq) }

// lockAll sorts rooms by bySeq and locks them.
func lockAll(rooms []*room) {
	slices.SortFunc(rooms, bySeq)
	for _, r := range rooms {
		r.mu.Lock()
	}
}

// lockMany returns rooms that are alive and locked, with extra among them, in the order of bySeq. The names are distinct.
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
