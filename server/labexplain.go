package server

import (
	"maps"
	"net/http"
	"slices"

	"gatehouse/internal/smalljson"
	"gatehouse/namespaces/relay"
)

const labQuestionLimit = 64 << 10 // bytes: a token and some names

// labAnswer says what the rules decide about the owner of a token.
type labAnswer struct {
	OK        bool             `json:"ok"`
	Subject   string           `json:"subject"`
	Allowed   bool             `json:"allowed"`
	Decisions []relay.Decision `json:"decisions"`
}

// labRules names the namespaces that have rules.
func (s *Server) labRules(w http.ResponseWriter, _ *http.Request) {
	names := slices.Sorted(maps.Keys(s.cfg.Namespaces))
	if names == nil {
		names = []string{}
	}
	answer(w, http.StatusOK, map[string]any{"ok": true, "namespaces": names})
}

// labExplain answers "what may I do here": whoever shows a token learns what the rules make of it. In dev mode only: outside
// it the rules are nobody's business.
func (s *Server) labExplain(w http.ResponseWriter, r *http.Request) {
	var q struct{ Token, Namespace, Room, Event string }
	body, ok := readBody(w, r, labQuestionLimit)
	if !ok {
		return
	}
	if err := smalljson.Decode(body, &q, smalljson.Strict); err != nil {
		refuse(w, http.StatusBadRequest, "bad_request", "send {token, namespace, room?, event?}")
		return
	}
	if q.Token == "" { // the lab's own
		token, _, err := s.signer.Sign(labToken())
		if err != nil {
			s.labFailed(w, err)
			return
		}
		q.Token = token
	}
	id, decisions, err := s.cfg.Explain(r.Context(), Question{
		Token: q.Token, Namespace: q.Namespace, Room: q.Room, Event: q.Event, Address: s.describe(r, "").RemoteAddr,
	})
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	answer(w, http.StatusOK, labAnswer{true, id.Subject, decisions[len(decisions)-1].Allowed, decisions})
}
