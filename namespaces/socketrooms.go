package namespaces

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// roomSet is the memberships of one socket: a list while they are few, which is nearly always, then a map as well.
type roomSet struct {
	list []*membership
	many map[string]*membership // nil while few
}

// fewRooms is up to how many memberships a list is searched.
const fewRooms = 8

// find returns the membership of a room, or nil; the set may be nil.
func (rs *roomSet) find(name string) *membership {
	if rs == nil {
		return nil
	}
	if rs.many != nil {
		return rs.many[name]
	}
	for _, m := range rs.list {
		if m.room.name == name {
			return m
		}
	}
	return nil
}

// add makes a membership. A nil set is made first and stored in owner.
func (rs *roomSet) add(r *room, owner **roomSet) *membership {
	if rs == nil {
		rs = new(roomSet)
		*owner = rs
	}
	m := &membership{room: r, pos: -1}
	rs.list = append(rs.list, m)
	switch {
	case rs.many != nil:
		rs.many[r.name] = m
	case len(rs.list) > fewRooms:
		rs.many = make(map[string]*membership, 2*fewRooms)
		for _, one := range rs.list {
			rs.many[one.room.name] = one
		}
	}
	return m
}

// remove forgets a membership.
func (rs *roomSet) remove(m *membership) {
	i := slices.Index(rs.list, m)
	last := len(rs.list) - 1
	rs.list[i], rs.list[last] = rs.list[last], nil
	rs.list = rs.list[:last]
	delete(rs.many, m.room.name)
}

func (rs *roomSet) len() int {
	if rs == nil {
		return 0
	}
	return len(rs.list)
}

// all returns the memberships; they are the set's own.
func (rs *roomSet) all() []*membership {
	if rs == nil {
		return nil
	}
	return rs.list
}

func (rs *roomSet) names() []string {
	if rs == nil {
		return nil
	}
	names := make([]string, len(rs.list))
	for i, m := range rs.list {
		names[i] = m.room.name
	}
	return names
}

// Rooms returns the rooms that the socket is in, in no order; after its end, those that it was in. Every socket can
// also be addressed by its id, as if that were a room; it is not listed. Give rooms whose names clients choose a
// prefix, so that no client can choose the id of a socket.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == connecting {
		return slices.Clone(s.admission.rooms)
	}
	return s.rooms.names()
}

// Joined reports whether the socket is in a room, or was when it ended.
func (s *Socket) Joined(room string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == connecting {
		return slices.Contains(s.admission.rooms, room)
	}
	return s.rooms.find(room) != nil
}

// Join puts the socket into rooms. During admission it takes effect with the admission. It returns ErrClosed when the
// socket has ended, and ErrRoomName or ErrTooManyRooms at the first room that cannot be joined; those before it are.
func (s *Socket) Join(rooms ...string) error {
	for _, name := range rooms {
		if name == "" || len(name) > s.ns.hub.limits().MaxRoomName || strings.HasPrefix(name, userPrefix) {
			return fmt.Errorf("join room: %w", ErrRoomName)
		}
		if err := s.joinHeir(name); err != nil {
			return fmt.Errorf("join room %q: %w", name, err)
		}
	}
	return nil
}

func (s *Socket) join(name string) error {
	if aside, err := s.joinAside(name); aside || err != nil {
		return err
	}
	s.ns.beginStep()
	r := s.ns.rooms.lock(name)
	joined, err := s.joinLocked(r)
	s.ns.rooms.unlock(r)
	s.ns.endStep()
	if joined {
		s.changed()
		s.ns.hooks.roomJoined(s, name)
	}
	return err
}

// joinHeir is join for a socket that may have been taken over from.
func (s *Socket) joinHeir(name string) error {
	err := s.join(name)
	if err != nil {
		if heir := s.heir(); heir != nil {
			return heir.join(name)
		}
	}
	return err
}

// joinAside notes a room for an admission. It returns false when there is no admission any more.
func (s *Socket) joinAside(name string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == ended:
		return false, ErrClosed
	case s.phase != connecting:
		return false, nil
	case slices.Contains(s.admission.rooms, name):
		return true, nil
	case len(s.admission.rooms) >= s.ns.hub.limits().MaxRooms:
		return true, ErrTooManyRooms
	}
	s.admission.rooms = append(s.admission.rooms, name)
	return true, nil
}

// joinLocked joins a room whose mu is held.
func (s *Socket) joinLocked(r *room) (joined bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.phase == ended:
		return false, ErrClosed
	case s.rooms.find(r.name) != nil:
		return false, nil
	case s.rooms.len() >= s.ns.hub.limits().MaxRooms:
		return false, ErrTooManyRooms
	}
	r.addLocked(s, s.rooms.add(r, &s.rooms))
	if s.journalLocked() != nil {
		s.noteJoinedLocked(r.name, s.ns.sessions.Place())
	}
	return true, nil
}

// move moves a socket for a broadcast, by the namespace's own rules if it has some.
func (ns *Namespace) move(s *Socket, leave, join []string) {
	if ns.mover != nil {
		ns.mover(s, leave, join)
		return
	}
	s.Leave(leave...)
	_ = s.Join(join...)
}

// LeaveAll takes the socket out of all rooms. Its id goes on addressing it.
func (s *Socket) LeaveAll() { s.Leave(s.Rooms()...) }

// Leave takes the socket out of rooms; it is no error when it is in none of them.
func (s *Socket) Leave(rooms ...string) {
	for _, name := range rooms {
		for one := s; one != nil && !one.leave(name); {
			one = one.heir() // the socket that has taken over, maybe just now
		}
	}
}

// leave returns whether the socket was in the room and could leave it.
func (s *Socket) leave(name string) (left bool) {
	s.mu.Lock()
	if s.phase == connecting {
		s.admission.rooms = slices.DeleteFunc(s.admission.rooms, func(r string) bool { return r == name })
	}
	m := s.rooms.find(name)
	s.mu.Unlock()
	if m == nil {
		return false
	}
	r := m.room
	s.ns.beginStep()
	r.mu.Lock()
	left = s.leaveLocked(m)
	s.ns.rooms.unlock(r)
	s.ns.endStep()
	if left {
		s.changed()
		s.ns.hooks.roomLeft(s, name)
	}
	return left
}

// leaveLocked leaves a room whose mu is held. Somebody else may have done so meanwhile, or the socket ended.
func (s *Socket) leaveLocked(m *membership) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == ended || !m.room.takeLocked(m) {
		return false
	}
	s.rooms.remove(m)
	if j := s.journalLocked(); j != nil {
		j.leave(m.room.name, s.ns.sessions.Place(), s.kept.last())
	}
	return true
}

// remove takes an ended socket out of the index. Its memberships stay readable: nothing changes them after the end.
func (ns *Namespace) remove(s *Socket) { ns.removeWhere(s, locked) }

// tryRemove is remove for callers that must not wait: it returns false when a broadcast, or somebody else, holds a
// room; remove must then follow.
func (ns *Namespace) tryRemove(s *Socket) bool { return ns.removeWhere(s, (*sync.Mutex).TryLock) }

func locked(mu *sync.Mutex) bool { mu.Lock(); return true }

// removeWhere takes an ended socket out of the rooms that lock can lock, up to the first that it cannot.
func (ns *Namespace) removeWhere(s *Socket, lock func(*sync.Mutex) bool) bool {
	ns.sockets.change(s.id, func(now *Socket) (*Socket, bool) { return now, now != nil && now != s })
	ns.removeUser(s)
	if !lock(&ns.everyone.mu) {
		return false
	}
	ns.everyone.takeLocked(&s.place)
	ns.everyone.mu.Unlock()
	for _, m := range s.rooms.all() {
		r := m.room
		if !lock(&r.mu) {
			return false
		}
		left := r.takeLocked(m)
		ns.rooms.unlock(r)
		if left {
			ns.hooks.roomLeft(s, r.name)
		}
	}
	return true
}
