package namespaces

import (
	"gatehouse/handshake"
)

// revocation is the payload of auth:revoked.
type revocation struct {
	Reason string `json:"reason"`
}

// Revoke ends all sockets of this node whose identity matches, and refuses the admissions under way that do, and returns how
// many. A client gets "auth:revoked" with the reason and DISCONNECT, so that it stays away; the transport closes when that
// was its last namespace. Without a reason it is "revoked".
//
// To keep somebody out as well, revoke first at [Config.Rechecker] or at the gate, which then refuses admissions and
// refreshes that this call does not see yet. match is called without a lock, and must be quick.
func (h *Hub) Revoke(match func(handshake.Identity) bool, reason string) int {
	if reason == "" {
		reason = ReasonRevoked
	}
	notices := make(map[*Namespace]*frames) // one per namespace, for however many sockets
	n := 0
	var found []holder
	end := func() {
		for _, f := range found {
			if f.id.Subject != "" && match(f.id) && f.socket.revoke(reason, notices) {
				n++
			}
		}
		found = found[:0]
	}
	for _, c := range h.registry.all() {
		found = c.holders(found)
		end()
	}
	for _, s := range h.lot.all() { // after the connections: a socket that leaves its connection is found here
		found = append(found, holder{s, s.newest()})
	}
	end()
	return n
}

// holder is a socket and its identity, which is empty until the gate has answered.
type holder struct {
	socket *Socket
	id     handshake.Identity
}

// holders appends the sockets of c.
func (c *Client) holders(to []holder) []holder {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sockets {
		to = append(to, holder{s, s.latestLocked()})
	}
	return to
}

// newest is latestLocked for a caller without the client's mu.
func (s *Socket) newest() handshake.Identity {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.latestLocked()
}

// revoke ends a socket, or refuses its admission, and reports whether it did. It keeps the packets that tell the client in
// notices, which may be nil, for the next socket.
func (s *Socket) revoke(reason string, notices map[*Namespace]*frames) bool {
	if s.refuse(&handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "This sign-in has been revoked; sign in again."}) {
		return true
	}
	notice := notices[s.ns]
	if notice == nil {
		notice = &frames{packet: s.ns.notice(eventRevoked, revocation{reason})}
		if notices != nil {
			notices[s.ns] = notice
		}
	}
	_ = s.send(notice.on(s.wire), 0)
	if !s.end(ReasonRevoked, byServer) {
		return false
	}
	s.client.shutIfEmpty(ReasonRevoked)
	return true
}

// shutIfEmpty closes a connection that has no namespace left.
func (c *Client) shutIfEmpty(reason string) {
	c.mu.Lock()
	empty := len(c.sockets) == 0
	c.mu.Unlock()
	if empty {
		c.shut(closePolicy, reason, reason)
	}
}
