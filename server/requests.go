package server

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
)

// fullWait is after how long a client that found no room should try again.
const fullWait = 5 * time.Second

// checkHandshake decides about an Engine.IO handshake before a session exists:
// the origin, how many connections there are, and how many of this address are
// in no namespace (security requirements 1 and 6).
func (s *Server) checkHandshake(r *http.Request) *engine.Refusal {
	if refusal := s.checkOrigin(r); refusal != nil {
		return refusal
	}
	if s.engine.Sessions() >= s.inForce.Load().Connections.MaxConnections && !s.hub.ClosePending(strangersTime) {
		return s.tooMany(r, "The server has as many connections as it takes; try again in a moment.")
	}
	if s.pending.full(handshake.AddressKey(s.clientAddr(r))) {
		return s.tooMany(r, "Too many connections of your address have not signed in; try again in a moment.")
	}
	return s.allowRequest(r)
}

// allowRequest asks the program's Config.AllowRequest.
func (s *Server) allowRequest(r *http.Request) *engine.Refusal {
	if s.cfg.AllowRequest == nil {
		return nil
	}
	err := s.cfg.AllowRequest(r)
	if err == nil {
		return nil
	}
	why := handshake.AsRefusal(err)
	s.httpRefused("connection", r, why)
	s.refusals.Warn("handshake refused", slog.String("code", string(why.Code)),
		slog.Any("peer", s.clientAddr(r)), errorAttr("cause", why.Cause))
	return &engine.Refusal{Status: why.HTTPStatus(), Code: forbidden, Message: why.Message, RetryAfter: why.RetryAfter}
}

func (s *Server) tooMany(r *http.Request, message string) *engine.Refusal {
	s.httpRefused("connection", r, &handshake.Refusal{Code: handshake.CodeTooManyConnections, Message: message})
	s.refusals.Warn("handshake refused", slog.String("code", string(handshake.CodeTooManyConnections)),
		slog.Any("peer", s.clientAddr(r)))
	return &engine.Refusal{
		Status: http.StatusServiceUnavailable, Code: forbidden, Message: message, RetryAfter: fullWait,
	}
}

// engineCodes name the numbered errors of Engine.IO in the metrics, and
// engine.CodeAddressBusy last.
var engineCodes = [...]handshake.Code{"unknown_transport", "unknown_session", "bad_method", "bad_request", "forbidden", "unsupported_version", handshake.CodeRateLimited}

// refusedByEngine counts requests that break the protocol. A few unknown
// sessions are normal; many are the only trace of a balancer that spreads the
// requests of one client over nodes.
func (s *Server) refusedByEngine(r *http.Request, code int) {
	s.httpRefused("connection", r, &handshake.Refusal{Code: engineCodes[code]})
	switch code {
	case engine.CodeAddressBusy:
		s.refusals.Warn("handshake refused: connections of an address that are in no namespace do more than door.work_per_address allows",
			slog.Any("peer", s.clientAddr(r)))
	case engine.CodeUnknownSession:
		s.refusals.Warn("a request names a session that this node does not have: it has ended, or, if this keeps on, "+
			"the requests of one client reach different nodes; then make the balancer send each client to one node, as docs/operating.md shows",
			slog.Any("peer", s.clientAddr(r)))
	}
}

// checkLater compares every further request of a session with the opening one:
// another user's credentials are refused, and so is a foreign page. Credentials
// of such a request never change an identity (security requirement 5).
func (s *Server) checkLater(r *http.Request, h engine.Handler) *engine.Refusal {
	c, ok := h.(reader)
	if !ok {
		return nil // its opening failed; nobody handles what it sends
	}
	if refusal := s.checkOrigin(r); refusal != nil {
		return refusal
	}
	if err := c.checkCredentials(r); err != nil {
		return s.refuseLater(r, err)
	}
	c.carriedBy(r)
	if !c.waiting.Load() {
		s.idle.ofUser(r)
	}
	return nil
}

func (s *Server) refuseLater(r *http.Request, err error) *engine.Refusal {
	why := handshake.AsRefusal(err)
	s.httpRefused("connection", r, why)
	s.refusals.Warn("later request refused", slog.String("code", string(why.Code)),
		slog.Any("peer", s.clientAddr(r)), errorAttr("cause", why.Cause))
	return &engine.Refusal{Status: why.HTTPStatus(), Code: forbidden, Message: why.Message, RetryAfter: why.RetryAfter}
}

// checkCredentials compares the credentials of a later request with the
// session's users. A session with different users in its namespaces may bring
// the credentials of either.
func (c *conn) checkCredentials(r *http.Request) error {
	q := c.srv.describe(r, "polling")
	if isUpgrade(r) {
		q.Transport = "websocket"
	}
	digest := c.gate.Digest(q)
	if digest == ([32]byte{}) || digest == c.opened() {
		return nil
	}
	q.SessionID = c.id
	if err := c.srv.guard.waitConn(q); err != nil {
		return err
	}
	err := c.srv.guard.judgedConn(q, c.checkUsers(r.Context(), q))
	if err != nil && passing(handshake.AsRefusal(err).Code) {
		return nil // the session lives until its credential is known to be bad
	}
	return err
}

func (c *conn) checkUsers(ctx context.Context, q *handshake.Request) error {
	users := c.used.identities()
	if len(users) == 0 {
		return c.gate.CheckLater(ctx, c.opened(), nil, q)
	}
	var err error
	for _, user := range users {
		if err = c.gate.CheckLater(ctx, c.opened(), &user, q); err == nil {
			return nil
		}
	}
	return err
}

func isUpgrade(r *http.Request) bool { return engine.Parameter(r, "transport") == "websocket" }

// carriedBy notes the Origin of a request that brings messages: a CONNECT with
// a cookie counts only from a listed page (security requirement 2).
func (c *conn) carriedBy(r *http.Request) {
	if r.Method == http.MethodPost || isUpgrade(r) {
		origin := strings.Clone(r.Header.Get("Origin")) // not a piece of the whole head
		c.origin.Store(&origin)
	}
}
