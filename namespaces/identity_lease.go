package namespaces

import (
	"context"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/internal/ordered"
	"gatehouse/packet"
)

// Events of a session's life. Only the package itself sends and handles them.
const (
	eventExpiring = reservedPrefix + "expiring" // to the client: {expiresAt}
	eventRefresh  = reservedPrefix + "refresh"  // from the client: {token}, or whatever the gate takes
	eventRevoked  = reservedPrefix + "revoked"  // to the client: {reason}
)

// lease is the state of an identity that can expire or was refreshed. Sockets with other identities have
// none.
type lease struct {
	socket *Socket // fixed

	// Guarded by the client's mu.
	fresh  *handshake.Identity // accepted, comes into force between two events
	cancel context.CancelFunc  // of the refresh under way; nil when there is none
	paid   limit.Allowance     // of refreshes

	// Guarded by the expiry queue's mu.
	expires time.Time
	due     time.Time     // the next time at which the expiry queue looks at it
	pos     ordered.Place // in the expiry queue
	noticed bool          // the client has been told
}

// leasedLocked returns the lease of s and makes it if needed. The client's mu is held.
func (s *Socket) leasedLocked() *lease {
	if s.lease == nil {
		s.lease = &lease{socket: s}
	}
	return s.lease
}

// latestLocked is the identity that was accepted last, in force or about to be. The client's mu is held.
func (s *Socket) latestLocked() handshake.Identity {
	if s.lease != nil && s.lease.fresh != nil {
		return *s.lease.fresh
	}
	return s.Identity()
}

// endLeaseLocked ends the lease of a socket that has ended.
func (c *Client) endLeaseLocked(s *Socket) {
	t := s.lease
	if t == nil {
		return
	}
	if t.cancel != nil {
		t.cancel()
	}
	c.hub.expiries.remove(t)
}

// recheck asks the hub and the gate about an identity that the gate gave.
func (ns *Namespace) recheck(id handshake.Identity) error {
	if err := ns.hub.recheck(id); err != nil || ns.rechecker == nil {
		return err
	}
	return ns.rechecker.Recheck(id)
}

// recheck asks about an identity, whatever gate gave it.
func (h *Hub) recheck(id handshake.Identity) error {
	if h.cfg.Rechecker == nil {
		return nil
	}
	return h.cfg.Rechecker.Recheck(id)
}

// notice makes an event of a session's life, a kind that emits cannot send.
func (ns *Namespace) notice(event string, payload any) *packet.Packet {
	args, _ := packet.NewArgs(payload) // strings and numbers: cannot fail
	return &packet.Packet{Type: packet.Event, Namespace: ns.name, Event: event, Args: args}
}
