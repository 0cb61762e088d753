package server

import (
	"errors"
	"net/http"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server/api"
)

// apiPath is where back ends and operators are served.
const apiPath = "/api/v1/"

var errWrongKey = errors.New("wrong key or none")

// prepareAPI makes the interface for back ends.
func (s *Server) prepareAPI() (err error) {
	s.api, err = api.New(s.cfg.API, api.Deps{
		Namespace: s.hub.Open,
		Begin:     s.traces.begins(),
		Names: func() (names []string) {
			for ns := range s.hub.Namespaces() {
				names = append(names, ns.Name())
			}
			return names
		},
		Ruled: func(name string) api.Ruled {
			if one := s.relays.byName(s.cfg, name); one != nil {
				return one
			}
			return nil
		},
		Since: func(socket *namespaces.Socket) time.Time {
			if c, ok := socket.Conn().(*conn); ok {
				return c.began
			}
			return time.Time{}
		},
		Revocations: http.HandlerFunc(s.serveRevocations),
		Done:        s.metrics.backEndAsked,
		Logger:      s.log,
	})
	return err
}

// API serves the paths below /api/v1/ for requests with one of api.keys, for
// programs that serve it on a listener of their own. [Server.Handler] has it too.
func (s *Server) API() http.Handler { return s.api }

func (s *Server) serveRevocations(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost:
		s.addRevocation(w, r)
	case http.MethodDelete:
		s.liftRevocation(w, r)
	default:
		s.listRevocations(w, r)
	}
}

// backEndsOr serves requests with a back end's key, and leaves others to next.
func (s *Server) backEndsOr(others http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller := s.api.Caller(r); caller != nil {
			s.api.Serve(w, r, caller)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// backEndsOnly refuses requests without a back end's key.
func (s *Server) backEndsOnly() http.Handler {
	return s.backEndsOr(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuseHTTP(w, r, handshake.AsRefusal(s.wrongKey(r, "Send a key of api.keys as Authorization: Bearer.")))
	}))
}

// asOperator serves requests with the operators' key.
func (s *Server) asOperator(w http.ResponseWriter, r *http.Request) {
	s.api.Serve(w, r, api.Operator())
}

// wrongKey counts a wrong or missing key as a failure of the address.
func (s *Server) wrongKey(r *http.Request, message string) error {
	q := s.describe(r, "")
	if wait := s.guard.byAddress.Wait(handshake.AddressKey(q.RemoteAddr)); wait > 0 {
		return rateLimited(wait, tooManyRefused)
	}
	return s.guard.judged(q, &handshake.Refusal{Code: handshake.CodeUnauthenticated, Message: message, Cause: errWrongKey})
}
