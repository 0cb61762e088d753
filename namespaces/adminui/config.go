package adminui

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// DefaultScope is the scope of a token that opens the interface.
const DefaultScope = "admin"

// Config says who may watch, and what they may do.
type Config struct {
	Username     string           // empty is "admin"
	PasswordHash handshake.Secret // bcrypt; empty: nobody comes in by password
	Tokens       namespaces.Gate  // verifies tokens; nil: none are taken
	Scope        string           // the scope that a token must have; empty is DefaultScope
	ReadOnly     bool             // who watches can do nothing
	Open         bool             // everybody may come in and do everything: for development
	Server       string           // the name of this node; empty is the host's
	Hub          func() *namespaces.Hub
	Stats        func() Stats // nil: no numbers
	Logger       *slog.Logger // nil is slog.Default
}

// Stats are numbers of this node.
type Stats struct{ Clients, Polling int }

// leastCost is the lowest cost of a bcrypt hash that takes an attacker long
// enough.
const leastCost = 10

// Check says what is wrong. Each error begins with the key that it is about.
func (c Config) Check() error {
	var errs []error
	if c.PasswordHash != "" {
		cost, err := bcrypt.Cost([]byte(c.PasswordHash.Reveal()))
		switch {
		case err != nil:
			errs = append(errs, errors.New(`password_hash: is no bcrypt hash; make one with: htpasswd -nbBC 12 "" "$PASSWORD" | tr -d ':\n'`))
		case cost < leastCost:
			errs = append(errs, fmt.Errorf("password_hash: has the cost %d; use at least %d", cost, leastCost))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	c.Username, c.Scope = cmp.Or(c.Username, "admin"), cmp.Or(c.Scope, DefaultScope)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}
