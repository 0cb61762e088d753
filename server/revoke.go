package server

import "gatehouse/handshake"

// revoker is the hub as far as revocations are concerned.
type revoker interface {
	Revoke(match func(handshake.Identity) bool, reason string) int
}

// endRevoked ends the sockets of this node that a mark names.
func (s *Server) endRevoked(m handshake.Mark) int {
	if hub, ok := any(s.hub).(revoker); ok {
		return hub.Revoke(m.Matches, m.Reason)
	}
	return 0
}
