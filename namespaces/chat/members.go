package chat

import "gatehouse/handshake"

// user is a member with its key.
type user struct {
	Member
	key handshake.UserKey
}

// attendance is a user in a room and the sockets it is there with.
type attendance struct {
	user
	pos  int // in members.order
	tabs map[string]struct{}
}

// members are the users of a room.
type members struct {
	byKey map[handshake.UserKey]*attendance
	order []*attendance
}

func (m *members) init() { m.byKey = make(map[handshake.UserKey]*attendance) }

func (m *members) len() int { return len(m.order) }

// add adds a socket of a user and says whether it is the user's first one.
func (m *members) add(u user, tab string) (first bool) {
	p := m.byKey[u.key]
	if p == nil {
		first = true
		p = &attendance{user: u, pos: len(m.order), tabs: make(map[string]struct{}, 1)}
		m.byKey[u.key] = p
		m.order = append(m.order, p)
	}
	p.tabs[tab] = struct{}{}
	return first
}

// remove removes a socket of a user; last says that the user had no other, and has left.
func (m *members) remove(key handshake.UserKey, tab string) (u user, last bool) {
	p := m.byKey[key]
	if p == nil {
		return user{}, false
	}
	delete(p.tabs, tab)
	if len(p.tabs) > 0 {
		return p.user, false
	}
	delete(m.byKey, key)
	end := len(m.order) - 1
	m.order[p.pos] = m.order[end]
	m.order[p.pos].pos = p.pos
	m.order[end] = nil
	m.order = m.order[:end]
	return p.user, true
}

// first returns up to n members.
func (m *members) first(n int) []Member {
	out := make([]Member, min(n, len(m.order)))
	for i := range out {
		out[i] = m.order[i].Member
	}
	return out
}
