// Package presence knows who is in a room: users, not sockets. A user with three
// tabs is there once, and a user whose connection breaks for a moment does not
// leave.
package presence

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"gatehouse/handshake"
)

// Member is a user in a room.
type Member struct {
	Key   handshake.UserKey `json:"-"`
	User  string            `json:"user"` // what others know the user by
	Name  string            `json:"name"`
	State json.RawMessage   `json:"state,omitempty"` // of the user's own choice
}

// Kind says what changed.
type Kind int

// The kinds of changes.
const (
	Joined Kind = iota
	Left
	StateSet
)

// Change is a change in a room that its members are told about.
type Change struct {
	Kind   Kind
	Member Member
	Count  int // users in the room now
}

// Tracker keeps the rooms of one namespace. It is safe for concurrent use.
type Tracker struct {
	grace    time.Duration
	announce func(room string, c Change)

	mu    sync.Mutex // guards what follows; held while a change is announced, so that changes come in order
	rooms map[string]*room
}

type room struct {
	users  map[handshake.UserKey]*user
	sorted []*user // sorted by the text of User, for pages; kept up to date by each change
}

type user struct {
	Member
	sockets map[string]struct{}
	leaving *time.Timer // while no socket is left
}

// New returns an empty tracker. A user whose last socket leaves stays for grace,
// unless the client says good-bye. announce is called for each change, one after the
// other; it must not block and not call back.
func New(grace time.Duration, announce func(room string, c Change)) *Tracker {
	return &Tracker{grace: grace, announce: announce, rooms: map[string]*room{}}
}

// Enter adds a socket of a user to a room.
func (t *Tracker) Enter(name string, m Member, socket string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[name]
	if r == nil {
		r = &room{users: map[handshake.UserKey]*user{}}
		t.rooms[name] = r
	}
	u := r.users[m.Key]
	if u != nil {
		u.sockets[socket] = struct{}{}
		if u.leaving != nil {
			u.leaving.Stop()
			u.leaving = nil
		}
		return
	}
	u = &user{Member: m, sockets: map[string]struct{}{socket: {}}}
	r.users[m.Key] = u
	i, _ := r.find(m.User)
	r.sorted = slices.Insert(r.sorted, i, u)
	t.announce(name, Change{Joined, m, len(r.users)})
}

func (r *room) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.sorted, name, func(u *user, name string) int {
		switch {
		case u.User < name:
			return -1
		case u.User > name:
			return 1
		}
		return 0
	})
}

// Leave takes a socket out of a room. goodbye says that the client left on purpose:
// then the user is gone at once when no socket is left.
func (t *Tracker) Leave(name string, key handshake.UserKey, socket string, goodbye bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[name]
	if r == nil {
		return
	}
	u := r.users[key]
	if u == nil {
		return
	}
	delete(u.sockets, socket)
	switch {
	case len(u.sockets) > 0 || u.leaving != nil && !goodbye:
	case goodbye || t.grace <= 0:
		t.removeLocked(name, r, u)
	default:
		u.leaving = time.AfterFunc(t.grace, func() { t.lapse(name, u) })
	}
}

// lapse ends the stay of a user who did not come back.
func (t *Tracker) lapse(name string, u *user) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[name]
	if r == nil || r.users[u.Key] != u || u.leaving == nil || len(u.sockets) > 0 {
		return
	}
	t.removeLocked(name, r, u)
}

func (t *Tracker) removeLocked(name string, r *room, u *user) {
	if u.leaving != nil {
		u.leaving.Stop()
	}
	delete(r.users, u.Key)
	r.sorted = slices.DeleteFunc(r.sorted, func(other *user) bool { return other == u })
	if len(r.users) == 0 {
		delete(t.rooms, name)
	}
	t.announce(name, Change{Left, u.Member, len(r.users)})
}

// SetState changes a user's state and says whether the user is in the room.
func (t *Tracker) SetState(name string, key handshake.UserKey, state json.RawMessage) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.rooms[name]
	if r == nil {
		return false
	}
	u := r.users[key]
	if u == nil {
		return false
	}
	u.State = state
	t.announce(name, Change{StateSet, u.Member, len(r.users)})
	return true
}

// Count returns how many users are in a room.
func (t *Tracker) Count(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.rooms[name]; r != nil {
		return len(r.users)
	}
	return 0
}

// Members returns users of a room in the order of their User: at most limit of those
// after the name after, and whether there are more.
func (t *Tracker) Members(name, after string, limit int) (members []Member, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	members = []Member{}
	r := t.rooms[name]
	if r == nil {
		return members, false
	}
	i, found := r.find(after)
	if found {
		i++
	}
	for ; i < len(r.sorted) && len(members) < limit; i++ {
		members = append(members, r.sorted[i].Member)
	}
	return members, i < len(r.sorted)
}

// Close stops all timers. No changes are announced any more.
func (t *Tracker) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rooms {
		for _, u := range r.users {
			if u.leaving != nil {
				u.leaving.Stop()
			}
		}
	}
	t.rooms = map[string]*room{}
}
