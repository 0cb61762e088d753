package server

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/smalljson"
	"gatehouse/server/internal/reply"
)

// stats is the answer to GET /api/v1/stats.
type stats struct {
	Connections  int            `json:"connections"`  // Engine.IO sessions
	Pending      int            `json:"pending"`      // those in no namespace
	Sockets      int            `json:"sockets"`      // connected
	Parked       int            `json:"parked"`       // sockets whose clients may come back
	Rooms        int            `json:"rooms"`        // with a member on this node
	Silent       int            `json:"silent"`       // TCP connections without a complete request
	SilentClosed uint64         `json:"silentClosed"` // closed because there were too many
	Revocations  int            `json:"revocations"`  // revocations in force
	Draining     bool           `json:"draining"`
	Namespaces   map[string]int `json:"namespaces"` // sockets of each
	UptimeMs     int64          `json:"uptimeMs"`
}

func (s *Server) stats() stats {
	held, carried := s.hub.Stats(), s.engine.Stats()
	st := stats{
		Connections: carried.Sessions, Pending: held.Pending, Sockets: held.Sockets, Parked: held.Parked, Rooms: held.Rooms,
		Revocations: len(s.gate().Revocations().All()), Draining: s.draining.Load(),
		Namespaces: make(map[string]int), UptimeMs: time.Since(s.began).Milliseconds(),
	}
	silent, closed := s.idle.count()
	st.Silent, st.SilentClosed = silent+carried.Silent, closed+carried.SilentCuts
	for ns := range s.hub.Namespaces() {
		st.Namespaces[ns.Label()] += ns.Len()
	}
	return st
}

func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	reply.JSON(w, http.StatusOK, s.stats())
}

// revocationJSON is a revocation as operators send and receive it. One of
// subject, tokenId and session is set.
type revocationJSON struct {
	Subject string    `json:"subject,omitempty"` // revokes everything that the user holds, issued up to At
	TokenID string    `json:"tokenId,omitempty"` // one token, by its jti
	Session string    `json:"session,omitempty"` // one login, by its sid
	Issuer  string    `json:"issuer,omitempty"`  // of that issuer only
	Reason  string    `json:"reason,omitempty"`  // for the log and the client
	At      time.Time `json:"at,omitzero"`       // when it was made
	Until   time.Time `json:"until,omitzero"`    // when the revocation lapses; by default after revocation.keep
}

const maxReason = 200 // bytes

func (v revocationJSON) decode() (handshake.Revocation, error) {
	m := handshake.Revocation{Issuer: v.Issuer, Reason: v.Reason, Until: v.Until}
	named := 0
	for kind, value := range map[handshake.RevocationKind]string{
		handshake.RevokeSubject: v.Subject, handshake.RevokeToken: v.TokenID, handshake.RevokeSession: v.Session,
	} {
		if value != "" {
			m.Kind, m.Value = kind, value
			named++
		}
	}
	switch {
	case named != 1:
		return m, errors.New("name one of subject, tokenId and session")
	case len(v.Reason) > maxReason:
		return m, errors.New("the reason is too long")
	case !v.Until.IsZero() && !v.Until.After(time.Now()):
		return m, errors.New("until is over already")
	case !v.At.IsZero():
		return m, errors.New("at is set by the server")
	}
	return m, nil
}

func revocationOf(m handshake.Revocation) revocationJSON {
	v := revocationJSON{Issuer: m.Issuer, Reason: m.Reason, At: m.At, Until: m.Until}
	switch m.Kind {
	case handshake.RevokeSubject:
		v.Subject = m.Value
	case handshake.RevokeToken:
		v.TokenID = m.Value
	case handshake.RevokeSession:
		v.Session = m.Value
	}
	return v
}

// addRevocation puts a revocation in force, ends the sockets that it names,
// and answers with the revocation and the number of sockets (security
// requirement 20).
func (s *Server) addRevocation(w http.ResponseWriter, r *http.Request) {
	revocation, ok := readRevocation(w, r)
	if !ok {
		return
	}
	done, err := s.Revoke(r.Context(), revocation)
	if err != nil {
		s.log.Error("revocation not kept", slog.Any("error", err))
		reply.Refuse(w, http.StatusInsufficientStorage, string(handshake.CodeUnavailable), err.Error())
		return
	}
	out := struct {
		revocationJSON
		Ended  int   `json:"ended"`            // sockets of this node
		Spread *bool `json:"spread,omitempty"` // whether the other nodes have been told; without Redis there are none
	}{revocationJSON: revocationOf(done.Revocation), Ended: done.Ended}
	if s.bus != nil {
		out.Spread = &done.Propagated
	}
	reply.JSON(w, http.StatusOK, out)
}

// revocationLimit bounds the body of a revocation, in bytes.
const revocationLimit = 16 << 10

// readRevocation reads the body. If it is wrong, it answers with what is wrong.
func readRevocation(w http.ResponseWriter, r *http.Request) (revocation handshake.Revocation, ok bool) {
	var in revocationJSON
	body, ok := reply.Body(w, r, revocationLimit)
	if !ok {
		return revocation, false
	}
	err := smalljson.Decode(body, &in, smalljson.Strict)
	if err != nil {
		reply.Refuse(w, http.StatusBadRequest, "bad_request", `send an object such as {"subject": "ada", "reason": "left"}; until is a time such as 2030-01-31T12:00:00Z`)
		return revocation, false
	}
	if revocation, err = in.decode(); err != nil {
		reply.Refuse(w, http.StatusBadRequest, "bad_request", err.Error())
		return revocation, false
	}
	return revocation, true
}

// liftRevocation takes a revocation back: the users that it kept out may sign in
// again.
func (s *Server) liftRevocation(w http.ResponseWriter, r *http.Request) {
	revocation, ok := readRevocation(w, r)
	if !ok {
		return
	}
	lifted, err := s.Lift(r.Context(), revocation)
	switch {
	case err != nil:
		reply.Refuse(w, http.StatusServiceUnavailable, string(handshake.CodeUnavailable), "redis could not be asked, and the revocation would come back from there; try again")
	case !lifted:
		reply.Refuse(w, http.StatusNotFound, "not_found", "there is no such revocation; name it as GET lists it, the issuer included")
	default:
		reply.JSON(w, http.StatusOK, map[string]bool{"lifted": true})
	}
}

func (s *Server) listRevocations(w http.ResponseWriter, _ *http.Request) {
	list := []revocationJSON{}
	for _, m := range s.gate().Revocations().All() {
		list = append(list, revocationOf(m))
	}
	slices.SortFunc(list, func(a, b revocationJSON) int {
		return strings.Compare(a.Subject+a.TokenID+a.Session, b.Subject+b.TokenID+b.Session)
	})
	reply.JSON(w, http.StatusOK, map[string]any{"revocations": list})
}
