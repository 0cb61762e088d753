package server

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"gatehouse/namespaces"
)

// register finds the connection of a socket, so that the line about a
// connection can say who used it and where. It is the hub's Observer.
type register struct {
	mu    sync.Mutex // guards what follows; a leaf
	conns map[string]*conn
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
	r.mu.Lock()
	c := r.conns[s.Request().SessionID]
	r.mu.Unlock()
	if c != nil {
		c.used.note(s)
	}
}

// The other reports are for metrics.

// SocketClosed implements namespaces.Observer.
func (r *register) SocketClosed(*namespaces.Socket, string) {}

// Refused implements namespaces.Observer.
func (r *register) Refused(string, string) {}

// RoomJoined implements namespaces.Observer.
func (r *register) RoomJoined(*namespaces.Socket, string) {}

// RoomLeft implements namespaces.Observer.
func (r *register) RoomLeft(*namespaces.Socket, string) {}

// EventHandled implements namespaces.Observer.
func (r *register) EventHandled(*namespaces.Socket, string, error, time.Duration) {}

// Broadcasted implements namespaces.Observer.
func (r *register) Broadcasted(string, string, int) {}

// notedSockets is how many sockets the line about one connection names; a
// client can come and go as often as it likes.
const notedSockets = 8

// usage is who used a connection, and where.
type usage struct {
	mu         sync.Mutex // guards what follows
	user       string     // of the first socket
	namespaces []string
	sockets    []string
}

func (u *usage) note(s *namespaces.Socket) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.user == "" {
		u.user = s.Identity().Subject
	}
	if len(u.sockets) < notedSockets {
		u.sockets = append(u.sockets, s.ID())
	}
	if name := s.Namespace().Name(); len(u.namespaces) < notedSockets && !slices.Contains(u.namespaces, name) {
		u.namespaces = append(u.namespaces, name)
	}
}
