package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/handshake"
)

// guard is the gate as the namespaces see it: failures slow down the connection
// and the address that cause them (security requirement 7).
type guard struct {
	*handshake.Gate
	byAddress *handshake.Throttle[netip.Prefix]
	byConn    *handshake.Throttle[string]
}

func newGuard(gate *handshake.Gate, cfg Door) *guard {
	return &guard{
		Gate:      gate,
		byAddress: handshake.NewThrottle[netip.Prefix](cfg.AddressFailures, nil),
		byConn:    handshake.NewThrottle[string](cfg.ConnectionFailures, nil),
	}
}

// Check implements namespaces.Gate.
func (g *guard) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	if err := g.wait(r); err != nil {
		return handshake.Identity{}, err
	}
	id, err := g.Gate.Check(ctx, r)
	return id, g.judged(r, err)
}

// Refresh checks a new credential of a client that is in.
func (g *guard) Refresh(ctx context.Context, r *handshake.Request, current handshake.Identity) (handshake.Identity, error) {
	if err := g.wait(r); err != nil {
		return handshake.Identity{}, err
	}
	id, err := g.Gate.Refresh(ctx, r, current)
	return id, g.judged(r, err)
}

// wait refuses a try that comes too early.
func (g *guard) wait(r *handshake.Request) error {
	wait := g.byAddress.Wait(handshake.AddressKey(r.RemoteAddr))
	if r.SessionID != "" {
		wait = max(wait, g.byConn.Wait(r.SessionID))
	}
	if wait == 0 {
		return nil
	}
	return rateLimited(wait, "Too many sign-ins were refused; wait, then try again.")
}

// judged counts a failure.
func (g *guard) judged(r *handshake.Request, err error) error {
	if err == nil {
		return nil
	}
	why := asRefusal(err)
	if r.SessionID != "" && why.Code != handshake.CodeUnavailable && why.Code != handshake.CodeRateLimited {
		g.byConn.Fail(r.SessionID)
	}
	if g.countsForAddress(r, why.Code) {
		g.byAddress.Fail(handshake.AddressKey(r.RemoteAddr))
	}
	return err
}

// countsForAddress tells guesses from what honest clients do by the thousand
// behind one address: coming without a credential, or with one that was good.
func (g *guard) countsForAddress(r *handshake.Request, code handshake.Code) bool {
	switch code {
	case handshake.CodeTokenInvalid, handshake.CodeTicketInvalid:
		return true
	case handshake.CodeUnauthenticated:
		return len(r.Auth) > len("{}") || g.Digest(r) != [32]byte{}
	}
	return false
}

// revocations keep revoked identities out of namespaces that have a gate of their
// own. Of such an identity nothing else is known here.
type revocations struct{ *handshake.Revocations }

// Recheck implements namespaces.Rechecker.
func (r revocations) Recheck(id handshake.Identity) error {
	if mark, revoked := r.Revoked(id); revoked {
		return &handshake.Refusal{
			Code: handshake.CodeTokenInvalid, Message: "This sign-in has been revoked; sign in again.",
			Cause: fmt.Errorf("revoked by %s", mark.Kind),
		}
	}
	return nil
}

// closed forgets a connection.
func (g *guard) closed(session string) {
	g.byConn.Clear(session)
	g.SessionClosed(session)
}

// rateLimited is the refusal of who must wait.
func rateLimited(wait time.Duration, message string) *handshake.Refusal {
	return &handshake.Refusal{
		Code: handshake.CodeRateLimited, Message: message, RetryAfter: wait, Cause: errors.New("throttled"),
	}
}

// asRefusal gives the refusal that the gate promises its errors to be.
func asRefusal(err error) *handshake.Refusal {
	var why *handshake.Refusal
	if errors.As(err, &why) {
		return why
	}
	return &handshake.Refusal{
		Code: handshake.CodeUnavailable, Message: "Signing in does not work right now; try again in a moment.",
		RetryAfter: time.Second, Cause: err,
	}
}
