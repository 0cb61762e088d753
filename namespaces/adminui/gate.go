package adminui

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/namespaces"
)

const (
	sessionLife   = 12 * time.Hour
	triesAMinute  = 10  // passwords of one address
	passwordTests = 2   // how many passwords are compared at a time: each takes a processor for a tenth of a second
	longestSecret = 512 // bytes of a password
	tokenUser     = "token"
)

// invalid is the refusal's text that the interface recognises.
const invalid = "invalid credentials"

// door is the gate in force.
type door struct{ now atomic.Pointer[gate] }

// Check implements namespaces.Gate.
func (d *door) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	return d.now.Load().Check(ctx, r)
}

// gate lets operators in.
type gate struct {
	cfg   Config
	clock func() time.Time
	key   [sha256.Size]byte // signs sessions; made from the password's hash, so that all nodes have the same key and a new password ends the sessions
	tries *limit.Rate[netip.Prefix]
	tests chan struct{}
}

// with returns a gate for other operators that goes on with the same counts.
func (g *gate) with(cfg Config) *gate {
	next := newGate(cfg)
	next.clock, next.tries, next.tests = g.clock, g.tries, g.tests
	return next
}

func newGate(cfg Config) *gate {
	g := &gate{
		cfg: cfg, clock: time.Now, key: sha256.Sum256([]byte("gatehouse admin session\x00" + cfg.Username + "\x00" + cfg.PasswordHash.Reveal())),
		tests: make(chan struct{}, passwordTests),
	}
	g.tries = limit.NewRate[netip.Prefix](triesAMinute, func() time.Time { return g.clock() })
	return g
}

// credentials are the ones that the interface sends, and those that other
// clients may send.
type credentials struct {
	SessionID string `json:"sessionId"`
	Username  string `json:"username"`
	Password  string `json:"password"`
	Token     string `json:"token"`
}

// Check implements namespaces.Gate.
func (g *gate) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	if g.cfg.Open {
		return handshake.Identity{Subject: "developer", Method: handshake.MethodBasic}, nil
	}
	var c credentials
	if len(r.Auth) > 0 {
		if err := json.Unmarshal(r.Auth, &c); err != nil {
			return handshake.Identity{}, refused(err)
		}
	}
	if c.Username == tokenUser && g.cfg.Username != tokenUser {
		c.Token = c.Password // the interface has no field for a token
	}
	switch {
	case g.knows(c.SessionID):
		return g.operator(), nil
	case c.Token != "":
		return g.token(ctx, r, c.Token)
	case c.Username == "" && c.Password == "":
		return handshake.Identity{}, refused(errors.New("no credentials"))
	}
	if wait := g.tries.Take(handshake.AddressKey(r.RemoteAddr)); wait > 0 {
		return handshake.Identity{}, &handshake.Refusal{Code: handshake.CodeRateLimited, Message: "Too many passwords were tried from your address; wait a moment.", RetryAfter: wait}
	}
	return g.password(ctx, c)
}

func refused(cause error) error {
	return &handshake.Refusal{Code: handshake.CodeUnauthenticated, Message: invalid, Cause: cause}
}

func (g *gate) operator() handshake.Identity {
	return handshake.Identity{Subject: g.cfg.Username, Name: g.cfg.Username, Method: handshake.MethodBasic}
}

// password compares a password. A wrong name takes as long as a wrong password.
func (g *gate) password(ctx context.Context, c credentials) (handshake.Identity, error) {
	if g.cfg.PasswordHash == "" || len(c.Password) > longestSecret {
		return handshake.Identity{}, refused(errors.New("no password is set, or the one that came is too long"))
	}
	select {
	case g.tests <- struct{}{}:
		defer func() { <-g.tests }()
	case <-ctx.Done():
		return handshake.Identity{}, ctx.Err()
	}
	err := bcrypt.CompareHashAndPassword([]byte(g.cfg.PasswordHash.Reveal()), []byte(c.Password))
	if err != nil || c.Username != g.cfg.Username {
		return handshake.Identity{}, refused(errors.New("wrong name or password"))
	}
	return g.operator(), nil
}

// token asks the server's own gate, and looks at the scopes.
func (g *gate) token(ctx context.Context, r *handshake.Request, token string) (handshake.Identity, error) {
	if g.cfg.Tokens == nil {
		return handshake.Identity{}, refused(errors.New("tokens are not taken"))
	}
	auth, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		return handshake.Identity{}, refused(err)
	}
	q := *r
	q.Auth = auth
	id, err := g.cfg.Tokens.Check(ctx, &q)
	if err == nil && !slices.Contains(id.Scopes, g.cfg.Scope) {
		err = namespaces.Forbidden(fmt.Sprintf("The token has not the scope %s.", g.cfg.Scope))
	}
	return id, err
}

// session is the credential that the interface brings when it comes back.
func (g *gate) session() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(g.clock().Add(sessionLife).Unix())) // positive
	return base64.RawURLEncoding.EncodeToString(append(b, g.mac(b)...))
}

func (g *gate) mac(b []byte) []byte {
	h := hmac.New(sha256.New, g.key[:])
	h.Write(b)
	return h.Sum(nil)
}

func (g *gate) knows(session string) bool {
	b, err := base64.RawURLEncoding.DecodeString(session)
	if err != nil || len(b) != 8+sha256.Size || g.cfg.PasswordHash == "" {
		return false
	}
	until := time.Unix(int64(binary.BigEndian.Uint64(b)), 0) // is signed
	return hmac.Equal(b[8:], g.mac(b[:8])) && g.clock().Before(until)
}
