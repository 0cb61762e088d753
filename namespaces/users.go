package namespaces

import (
	"slices"
	"sync"

	"gatehouse/handshake"
)

// users counts the connections of each user, when there is a limit. A connection counts once for however many namespaces it
// is in.
type users struct {
	max int

	mu    sync.Mutex // guards what follows; a leaf
	byKey map[handshake.UserKey][]presence
}

// presence is a connection of a user. Those of one user stand in the order of their admission.
type presence struct {
	client  *Client
	sockets int
	gone    bool // the client has come back on another connection, and this one counts no more
}

// newUsers returns nil, which counts nothing, when there is no limit.
func newUsers(most int) *users {
	if most == 0 {
		return nil
	}
	return &users{max: most, byKey: make(map[handshake.UserKey][]presence)}
}

// add counts a socket that becomes admitted.
func (u *users) add(s *Socket) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.client.replaced {
		return // what it still enters must not push out who replaced it
	}
	key := s.Identity().User()
	list := u.byKey[key]
	if i := find(list, s.client); i >= 0 {
		list[i].sockets++
		return
	}
	u.byKey[key] = append(list, presence{client: s.client, sockets: 1})
}

// remove uncounts an admitted socket that has ended.
func (u *users) remove(s *Socket) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	key := s.Identity().User()
	list := u.byKey[key]
	i := find(list, s.client)
	if i < 0 {
		return // it was in excess
	}
	if list[i].sockets--; list[i].sockets == 0 {
		u.set(key, slices.Delete(list, i, i+1))
	}
}

// excess takes the oldest connection of a user out while there are too many, or returns nil.
func (u *users) excess(key handshake.UserKey) *Client {
	if u == nil {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.byKey[key]
	first, n := -1, 0
	for i, p := range list {
		if p.gone {
			continue
		}
		if n++; first < 0 {
			first = i
		}
	}
	if n <= u.max {
		return nil
	}
	oldest := list[first].client
	oldest.replaced = true
	u.set(key, slices.Delete(list, first, first+1))
	return oldest
}

// succeed has a connection count no more whose client has come back on another one. What it has parked is still the user's.
func (u *users) succeed(old *Socket) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.byKey[old.Identity().User()]
	if i := find(list, old.client); i >= 0 {
		list[i].gone = true
	}
}

// set keeps the connections of a user, and forgets a user who has none. mu is held.
func (u *users) set(key handshake.UserKey, list []presence) {
	if len(list) == 0 {
		delete(u.byKey, key)
		return
	}
	u.byKey[key] = list
}

func find(list []presence, c *Client) int {
	return slices.IndexFunc(list, func(p presence) bool { return p.client == c })
}

// limitUser makes the oldest connections of the socket's user give way while there are more than [Config.MaxPerUser]. They
// end by DISCONNECT: a client that came back by itself would push out the one that replaced it, and so on.
func (s *Socket) limitUser() {
	users := s.ns.hub.users
	key := s.Identity().User()
	for oldest := users.excess(key); oldest != nil; oldest = users.excess(key) {
		s.debug("connection replaced by a newer one of its user")
		oldest.dismiss(closePolicy, string(handshake.CodeTooManyConnections)+": "+ReasonReplaced, ReasonReplaced)
	}
}
