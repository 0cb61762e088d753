package namespaces

import (
	"context"

	"gatehouse/handshake"
)

// Gate tells who a client is. It is called concurrently. An error that is no *[handshake.Refusal] reaches the client as
// "unavailable". [handshake.Gate] is one. A Gate may also be a [Refresher] and a [Rechecker].
type Gate interface {
	Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error)
}

// GateFunc makes a function a [Gate], and no more: to wrap a gate that is a [Refresher] or a [Rechecker] too, embed it in a
// type, which keeps those methods. Without them a client cannot refresh its identity, and only [Config.Rechecker] keeps out
// revoked identities.
type GateFunc func(ctx context.Context, r *handshake.Request) (handshake.Identity, error)

// Check implements Gate.
func (f GateFunc) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	return f(ctx, r)
}

// Refresher is a [Gate] that checks a new credential of an admitted client, which makes "auth:refresh" work. The argument
// of the event is the request's Auth. A client whose gate is no Refresher is told "unknown_event". It is called
// concurrently; its context ends with the socket or after [Config.AdmitTimeout]. Errors are those of Check.
type Refresher interface {
	Refresh(ctx context.Context, r *handshake.Request, current handshake.Identity) (handshake.Identity, error)
}

// Rechecker is a [Gate] that says whether an identity that it gave is still good. It is asked once more at the end of an
// admission and of a refresh, when [Hub.Revoke] can already see the new identity: a revocation that falls between the check
// and this moment is caught by one of the two. It is called concurrently and should not block.
type Rechecker interface {
	Recheck(id handshake.Identity) error
}
