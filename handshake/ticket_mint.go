package handshake

import (
	"context"
	"errors"
	"time"
)

// MintTicket makes a ticket for an identity that has just been checked. It is
// valid once, for the binding, for a short time and no longer than the
// identity. The error is always a [*Refusal].
//
// The HTTP handler has to care for the rest: POST only, a rate limit, and
// Cache-Control: no-store. For users with cookies [Gate.Check] has required the
// CSRF token, in the body as {"csrf": …} or in the header X-Csrf-Token.
func (g *Gate) MintTicket(ctx context.Context, id Identity, binding TicketBinding) (ticket string, expires time.Time, err error) {
	if g.tickets == nil {
		return "", time.Time{}, refuse(CodeForbidden, "Tickets are not accepted here.", errors.New("auth.methods has no ticket"))
	}
	if id.Method == MethodTicket {
		return "", time.Time{}, refuse(CodeForbidden, "A ticket is no credential to get another with; sign in.", errors.New("ticket asked for with a ticket"))
	}
	if id.Method == MethodAnonymous {
		return "", time.Time{}, refuse(CodeForbidden, "Tickets are for those who have signed in; connect without one.", errors.New("ticket asked for by nobody in particular"))
	}
	if err := g.Recheck(id); err != nil {
		return "", time.Time{}, err
	}
	if g.bindAddress && !binding.Address.IsValid() {
		return "", time.Time{}, unavailable(errors.New("tickets.bind_address is on, but the minting address is not known"))
	}
	ticket, expires, err = g.tickets.mint(ctx, id, binding)
	if err != nil {
		return "", time.Time{}, AsRefusal(err)
	}
	return ticket, expires, nil
}

// TicketBindingOf is the usual binding: to the origin of the request that asks
// for the ticket, to its address where the configuration says so, and to the
// namespace unless that is empty.
func (g *Gate) TicketBindingOf(r *Request, namespace string) TicketBinding {
	origin, _ := r.origin()
	binding := TicketBinding{Origin: origin, Namespace: namespace}
	if g.bindAddress {
		binding.Address = r.RemoteAddr.Unmap().WithZone("")
	}
	return binding
}
