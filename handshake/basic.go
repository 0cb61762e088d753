package handshake

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// BasicConfig is about user names and passwords (RFC 7617). They need the way
// "basic", TLS or a trusted proxy that has it, and slow hashes.
type BasicConfig struct {
	Users    []BasicUser    `koanf:"users" yaml:"users"`
	Throttle ThrottleConfig `koanf:"throttle" yaml:"throttle"` // of failures, per user and address
}

// BasicUser is one user.
type BasicUser struct {
	Name   string   `koanf:"name" yaml:"name"`
	Hash   Secret   `koanf:"hash" yaml:"hash"` // bcrypt or argon2id
	Scopes []string `koanf:"scopes" yaml:"scopes"`
	Rooms  []string `koanf:"rooms" yaml:"rooms"`
}

const (
	maxBasicBytes = 1024 // of a name with its password
	maxHashing    = 2    // passwords hashed at a time
	maxWaiting    = 64   // tries under way, those that wait to be hashed included
)

// userFromHeader reads Authorization: Basic, which must not cross a network in
// the clear.
func userFromHeader(r *Request) (Credential, error) {
	encoded, err := authorization(r, "Basic")
	if err != nil {
		return Credential{}, err
	}
	if !r.Secure {
		return Credential{}, refuse(CodeUnauthenticated, "Passwords are accepted over TLS only; connect with https.", errors.New("basic without TLS"))
	}
	raw, err := base64.StdEncoding.DecodeString(encoded.Reveal())
	name, password, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok || name == "" || len(raw) > maxBasicBytes {
		return Credential{}, refuse(CodeUnauthenticated, "The Authorization header cannot be read.", errors.New("malformed basic credentials"))
	}
	return Credential{Kind: KindBasic, User: name, Secret: Secret(password)}, nil
}

// passwords verifies users of the configuration.
type passwords struct {
	users    map[string]user
	dummy    passwordHash // takes as long as a real one, for names that nobody has
	throttle *Throttle[triedUser]
	hashing  chan struct{} // holds one element per password being hashed
	trying   chan struct{} // holds one element per try under way
	clock    func() time.Time
}

type user struct {
	hash     passwordHash
	identity Identity
}

// triedUser is what failures are counted by. Counting by user alone would let
// strangers lock a user out.
type triedUser struct {
	name    string
	address netip.Prefix
}

func newPasswords(cfg BasicConfig, clock func() time.Time) (*passwords, error) {
	p := &passwords{
		users: make(map[string]user, len(cfg.Users)), hashing: make(chan struct{}, maxHashing), trying: make(chan struct{}, maxWaiting),
		throttle: NewThrottle[triedUser](cfg.Throttle, clock), clock: clock,
	}
	var errs []error
	for i, one := range cfg.Users {
		hash, err := parsePasswordHash(one.Hash.Reveal())
		if err != nil {
			errs = append(errs, fmt.Errorf("basic.users[%d].hash: %w", i, err))
			continue
		}
		if _, twice := p.users[one.Name]; twice || one.Name == "" || strings.Contains(one.Name, ":") {
			errs = append(errs, fmt.Errorf("basic.users[%d].name: %q must be a name without colon, listed once", i, one.Name))
		}
		p.users[one.Name] = user{hash, Identity{Subject: one.Name, Name: one.Name, Scopes: one.Scopes, Rooms: one.Rooms}}
		p.dummy = hash
	}
	return p, errors.Join(errs...)
}

// Verify compares a password. Nobody learns from the time it takes, or from
// the answer, whether the user exists.
func (p *passwords) Verify(ctx context.Context, cred Credential) (Identity, error) {
	if cred.Kind != KindBasic {
		return Identity{}, ErrNotMine
	}
	tried := triedUser{cred.User, AddressKey(cred.Request.RemoteAddr)}
	if wait := p.throttle.Wait(tried); wait > 0 {
		return Identity{}, &Refusal{Code: CodeRateLimited, Message: "Too many wrong passwords; wait, then try again.", RetryAfter: wait, Cause: errors.New("basic: throttled")}
	}
	ok, err := p.compare(ctx, cred)
	if err != nil {
		return Identity{}, err
	}
	if !ok {
		return Identity{}, &Refusal{
			Code: CodeUnauthenticated, Message: "The user name or the password is wrong.",
			RetryAfter: p.throttle.Fail(tried), Cause: errors.New("basic: wrong name or password"),
		}
	}
	p.throttle.Clear(tried)
	id := p.users[cred.User].identity
	id.IssuedAt = p.clock()
	return id, nil
}

func (p *passwords) compare(ctx context.Context, cred Credential) (bool, error) {
	select {
	case p.trying <- struct{}{}:
		defer func() { <-p.trying }()
	default:
		return false, unavailable(errors.New("basic: too many tries at once"))
	}
	select {
	case p.hashing <- struct{}{}:
		defer func() { <-p.hashing }()
	case <-ctx.Done():
		return false, unavailable(fmt.Errorf("basic: wait to hash: %w", ctx.Err()))
	}
	known, ok := p.users[cred.User]
	if !ok {
		p.dummy.matches(cred.Secret.Reveal())
		return false, nil
	}
	return known.hash.matches(cred.Secret.Reveal()), nil
}
