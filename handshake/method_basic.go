package handshake

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"gatehouse/internal/limit"
)

// BasicConfig is about user names and passwords (RFC 7617). They need the method
// "basic", slow hashes, and TLS, here or at a trusted proxy.
type BasicConfig struct {
	Users    []BasicUser    `koanf:"users" yaml:"users"`
	Throttle ThrottleConfig `koanf:"throttle" yaml:"throttle"` // limits of failures, per user and address
}

// BasicUser is one user.
type BasicUser struct {
	Name   string   `koanf:"name" yaml:"name"`
	Hash   Secret   `koanf:"hash" yaml:"hash"` // bcrypt or argon2id
	Scopes []string `koanf:"scopes" yaml:"scopes"`
	Rooms  []string `koanf:"rooms" yaml:"rooms"`
}

func (c BasicConfig) withDefaults() BasicConfig {
	c.Throttle = c.Throttle.withDefaults()
	return c
}

const (
	maxBasicBytes      = 1024 // of a name with its password
	maxPasswordWaiting = 4096 // passwords that wait to be hashed
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
	users  map[string]user
	dummy  passwordHash // for unknown names: takes as long as a real hash
	limits ThrottleConfig
	clock  func() time.Time

	*triedPasswords
}

// triedPasswords counts wrong passwords, over all gates with the same memory.
type triedPasswords struct {
	throttle *Throttle[triedUser]
	wrong    *Throttle[netip.Prefix]    // addresses that have brought wrong passwords; it delays nobody, and only orders the queue
	hashing  *limit.Queue[netip.Prefix] // fair by address
}

func newTriedPasswords(clock func() time.Time) *triedPasswords {
	return &triedPasswords{
		throttle: NewThrottle[triedUser](ThrottleConfig{}, clock), wrong: NewThrottle[netip.Prefix](ThrottleConfig{}, clock),
		hashing: newHashing(max(runtime.GOMAXPROCS(0)/2, 1)),
	}
}

// fail counts a wrong password.
func (p *triedPasswords) fail(tried triedUser) time.Duration {
	p.wrong.Fail(tried.address)
	return p.throttle.Fail(tried)
}

// rule is for [Gate.Rule].
func (p *passwords) rule() {
	p.throttle.Set(p.limits)
	p.wrong.Set(p.limits)
}

// newHashing makes the queue of passwords. Half of the processors hash at a time,
// so that the other half serves admitted users.
func newHashing(places int) *limit.Queue[netip.Prefix] {
	return limit.NewQueue[netip.Prefix](limit.QueueConfig{Places: places, PerKey: places, Waiting: maxPasswordWaiting})
}

type user struct {
	hash     passwordHash
	identity Identity
}

// triedUser is the key by which failures are counted. Counting by user alone
// would let strangers lock a user out.
type triedUser struct {
	name    string
	address netip.Prefix
}

func newPasswords(cfg BasicConfig, deps Deps) (*passwords, error) {
	p := &passwords{
		users: make(map[string]user, len(cfg.Users)), limits: cfg.Throttle, clock: deps.Clock,
		triedPasswords: deps.Memory.passwords,
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

// Verify compares a password. Neither its time nor its answer reveals whether
// the user exists.
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
			RetryAfter: p.fail(tried), Cause: errors.New("basic: wrong name or password"),
		}
	}
	p.throttle.Clear(tried)
	p.wrong.Clear(tried.address)
	id := p.users[cred.User].identity
	id.IssuedAt = p.clock()
	return id, nil
}

// compare waits for its turn until ctx ends. Addresses that have brought a wrong
// password lately come after the others, so even a hundred of them delay a right
// password only by the hashes under way.
func (p *passwords) compare(ctx context.Context, cred Credential) (bool, error) {
	address := AddressKey(cred.Request.RemoteAddr)
	leave, err := p.hashing.Enter(ctx, address, !p.wrong.failed(address))
	if err != nil {
		return false, unavailable(fmt.Errorf("basic: wait to hash: %w", err))
	}
	defer leave()
	known, ok := p.users[cred.User]
	if !ok {
		p.dummy.matches(cred.Secret.Reveal())
		return false, nil
	}
	return known.hash.matches(cred.Secret.Reveal()), nil
}
