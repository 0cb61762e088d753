package dev

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server/internal/reply"
)

// The page /auth-lab shows every method of signing in. This file has the
// server's part: a namespace for each method, which answers with the client's
// identity, and two endpoints that make credentials.

// Settings of the lab where nothing is configured.
const (
	labTokenLife = 10 * time.Minute
	Plain        = "gatehouse.lab" // the protocol of the plain pair
	CookieName   = "gatehouse-lab" // without __Host-, because dev mode uses http
	// PasswordHash is the hash of the password "lab" of the user "lab", who may
	// enter /lab/basic only.
	PasswordHash = "$2a$10$ylT9emsO4RYd01m6ao8OGuxbmAHYq/XEb5e7/K8QaQTe42mU3biHy"
)

// Methods are the namespaces of the lab, each with exactly one method.
func Methods() []handshake.NamespaceAuth {
	var all []handshake.NamespaceAuth
	for _, one := range [][2]string{
		{"/lab/token", handshake.MethodToken},
		{"/lab/ticket", handshake.MethodTicket},
		{"/lab/bearer", handshake.MethodBearer},
		{"/lab/subprotocol", handshake.MethodSubprotocol},
		{"/lab/cookie", handshake.MethodCookie},
		{"/lab/basic", handshake.MethodBasic},
		{"/lab/certificate", handshake.MethodCertificate},
		{"/lab/query-token", handshake.MethodQueryToken},
		{"/lab/anonymous", handshake.MethodAnonymous},
	} {
		all = append(all, handshake.NamespaceAuth{Name: one[0], Methods: []string{one[1]}})
	}
	return all
}

// labIdentity is the part of its own identity that a client of the lab is
// told.
type labIdentity struct {
	Subject   string    `json:"subject"`
	Name      string    `json:"name"`
	Method    string    `json:"method"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// Namespace defines a namespace of the lab, which answers with the client's
// identity.
func Namespace(name string) *namespaces.Namespace {
	ns := namespaces.New(name)
	namespaces.On(ns, "whoami", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (labIdentity, error) {
		id := s.Identity()
		return labIdentity{id.Subject, id.Name, id.Method, id.ExpiresAt}, nil
	})
	return ns
}

// Lab makes credentials for the page. Pages of foreign origins are kept out.
func (e *Endpoints) Lab() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /lab/credentials", e.labCredentials)
	mux.HandleFunc("POST /lab/session", e.labSession)
	mux.HandleFunc("DELETE /lab/session", e.labSignOut)
	mux.HandleFunc("GET /lab/rules", e.labRules)
	mux.HandleFunc("POST /lab/explain", e.labExplain)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !e.AllowsOrigin(r):
			reply.Refuse(w, http.StatusForbidden, string(handshake.CodeOriginForbidden), "pages of this origin may not use the lab")
		case e.Signer == nil:
			reply.Refuse(w, http.StatusServiceUnavailable, string(handshake.CodeUnavailable), "the server has no key to sign tokens with")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// labCredentials returns a valid token and one that has expired.
func (e *Endpoints) labCredentials(w http.ResponseWriter, _ *http.Request) {
	token, expires, err := e.Signer.Sign(labToken())
	if err != nil {
		e.labFailed(w, err)
		return
	}
	past := func() time.Time { return time.Now().Add(-2 * labTokenLife) }
	old, err := handshake.NewSigner(e.JWT, past, nil)
	if err != nil {
		e.labFailed(w, err)
		return
	}
	expired, _, err := old.Sign(labToken())
	if err != nil {
		e.labFailed(w, err)
		return
	}
	reply.JSON(w, http.StatusOK, map[string]any{"token": token, "expiresAt": expires, "expired": expired})
}

func labToken() handshake.TokenSpec {
	return handshake.TokenSpec{Subject: "ada", TTL: labTokenLife, Claims: map[string]any{"name": "Ada"}}
}

// labSession signs in with a session cookie, which holds a token. GET
// /auth/csrf then gives the CSRF token of the session.
func (e *Endpoints) labSession(w http.ResponseWriter, r *http.Request) {
	token, expires, err := e.Signer.Sign(labToken())
	if err != nil {
		e.labFailed(w, err)
		return
	}
	cookie := e.Gate().NewCookie(handshake.Secret(token), expires, e.Secure(r))
	http.SetCookie(w, cookie)
	reply.JSON(w, http.StatusOK, map[string]string{"cookie": cookie.Name})
}

// labSignOut takes the session cookie away.
func (e *Endpoints) labSignOut(w http.ResponseWriter, r *http.Request) {
	cookie := e.Gate().NewCookie("", time.Time{}, e.Secure(r))
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
	w.WriteHeader(http.StatusNoContent)
}

func (e *Endpoints) labFailed(w http.ResponseWriter, err error) {
	e.Log.Error("the lab cannot make credentials", slog.Any("error", err))
	reply.Refuse(w, http.StatusInternalServerError, string(handshake.CodeUnavailable), "the credentials could not be made")
}
