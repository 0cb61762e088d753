// Package dev has what a server opens in development only: the demo login, which
// gives a token to anybody, and the endpoints and namespaces of the page /auth-lab.
package dev

import (
	"log/slog"
	"net/http"

	"gatehouse/handshake"
	"gatehouse/namespaces/relay"
)

// Endpoints are those of the demo login and the lab. The fields are what they need
// of the server; the functions are safe for concurrent use.
type Endpoints struct {
	Signer       *handshake.Signer // of the tokens; nil when there is nothing to sign with
	JWT          handshake.JWTConfig
	Log          *slog.Logger
	Ruled        []string // namespaces that have rules, sorted
	Gate         func() *handshake.Gate
	AllowsOrigin func(*http.Request) bool
	Secure       func(*http.Request) bool // whether a request came over TLS
	// Explain says whose a token is, and what the rules decide about its owner.
	Explain func(*http.Request, Question) (subject string, decisions []relay.Decision, err error)
}
