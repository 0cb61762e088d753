package server

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// register finds the connection of a socket, so that the line about a
// connection can say who used it and where. It is the hub's Observer.
type register struct {
	mu    sync.Mutex // guards what follows; a leaf
	conns map[string]*conn

	metrics *metrics // fixed; nil when nobody asks for them
}

func (r *register) init() { r.conns = map[string]*conn{} }

// add lists a connection under a session id of its own. The id is a secret of
// the server: it is not the engine's and not the public id of a socket.
func (r *register) add(c *conn) {
	c.id = rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c.id] = c
}

func (r *register) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c.id)
}

// SocketOpened implements namespaces.Observer.
func (r *register) SocketOpened(s *namespaces.Socket) {
	r.metrics.socketOpened(s)
	r.mu.Lock()
	c := r.conns[s.Request().SessionID]
	r.mu.Unlock()
	if c != nil {
		c.used.note(s)
	}
}

// The other reports are for metrics.

// SocketClosed implements namespaces.Observer.
func (r *register) SocketClosed(s *namespaces.Socket, reason string) {
	r.metrics.socketClosed(s, reason)
}

// Refused implements namespaces.Observer.
func (r *register) Refused(namespace, code string) { r.metrics.refusedConnect(namespace, code) }

// RoomJoined implements namespaces.Observer.
func (r *register) RoomJoined(*namespaces.Socket, string) {}

// RoomLeft implements namespaces.Observer.
func (r *register) RoomLeft(*namespaces.Socket, string) {}

// EventHandled implements namespaces.Observer.
func (r *register) EventHandled(s *namespaces.Socket, event string, err error, took time.Duration) {
	r.metrics.eventHandled(s, event, err, took)
}

// Broadcasted implements namespaces.Observer.
func (r *register) Broadcasted(namespace, _ string, receivers int) {
	r.metrics.broadcasted(namespace, receivers)
}

// notedSockets is how many sockets the line about one connection names; a
// client can come and go as often as it likes.
const notedSockets = 8

// usage is who used a connection, and where.
type usage struct {
	mu         sync.Mutex          // guards what follows
	users      []handshake.UserKey // distinct; without those who signed in with nothing
	user       string              // of the first socket
	namespaces []string
	sockets    []string
}

// identities are those whose credentials later requests may bring.
func (u *usage) identities() []handshake.Identity {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]handshake.Identity, len(u.users))
	for i, one := range u.users {
		all[i] = handshake.Identity{Subject: one.Subject, Issuer: one.Issuer}
	}
	return all
}

// unnamed reports that nobody signed in on the connection with a credential.
func (u *usage) unnamed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.users) == 0
}

// admit adds who is about to be let in.
func (u *usage) admit(id handshake.Identity) {
	one := id.User()
	u.mu.Lock()
	defer u.mu.Unlock()
	if id.Method != handshake.WayAnonymous && len(u.users) < notedSockets && !slices.Contains(u.users, one) {
		u.users = append(u.users, one)
	}
}

// note keeps what the log says of a socket.
func (u *usage) note(s *namespaces.Socket) {
	id := s.Identity()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.user == "" {
		u.user = id.Subject
	}
	if len(u.sockets) < notedSockets {
		u.sockets = append(u.sockets, s.ID())
	}
	if name := s.Namespace().Name(); len(u.namespaces) < notedSockets && !slices.Contains(u.namespaces, name) {
		u.namespaces = append(u.namespaces, name)
	}
}
