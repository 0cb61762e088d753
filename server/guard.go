package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"gatehouse/handshake"
)

// guard is the gate for the namespaces; it slows down connections and addresses
// after failures (security requirement 7).
type guard struct {
	gate      func() *handshake.Gate // the one in force
	log       *slog.Logger           // sampled
	metrics   *metrics               // may be nil
	byAddress *handshake.Throttle[netip.Prefix]
	byConn    *handshake.Throttle[string]
}

func newGuard(gate func() *handshake.Gate, cfg ConnectionLimits, log *slog.Logger, m *metrics) *guard {
	return &guard{
		gate:      gate,
		log:       log,
		metrics:   m,
		byAddress: handshake.NewThrottle[netip.Prefix](cfg.AddressFailures, nil),
		byConn:    handshake.NewThrottle[string](cfg.ConnectionFailures, nil),
	}
}

// Check implements namespaces.Gate. Thousands of people may share an address, so
// its brake delays failures only: where this server can judge a credential by
// itself, it does so first.
func (g *guard) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	began := time.Now()
	id, err := g.check(ctx, r)
	g.metrics.checked(began, err)
	return id, err
}

func (g *guard) check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	if err := g.waitConn(r); err != nil {
		return handshake.Identity{}, err
	}
	wait := g.byAddress.Wait(handshake.AddressKey(r.RemoteAddr))
	if wait == 0 {
		id, err := g.gate().Check(ctx, r)
		return id, g.judged(r, err)
	}
	id, here, err := g.gate().CheckHere(ctx, r)
	if here && (err == nil || !g.countsForAddress(r, handshake.AsRefusal(err).Code)) {
		return id, g.judged(r, err)
	}
	g.log.Warn("sign-ins of an address are held up: too many were refused", slog.Any("peer", r.RemoteAddr), slog.Duration("wait", wait))
	if here {
		_ = g.judged(r, err)
		wait = max(wait, g.byAddress.Wait(handshake.AddressKey(r.RemoteAddr)))
	}
	return handshake.Identity{}, rateLimited(wait, tooManyRefused)
}

// Refresh checks a new credential of an admitted client. Failures of others at
// its address do not delay it.
func (g *guard) Refresh(ctx context.Context, r *handshake.Request, current handshake.Identity) (handshake.Identity, error) {
	if err := g.waitConn(r); err != nil {
		return handshake.Identity{}, err
	}
	id, err := g.gate().Refresh(ctx, r, current)
	return id, g.judgedConn(r, err)
}

// Recheck implements namespaces.Rechecker.
func (g *guard) Recheck(id handshake.Identity) error { return g.gate().Recheck(id) }

const tooManyRefused = "Too many sign-ins were refused; wait, then try again."

// waitConn refuses an attempt of a connection that comes too early.
func (g *guard) waitConn(r *handshake.Request) error {
	if r.SessionID == "" {
		return nil
	}
	if wait := g.byConn.Wait(r.SessionID); wait > 0 {
		return rateLimited(wait, tooManyRefused)
	}
	return nil
}

// judged counts a failure.
func (g *guard) judged(r *handshake.Request, err error) error {
	if err != nil && g.countsForAddress(r, handshake.AsRefusal(err).Code) {
		g.byAddress.Fail(handshake.AddressKey(r.RemoteAddr))
	}
	return g.judgedConn(r, err)
}

// judgedConn counts a failure of a connection.
func (g *guard) judgedConn(r *handshake.Request, err error) error {
	if err != nil && r.SessionID != "" && !passing(handshake.AsRefusal(err).Code) {
		g.byConn.Fail(r.SessionID)
	}
	return err
}

// passing reports whether a refusal has a cause that is not the client's fault
// and that goes away.
func passing(code handshake.Code) bool {
	return code == handshake.CodeUnavailable || code == handshake.CodeRateLimited
}

// countsForAddress reports whether a refusal counts for the address. Missing and
// expired credentials do not count: thousands of honest clients behind one
// address send those.
func (g *guard) countsForAddress(r *handshake.Request, code handshake.Code) bool {
	switch code {
	case handshake.CodeTokenInvalid, handshake.CodeTicketInvalid:
		return true
	case handshake.CodeUnauthenticated:
		return len(r.Auth) > len("{}") || g.gate().Digest(r) != [32]byte{}
	}
	return false
}

// revocations keeps revoked identities out of namespaces that have their own
// gate. Of such an identity only subject, issuer and token are known here.
type revocations struct{ *handshake.Revocations }

// Recheck implements namespaces.Rechecker.
func (r revocations) Recheck(id handshake.Identity) error {
	if revocation, revoked := r.Revoked(id); revoked {
		return &handshake.Refusal{
			Code: handshake.CodeTokenInvalid, Message: "This sign-in has been revoked; sign in again.",
			Cause: fmt.Errorf("revoked by %s", revocation.Kind),
		}
	}
	return nil
}

// closed forgets a connection.
func (g *guard) closed(session string) {
	g.byConn.Clear(session)
	g.gate().SessionClosed(session)
}

// rateLimited is the refusal for a client that must wait.
func rateLimited(wait time.Duration, message string) *handshake.Refusal {
	return &handshake.Refusal{
		Code: handshake.CodeRateLimited, Message: message, RetryAfter: wait, Cause: errors.New("throttled"),
	}
}
