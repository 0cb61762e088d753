package namespaces

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// RefreshFunc is called when a client has refreshed its identity: between two of its events, when [Socket.Identity] is
// the new one already. It should leave the rooms that the new identity does not permit. An error, or a panic, ends the
// socket as a revocation does; the client is told the message of an *[Error] or *[handshake.Refusal].
type RefreshFunc func(ctx context.Context, s *Socket, old handshake.Identity) error

// OnRefresh adds a handler for refreshed identities. A refresh never changes the subject or the issuer, and does not
// run the admission again: the handler repeats the admission's other checks.
func (ns *Namespace) OnRefresh(h RefreshFunc) {
	ns.define()
	ns.refreshed = append(ns.refreshed, h)
}

// refreshed is the acknowledgement of a refresh that was accepted.
type refreshed struct {
	OK        bool  `json:"ok" typed:"true"`
	ExpiresAt int64 `json:"expiresAt,omitempty"` // milliseconds since 1970; left out when the identity does not expire
}

// refreshLocked takes an auth:refresh of the client, and returns false when it is an event like any other: before the
// admission, or with a gate that cannot refresh. It is handled ahead of the event queue, as acknowledgements are, so
// that a handler that takes long does not cost its client the session: a goroutine of its own asks the gate, one at a
// time per socket.
func (c *Client) refreshLocked(s *Socket, p *packet.Packet) bool {
	if s.ns.refresher == nil || !s.Connected() {
		return false
	}
	t := s.leasedLocked()
	if err := c.mayRefreshLocked(s, t, time.Now()); err != nil {
		if p.HasID {
			s.answerAhead(p.ID, c.hub.failed(err))
		}
		if wait := c.hub.pace.refused(s); wait > 0 {
			c.slowLocked(s, wait, SlowRefreshes)
		}
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.hub.limits().AdmitTimeout)
	t.cancel = cancel
	ask := *p // a copy, so that the caller's stays on its stack
	c.hub.tasks.Go(func() { s.runRefresh(ctx, &ask) })
	return true
}

// mayRefreshLocked takes one refresh from the socket's allowance: [Config.RefreshBurst] at once, then one every
// [Config.RefreshInterval]. A user with too many refused refreshes has none.
func (c *Client) mayRefreshLocked(s *Socket, t *lease, now time.Time) error {
	cfg := c.hub.limits()
	refusal := &handshake.Refusal{Code: handshake.CodeRateLimited, Message: "Too many refreshes; wait a moment.", RetryAfter: time.Second}
	if t.cancel != nil {
		refusal.Message = "A refresh is under way; wait for its answer."
		return refusal
	}
	if wait := c.hub.pace.tooManyRefused(s); wait > 0 {
		refusal.RetryAfter = wait
		return refusal
	}
	if wait := t.paid.Take(now, cfg.RefreshBurst, cfg.RefreshInterval); wait > 0 {
		refusal.RetryAfter = wait
		return refusal
	}
	return nil
}

// runRefresh asks the gate and answers. The identity comes into force between two events: at once when no handler runs,
// otherwise before the next one, after the answer.
func (s *Socket) runRefresh(ctx context.Context, p *packet.Packet) {
	began := time.Now()
	id, err := s.reidentify(ctx, p)
	owner, err := s.accept(id, err)
	var reply packet.Args
	if err == nil {
		if refusal := s.ns.recheck(id); refusal != nil {
			s.revoke(refusalFor(refusal).Message, nil)
		}
		reply, err = packet.NewArgs(granted(id))
	}
	if err != nil {
		s.logFailure(eventRefresh, err)
		s.countRefresh(err)
		reply = failure{Error: codeOf(refusalFor(err))}.args()
	}
	if owner {
		s.renew()
	}
	s.ns.hooks.eventHandled(s, Handled{Event: eventRefresh, Err: err, Took: time.Since(began)})
	if p.HasID {
		s.answerAhead(p.ID, reply)
	}
	if owner && s.ns.hub.turns.enter(s) {
		s.drain()
	}
}

// countRefresh counts a refresh that was refused for the client's own fault.
func (s *Socket) countRefresh(err error) {
	if refusalFor(err).Code == handshake.CodeUnavailable {
		return
	}
	if wait := s.ns.hub.pace.refused(s); wait > 0 {
		s.client.mu.Lock()
		s.client.slowLocked(s, wait, SlowRefreshes)
		s.client.mu.Unlock()
	}
}

func granted(id handshake.Identity) refreshed {
	answer := refreshed{OK: true}
	if !id.ExpiresAt.IsZero() {
		answer.ExpiresAt = id.ExpiresAt.UnixMilli()
	}
	return answer
}

// reidentify asks the gate about the new credential.
func (s *Socket) reidentify(ctx context.Context, p *packet.Packet) (id handshake.Identity, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.ns.hub.caught(p, "refresh", s.fields()...)
		}
	}()
	auth, err := arg1(p.Args)
	if err != nil {
		return handshake.Identity{}, err
	}
	s.client.mu.Lock()
	current := s.latestLocked()
	s.client.mu.Unlock()
	request := requestOf(s.conn, s.ns.name)
	request.Auth = auth
	if id, err = s.ns.refresher.Refresh(ctx, request, current); err != nil {
		return handshake.Identity{}, fmt.Errorf("refresh identity: %w", err)
	}
	if id.Subject != current.Subject || id.Issuer != current.Issuer {
		return handshake.Identity{}, Forbidden("This credential belongs to another user; disconnect and sign in anew.")
	}
	return id, nil
}

// arg1 is the only argument of a refresh: an object without attachments.
func arg1(args packet.Args) (json.RawMessage, error) {
	if args.Len() != 1 || len(args.Attachments()) != 0 || len(args.Raw(0)) == 0 || args.Raw(0)[0] != '{' {
		return nil, BadRequest("A refresh takes one object, such as {token}.")
	}
	return args.Raw(0), nil
}

// accept ends a refresh. When it succeeded, the new identity's expiry counts from now on, and the identity itself comes
// into force as soon as no handler runs. owner says that none runs and that the caller owns the queue. A socket that
// has ended meanwhile stays so: of expiry and refresh, the first one wins.
func (s *Socket) accept(id handshake.Identity, err error) (owner bool, _ error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	t := s.lease
	t.cancel()
	t.cancel = nil
	if err == nil && s.done {
		err = &handshake.Refusal{Code: handshake.CodeTokenExpired, Message: "The session has ended meanwhile; connect again."}
	}
	if err != nil {
		return false, err
	}
	t.fresh = &id
	c.hub.expiries.set(t, id.ExpiresAt)
	owner = !s.running
	s.running = true
	return owner, nil
}

// renew brings an accepted identity into force. It runs in the goroutine that has the queue, so between two events.
func (s *Socket) renew() {
	old := s.Identity()
	if !s.takeFresh() {
		return
	}
	if s.review(old) {
		s.changed()
		s.debug("identity refreshed")
		s.ns.hooks.identityChanged(s, old)
	}
}

// review calls the handlers of OnRefresh, which take the socket out of rooms that its identity does not permit any more. It returns
// false when one of them refuses the identity: then the socket has ended.
func (s *Socket) review(old handshake.Identity) bool {
	for _, h := range s.ns.refreshed {
		if err := s.callRefreshed(h, old); err != nil {
			s.logFailure(eventRefresh, err)
			s.revoke(refusalFor(err).Message, nil)
			return false
		}
	}
	return true
}

// takeFresh changes the identity in one step, so that a revocation sees the new one at any moment.
func (s *Socket) takeFresh() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if !s.hasFreshLocked() {
		return false
	}
	s.identity.Store(s.lease.fresh)
	s.lease.fresh = nil
	return true
}

// hasFreshLocked reports whether an identity waits to come into force. The client's mu is held.
func (s *Socket) hasFreshLocked() bool { return s.lease != nil && s.lease.fresh != nil && !s.done }

// callRefreshed calls a refresh handler; one that panics has not permitted anything.
func (s *Socket) callRefreshed(h RefreshFunc, old handshake.Identity) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.Join(err, s.ns.hub.caught(p, "refresh handler", s.fields()...))
		}
	}()
	return h(s.context(), s, old)
}
