package namespaces

import (
	"slices"
	"sync"

	"gatehouse/handshake"
)

// SharedUsers counts the connections of each user over several nodes, for [Config.MaxPerUser]. A connection is known by
// the id of the first of its sockets that was admitted. It keeps this id when it is recovered on another node. Its
// methods are safe for concurrent use and do not wait.
type SharedUsers interface {
	// Limit begins to count. limit is how many connections a user may have. When there are more, replace is called on the
	// node that has the oldest connection, and ends it. It is called before other methods, and again with the same
	// function when the limit changes.
	Limit(limit int, replace func(user handshake.UserKey, connection string))
	// Came notes a connection of this node.
	Came(user handshake.UserKey, connection string)
	// Went notes that this node does not have the connection any more.
	Went(user handshake.UserKey, connection string)
}

// users counts the connections of each user, when there is a limit. A connection counts once for however many namespaces it
// is in.
type users struct {
	shared SharedUsers // nil on one node

	mu    sync.Mutex // guards what follows; shared is told under it, in the order of the changes
	max   int
	byKey map[handshake.UserKey][]presence
}

// presence is a connection of a user. Those of one user stand in the order of their admission.
type presence struct {
	client  *Client
	name    string // its id for all nodes; "" when it counts on this node alone
	sockets int32  // at most one in each namespace
	gone    bool   // the client has come back on another connection, so this one does not count any more
}

// newUsers returns nil when there is no limit; a nil users counts nothing.
func newUsers(limit int, shared SharedUsers) *users {
	if limit == 0 {
		return nil
	}
	u := &users{max: limit, shared: shared, byKey: make(map[handshake.UserKey][]presence)}
	if shared != nil {
		shared.Limit(limit, u.replace)
	}
	return u
}

// setMax changes the limit. A user who has more connections keeps them until the next one comes.
func (u *users) setMax(limit int) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.max = limit; u.shared != nil {
		u.shared.Limit(limit, u.replace)
	}
}

// add counts a socket that becomes admitted.
func (u *users) add(s *Socket) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.client.replaced {
		return // a socket that it still opens must not push out the connection that has replaced it
	}
	key := s.Identity().User()
	list := u.byKey[key]
	if i := find(list, s.client); i >= 0 {
		list[i].sockets++
		return
	}
	p := presence{client: s.client, sockets: 1}
	if u.shared != nil && !isGuest(s.Identity()) { // each guest is a user with one connection
		p.name = s.id
		u.shared.Came(key, p.name)
	}
	u.byKey[key] = append(list, p)
}

// wentLocked tells the other nodes about a connection that does not count any more.
func (u *users) wentLocked(key handshake.UserKey, list []presence, i int) {
	name := list[i].name
	another := func(p presence) bool { return p.name == name && !p.gone && p.client != list[i].client } // it is recovered there
	if name != "" && !list[i].gone && !slices.ContainsFunc(list, another) {
		u.shared.Went(key, name)
	}
}

// remove takes an admitted socket that has ended off the count.
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
		u.wentLocked(key, list, i)
		u.setLocked(key, slices.Delete(list, i, i+1))
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
	return u.takeLocked(key, first)
}

// takeLocked takes a connection out that is replaced.
func (u *users) takeLocked(key handshake.UserKey, i int) *Client {
	list := u.byKey[key]
	c := list[i].client
	c.replaced = true
	u.wentLocked(key, list, i)
	u.setLocked(key, slices.Delete(list, i, i+1))
	return c
}

// replace ends a connection of this node because of a newer one on another node.
func (u *users) replace(key handshake.UserKey, name string) {
	u.mu.Lock()
	i := slices.IndexFunc(u.byKey[key], func(p presence) bool { return p.name == name && !p.gone })
	if i < 0 {
		u.mu.Unlock()
		return
	}
	c := u.takeLocked(key, i)
	u.mu.Unlock()
	c.makeWay()
}

// succeed stops counting a connection whose client has come back on another one. Its parked sockets still belong to the
// user.
func (u *users) succeed(old *Socket) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.byKey[old.Identity().User()]
	if i := find(list, old.client); i >= 0 {
		u.wentLocked(old.Identity().User(), list, i)
		list[i].gone = true
	}
}

// setLocked keeps the connections of a user, and forgets a user who has none.
func (u *users) setLocked(key handshake.UserKey, list []presence) {
	if len(list) == 0 {
		delete(u.byKey, key)
		return
	}
	u.byKey[key] = list
}

func find(list []presence, c *Client) int {
	return slices.IndexFunc(list, func(p presence) bool { return p.client == c })
}

// limitUser makes the oldest connections of the socket's user give way while this node has more than [Config.MaxPerUser].
func (s *Socket) limitUser() {
	users := s.ns.hub.users
	key := s.Identity().User()
	for oldest := users.excess(key); oldest != nil; oldest = users.excess(key) {
		s.debug("connection replaced by a newer one of its user")
		oldest.makeWay()
	}
}

// makeWay ends a connection by DISCONNECT: a client that came back by itself would push out the one that replaced it, and so on.
func (c *Client) makeWay() {
	c.dismiss(closePolicy, string(handshake.CodeTooManyConnections)+": "+ReasonReplaced, ReasonReplaced)
}
