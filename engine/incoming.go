package engine

import (
	"net/http"
	"net/netip"

	"gatehouse/internal/budget"
)

// clientAddr is the address by which a stranger counts.
func (srv *Server) clientAddr(r *http.Request, p *Peer) netip.Addr {
	if srv.cfg.ClientAddr != nil {
		return srv.cfg.ClientAddr(r)
	}
	return p.RemoteAddr.Addr()
}

// Hold counts n more bytes that the handler keeps of what the client sent, such as
// events that wait for their turn, or fewer when n is negative. It reports false
// when there is no room for them, and the session is closed with ReasonOverload
// then; they count in either case until they are taken off. It costs an atomic
// addition and does not block; no lock needs to be given up for it.
func (s *Session) Hold(n int) bool {
	if s.incoming.Add(s.srv.incoming, n, (*incomingHolder)(s)) {
		return true
	}
	s.srv.spawn((*incomingHolder)(s).Cut)
	return false
}

// incomingHolder is a session as the budget of what comes in sees it.
type incomingHolder Session

// Cut implements budget.Holder.
func (h *incomingHolder) Cut() { (*Session)(h).cut(errIncoming) }

// belongTo makes the session a user's, or a guest's. A user takes the place of a
// guest, nobody that of a user.
func (s *Session) belongTo(issuer, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return
	}
	owner := s.incoming.Owner(s.srv.incoming).Guest()
	if subject != "" {
		s.known = true
		owner = budget.User(issuer, subject)
	}
	s.incoming.Move(s.srv.incoming, owner)
}
