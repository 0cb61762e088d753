// Package dev has the endpoints that a server opens in development only: the demo
// login, which gives a token to anybody, and the endpoints and namespaces of the
// page /auth-lab.
package dev

import (
	"log/slog"
	"net/http"

	"gatehouse/handshake"
	"gatehouse/namespaces/relay"
)

// Endpoints are those of the demo login and the lab. The fields come from the
// server; the functions are safe for concurrent use.
type Endpoints struct {
	Signer       *handshake.Signer // the signer of tokens; nil without a key
	JWT          handshake.JWTConfig
	Log          *slog.Logger
	Ruled        []string // namespaces that have rules, sorted
	Gate         func() *handshake.Gate
	AllowsOrigin func(*http.Request) bool
	Secure       func(*http.Request) bool // whether a request came over TLS
	// Explain returns the identity of a token, and the decisions of the rules about
	// it.
	Explain func(*http.Request, Question) (subject string, decisions []relay.Decision, err error)
}
