package chat

import (
	"gatehouse/handshake"
	"gatehouse/packet"
)

// user is a member with its key.
type user struct {
	Member
	key handshake.UserKey
}

// attendance is a user in a room, with the user's sockets there.
type attendance struct {
	user
	pos  int // in members.order
	tabs map[string]struct{}
}

// members are the users of a room.
type members struct {
	byKey map[handshake.UserKey]*attendance
	order []*attendance

	list []byte // the first members as JSON with commas between them, as long as that is valid
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
		if m.list != nil && p.pos < maxMembers {
			m.put(p)
		}
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
	if p.pos < maxMembers {
		m.list = nil
	}
	end := len(m.order) - 1
	m.order[p.pos] = m.order[end]
	m.order[p.pos].pos = p.pos
	m.order[end] = nil
	m.order = m.order[:end]
	return p.user, true
}

// first returns the first [maxMembers] as JSON with commas between them. The text is shared, and changes with the members.
func (m *members) first() []byte {
	if m.list == nil {
		for _, p := range m.order[:min(maxMembers, len(m.order))] {
			m.put(p)
		}
	}
	return m.list
}

// put appends a member to the list.
func (m *members) put(p *attendance) {
	args, err := packet.NewArgs(p.Member)
	if err != nil {
		panic(err) // two strings
	}
	if len(m.list) > 0 {
		m.list = append(m.list, ',')
	}
	m.list = args.AppendJSON(m.list)
}
