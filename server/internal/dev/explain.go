package dev

import (
	"net/http"

	"gatehouse/internal/smalljson"
	"gatehouse/namespaces/relay"
	"gatehouse/server/internal/reply"
)

const labQuestionLimit = 64 << 10 // bytes: a token and some names

// Question is a question to the rules.
type Question struct{ Token, Namespace, Room, Event string }

// labAnswer holds the decisions of the rules about the owner of a token.
type labAnswer struct {
	OK        bool             `json:"ok"`
	Subject   string           `json:"subject"`
	Allowed   bool             `json:"allowed"`
	Decisions []relay.Decision `json:"decisions"`
}

// labRules names the namespaces that have rules.
func (e *Endpoints) labRules(w http.ResponseWriter, _ *http.Request) {
	reply.JSON(w, http.StatusOK, map[string]any{"ok": true, "namespaces": append([]string{}, e.Ruled...)})
}

// labExplain tells a client with a token what the rules allow its identity to do. It exists in dev mode only, because the
// rules of a server in production are not public.
func (e *Endpoints) labExplain(w http.ResponseWriter, r *http.Request) {
	var q Question
	body, ok := reply.Body(w, r, labQuestionLimit)
	if !ok {
		return
	}
	if err := smalljson.Decode(body, &q, smalljson.Strict); err != nil {
		reply.Refuse(w, http.StatusBadRequest, "bad_request", "send {token, namespace, room?, event?}")
		return
	}
	if q.Token == "" { // the lab's own
		token, _, err := e.Signer.Sign(labToken())
		if err != nil {
			e.labFailed(w, err)
			return
		}
		q.Token = token
	}
	subject, decisions, err := e.Explain(r, q)
	if err != nil {
		reply.Refuse(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	reply.JSON(w, http.StatusOK, labAnswer{true, subject, decisions[len(decisions)-1].Allowed, decisions})
}
