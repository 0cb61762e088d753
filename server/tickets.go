package server

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/cors"
	"gatehouse/server/internal/reply"
)

// The endpoints under /auth/ are for pages and back ends that have signed in
// some other way and want to open a WebSocket with a ticket.

const (
	ticketBodyLimit = 16 << 10 // bytes
	maxNamespace    = 256      // in bytes, of the namespace that a ticket is for
)

// ticketRequest is the body of POST /auth/tickets. Its other members are the
// credential, as in the `auth` payload of a CONNECT, such as token or csrf.
type ticketRequest struct {
	Namespace string
	auth      json.RawMessage
}

// auth serves the endpoints below /auth/. CORS lets allowed pages of other
// origins use them. Requests of all other pages are refused, not just their
// answers hidden.
func (s *Server) auth(method string, serve http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if !s.allowsOrigin(r) {
			s.refuseHTTP(w, r, &handshake.Refusal{
				Code: handshake.CodeOriginForbidden, Message: s.foreign(r),
				Cause: errors.New("origin not allowed"),
			})
			return
		}
		cors.Allow(w.Header(), r, method)
		switch r.Method {
		case http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
		case method:
			serve(w, r)
		default:
			w.Header().Set("Allow", method+", OPTIONS")
			reply.Refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "use "+method+" here")
		}
	})
}

// readable lets allowed pages of other origins read public files, such as a
// script with the attribute crossorigin.
func (s *Server) readable(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if s.allowsOrigin(r) {
			cors.Allow(w.Header(), r, http.MethodGet)
		}
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// mintTicket answers {ticket, expiresAt}, the latter in milliseconds since 1970
// (security requirement 10).
func (s *Server) mintTicket(w http.ResponseWriter, r *http.Request) {
	q := s.describe(r, "polling")
	if wait := s.ticketsByAddress.Take(handshake.AddressKey(q.RemoteAddr)); wait > 0 {
		s.refuseHTTP(w, r, rateLimited(wait, "Too many tickets asked for from your address; wait, then try again."))
		return
	}
	asked, ok := readTicketRequest(w, r)
	if !ok {
		return
	}
	q.Namespace, q.Auth = asked.Namespace, asked.auth
	r, done := s.traces.request(r, "ticket")
	ticket, expires, err := s.ticketFor(r, q)
	done(codeOf(err))
	if err != nil {
		s.refuseHTTP(w, r, handshake.AsRefusal(err))
		return
	}
	s.metrics.ticketMinted()
	reply.JSON(w, http.StatusOK, map[string]any{"ticket": ticket, "expiresAt": expires.UnixMilli()})
}

// ticketFor identifies the client and makes its ticket. A ticket is no credential
// for another ticket; trying that does not use the ticket up.
func (s *Server) ticketFor(r *http.Request, q *handshake.Request) (string, time.Time, error) {
	if s.draining.Load() {
		return "", time.Time{}, &handshake.Refusal{Code: handshake.CodeUnavailable, Message: "The server is shutting down; try again in a moment.", RetryAfter: fullWait}
	}
	if bringsTicket(q) {
		return "", time.Time{}, &handshake.Refusal{Code: handshake.CodeForbidden, Message: "A ticket is no credential to get another with; sign in."}
	}
	id, err := s.guard.Check(r.Context(), q)
	if err != nil {
		return "", time.Time{}, err
	}
	if wait := s.ticketsBySubject.Take(id.User()); wait > 0 {
		return "", time.Time{}, rateLimited(wait, "Too many tickets asked for; wait, then try again.")
	}
	return s.gate().MintTicket(r.Context(), id, s.gate().TicketBindingOf(q, q.Namespace))
}

func bringsTicket(q *handshake.Request) bool {
	var in struct {
		Ticket json.RawMessage `json:"ticket"`
	}
	_ = json.Unmarshal(q.Auth, &in) // readTicketRequest has checked it before
	return in.Ticket != nil || q.Query.Has("ticket")
}

// readTicketRequest reads the body, which may be empty. If it is wrong, it
// answers with what is wrong.
func readTicketRequest(w http.ResponseWriter, r *http.Request) (p ticketRequest, ok bool) {
	body, ok := reply.Body(w, r, ticketBodyLimit)
	switch {
	case !ok:
		return p, false
	case len(body) == 0:
		return p, true
	case p.read(body) != nil:
		reply.Refuse(w, http.StatusBadRequest, "bad_request", `send an object such as {"namespace": "/chat"}, or nothing`)
	default:
		return p, true
	}
	return p, false
}

// read takes the namespace out of the body; what is left is the credential.
func (p *ticketRequest) read(body []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	if fields == nil {
		return errors.New("not an object")
	}
	if raw, ok := fields["namespace"]; ok {
		delete(fields, "namespace")
		if err := json.Unmarshal(raw, &p.Namespace); err != nil {
			return err
		}
		if p.Namespace != "" && p.Namespace[0] != '/' || len(p.Namespace) > maxNamespace {
			return errors.New("not a namespace")
		}
	}
	if len(fields) == 0 {
		return nil
	}
	var err error
	p.auth, err = json.Marshal(fields)
	return err
}

// csrfToken answers {csrf}. A page with a session cookie sends it as auth:
// {csrf} when it connects, or as X-CSRF-Token when it asks for a ticket.
func (s *Server) csrfToken(w http.ResponseWriter, r *http.Request) {
	token, err := s.gate().CSRFToken(s.describe(r, "polling"))
	if err != nil {
		s.refuseHTTP(w, r, handshake.AsRefusal(err))
		return
	}
	reply.JSON(w, http.StatusOK, map[string]string{"csrf": token})
}

// refuseHTTP answers with a refusal's own status and code.
func (s *Server) refuseHTTP(w http.ResponseWriter, r *http.Request, why *handshake.Refusal) {
	s.httpRefused("request", r, why)
	s.refusals.Info("request refused", slog.String("path", r.URL.Path), slog.String("code", string(why.Code)),
		slog.Any("peer", s.clientAddr(r)), errorAttr("cause", why.Cause))
	if why.Code == handshake.CodeUnauthenticated || why.Code == handshake.CodeTokenInvalid || why.Code == handshake.CodeTokenExpired {
		w.Header().Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	}
	var f reply.Failure
	f.Error.Code, f.Error.Message = string(why.Code), why.Message
	if why.RetryAfter > 0 {
		f.Error.RetryAfterMs = why.RetryAfter.Milliseconds()
		w.Header().Set("Retry-After", strconv.FormatInt(int64((why.RetryAfter+time.Second-1)/time.Second), 10))
	}
	reply.JSON(w, why.HTTPStatus(), f)
}
