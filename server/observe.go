package server

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// watch returns the server's own hooks, which count events for operators.
func (s *Server) watch() namespaces.Hooks {
	hooks := namespaces.Hooks{Slowed: s.clientSlowed}
	if s.metrics != nil {
		hooks.SocketOpened = s.metrics.socketOpened
		hooks.SocketClosed = s.metrics.socketClosed
		hooks.SessionLapsed = s.metrics.sessionLapsed
		hooks.RecoveryFailed = s.metrics.recoveryFailed
		hooks.Refused = s.metrics.refusedConnect
		hooks.Admission = s.metrics.admission
		hooks.EventHandled = s.metrics.eventHandled
		hooks.Emitted = s.metrics.emitted
	}
	if s.lately != nil {
		hooks.SocketRefused = s.lately.socketRefused
	}
	return hooks
}

// clientSlowed counts and logs a client that is slowed down because of what it sends: to the
// client it looks as if the server hung.
func (s *Server) clientSlowed(socket *namespaces.Socket, why namespaces.SlowCause, wait time.Duration) {
	s.metrics.clientSlowed(string(why))
	s.refusals.Warn("a client sends too much and is slowed down", slog.String("cause", string(why)), slog.String("user", socket.Identity().Subject),
		slog.String("namespace", socket.Namespace().Name()), slog.String("socket", socket.ID()), slog.Duration("wait", wait))
}

// strangerSlowed is clientSlowed for connections that are in no namespace.
func (s *Server) strangerSlowed(h engine.Handler) {
	s.metrics.clientSlowed("address_work")
	if r, ok := h.(reader); ok {
		s.refusals.Warn("connections of an address that are in no namespace do more than door.work_per_address allows, and are read more slowly",
			slog.Any("peer", r.address()))
	}
}

// notedSockets is how many sockets the line about one connection names; a
// client can come and go as often as it likes.
const notedSockets = 8

// connUsers are the users of a connection and their namespaces.
type connUsers struct {
	mu         sync.Mutex          // guards what follows
	users      []handshake.UserKey // distinct; without those that signed in without a credential
	user       string              // of the first socket
	namespaces []string
	sockets    []string
}

// identities are the identities whose credentials later requests may bring.
func (u *connUsers) identities() []handshake.Identity {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]handshake.Identity, len(u.users))
	for i, one := range u.users {
		all[i] = handshake.Identity{Subject: one.Subject, Issuer: one.Issuer}
	}
	return all
}

// unnamed reports whether nobody has signed in with a credential on the connection.
func (u *connUsers) unnamed() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.users) == 0
}

// addSocket notes the identity that is about to be admitted, and the socket for the
// log, once each.
func (u *connUsers) addSocket(s *namespaces.Socket) {
	id := s.Identity()
	one := id.User()
	u.mu.Lock()
	defer u.mu.Unlock()
	if id.Method != handshake.MethodAnonymous && len(u.users) < notedSockets && !slices.Contains(u.users, one) {
		u.users = append(u.users, one)
	}
	if u.user == "" {
		u.user = id.Subject
	}
	if len(u.sockets) < notedSockets && !slices.Contains(u.sockets, s.ID()) {
		u.sockets = append(u.sockets, s.ID())
	}
	if name := s.Namespace().Name(); len(u.namespaces) < notedSockets && !slices.Contains(u.namespaces, name) {
		u.namespaces = append(u.namespaces, name)
	}
}
