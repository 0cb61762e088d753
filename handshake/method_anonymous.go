package handshake

import (
	"context"
	"io"
	"time"
)

// anonymous admits everybody, each under a name of its own.
type anonymous struct {
	random io.Reader
	clock  func() time.Time
}

// Extract finds everybody.
func (a anonymous) Extract(*Request) (Credential, error) {
	return Credential{Kind: KindAnonymous}, nil
}

// Verify makes up an identity. It has no issuer, and a random subject that no
// other verifier is likely to give.
func (a anonymous) Verify(_ context.Context, cred Credential) (Identity, error) {
	if cred.Kind != KindAnonymous {
		return Identity{}, ErrNotMine
	}
	name, err := randomText(a.random, 16)
	if err != nil {
		return Identity{}, unavailable(err)
	}
	return Identity{Subject: "anonymous:" + name, Name: "Guest", IssuedAt: a.clock()}, nil
}
