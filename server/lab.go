package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// The page /auth-lab shows every way in at work. What it needs of the server is
// in this file and exists in dev mode only: a namespace for each way, which
// answers who came in, and two endpoints that make the credentials.

const (
	labTokenLife  = 10 * time.Minute
	labPlain      = "gatehouse.lab" // the protocol of the plain pair
	labCookieName = "gatehouse-lab" // without __Host-, because dev mode has http
	// labPasswordHash is of the password "lab" of the user "lab", who is let
	// into /lab/basic and nowhere else.
	labPasswordHash = "$2a$10$ylT9emsO4RYd01m6ao8OGuxbmAHYq/XEb5e7/K8QaQTe42mU3biHy"
)

// labWays are the namespaces of the lab, each with exactly one way in.
func labWays() []handshake.NamespaceAuth {
	var all []handshake.NamespaceAuth
	for _, one := range [][2]string{
		{"/lab/token", handshake.WayToken},
		{"/lab/ticket", handshake.WayTicket},
		{"/lab/bearer", handshake.WayBearer},
		{"/lab/subprotocol", handshake.WaySubprotocol},
		{"/lab/cookie", handshake.WayCookie},
		{"/lab/basic", handshake.WayBasic},
		{"/lab/certificate", handshake.WayCertificate},
		{"/lab/query-token", handshake.WayQueryToken},
		{"/lab/anonymous", handshake.WayAnonymous},
	} {
		all = append(all, handshake.NamespaceAuth{Name: one[0], Methods: []string{one[1]}})
	}
	return all
}

// withLab adds the lab to a server in dev mode that can sign tokens. The ways
// into all other namespaces stay as they are configured, and so does every
// setting that somebody made.
func withLab(cfg Config, defs []namespaces.Definition) (Config, []namespaces.Definition) {
	if !cfg.Dev || cfg.Check() != nil {
		return cfg, defs
	}
	if _, err := handshake.NewSigner(cfg.JWT, nil, nil); err != nil {
		return cfg, defs
	}
	lab := cfg
	lab.setLabWays()
	if lab.Check() != nil { // settings that leave no room for it
		return cfg, defs
	}
	for _, one := range labWays() {
		defs = append(slices.Clip(defs), labNamespace(one.Name))
	}
	return lab, defs
}

func (c *Config) setLabWays() {
	c.Auth.Namespaces = slices.Concat(c.Auth.Namespaces, labWays())
	usual := handshake.GateConfig{}.WithDefaults()
	if sameSubprotocol(c.Subprotocol, usual.Subprotocol) {
		c.Subprotocol.Forms = []string{"kubernetes", "appsync", "plain"}
		c.Subprotocol.Plain = labPlain
	}
	if c.Cookie == usual.Cookie {
		c.Cookie = handshake.CookieConfig{
			Name: labCookieName, InsecureName: true, CSRFSecret: handshake.Secret(rand.Text() + rand.Text()),
		}
	}
	if len(c.Basic.Users) == 0 && c.Callback.URL == "" {
		c.Basic.Users = []handshake.BasicUser{{Name: "lab", Hash: labPasswordHash}}
	}
}

func sameSubprotocol(a, b handshake.SubprotocolConfig) bool {
	return slices.Equal(a.Forms, b.Forms) && slices.Equal(a.Supported, b.Supported) &&
		a.Prefix == b.Prefix && a.Domain == b.Domain && a.Plain == b.Plain
}

// labIdentity is what a client of the lab may know about itself.
type labIdentity struct {
	Subject   string    `json:"subject"`
	Name      string    `json:"name"`
	Method    string    `json:"method"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

func labNamespace(name string) *namespaces.Namespace {
	ns := namespaces.New(name)
	namespaces.On(ns, "whoami", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (labIdentity, error) {
		id := s.Identity()
		return labIdentity{id.Subject, id.Name, id.Method, id.ExpiresAt}, nil
	})
	return ns
}

// lab makes credentials for the page. Pages of foreign origins are kept out.
func (s *Server) lab() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /lab/credentials", s.labCredentials)
	mux.HandleFunc("POST /lab/session", s.labSession)
	mux.HandleFunc("DELETE /lab/session", s.labSignOut)
	mux.HandleFunc("GET /lab/rules", s.labRules)
	mux.HandleFunc("POST /lab/explain", s.labExplain)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !s.allowsOrigin(r):
			refuse(w, http.StatusForbidden, string(handshake.CodeOriginForbidden), "pages of this origin may not use the lab")
		case s.signer == nil:
			refuse(w, http.StatusServiceUnavailable, string(handshake.CodeUnavailable), "the server has no key to sign tokens with")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// labCredentials gives a token that is good and one that has expired.
func (s *Server) labCredentials(w http.ResponseWriter, _ *http.Request) {
	token, expires, err := s.signer.Sign(labToken())
	if err != nil {
		s.labFailed(w, err)
		return
	}
	past := func() time.Time { return time.Now().Add(-2 * labTokenLife) }
	old, err := handshake.NewSigner(s.cfg.JWT, past, nil)
	if err != nil {
		s.labFailed(w, err)
		return
	}
	expired, _, err := old.Sign(labToken())
	if err != nil {
		s.labFailed(w, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"token": token, "expiresAt": expires, "expired": expired})
}

func labToken() handshake.TokenSpec {
	return handshake.TokenSpec{Subject: "ada", TTL: labTokenLife, Claims: map[string]any{"name": "Ada"}}
}

// labSession signs in with a session cookie, which holds a token. GET
// /auth/csrf then gives the CSRF token of the session.
func (s *Server) labSession(w http.ResponseWriter, r *http.Request) {
	token, expires, err := s.signer.Sign(labToken())
	if err != nil {
		s.labFailed(w, err)
		return
	}
	cookie := s.gate().NewCookie(handshake.Secret(token), expires, s.describe(r, "polling").Secure)
	http.SetCookie(w, cookie)
	answer(w, http.StatusOK, map[string]string{"cookie": cookie.Name})
}

// labSignOut takes the session cookie away.
func (s *Server) labSignOut(w http.ResponseWriter, r *http.Request) {
	cookie := s.gate().NewCookie("", time.Time{}, s.describe(r, "polling").Secure)
	cookie.MaxAge = -1
	http.SetCookie(w, cookie)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) labFailed(w http.ResponseWriter, err error) {
	s.log.Error("the lab cannot make credentials", slog.Any("error", err))
	refuse(w, http.StatusInternalServerError, string(handshake.CodeUnavailable), "the credentials could not be made")
}
