package handshake

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
)

// RevocationConfig bounds the list of revocations.
type RevocationConfig struct {
	MaxRevocations int           `koanf:"max_marks" yaml:"max_marks"` // zero is 100000
	Keep           time.Duration `koanf:"keep" yaml:"keep"`           // how long a revocation without an end lasts: the longest life of a token; zero is 720h
}

func (c RevocationConfig) withDefaults() RevocationConfig {
	c.MaxRevocations = positiveOr(c.MaxRevocations, 100_000)
	c.Keep = positiveOr(c.Keep, 30*24*time.Hour)
	return c
}

// RevocationKind is the kind of object that a revocation names.
type RevocationKind string

// The kinds of revocation.
const (
	RevokeSubject RevocationKind = "subject" // everything that a user holds, up to a moment
	RevokeToken   RevocationKind = "token"   // one token, by its id (jti)
	RevokeSession RevocationKind = "session" // one login, by its id (sid)
)

// Revocation revokes something. It travels between nodes as JSON.
type Revocation struct {
	Kind   RevocationKind `json:"kind"`
	Value  string         `json:"value"`
	Issuer string         `json:"issuer,omitempty"` // empty: of any issuer
	At     time.Time      `json:"at"`               // a subject's identities issued at or before this time end; zero means now
	Until  time.Time      `json:"until"`            // when the revocation lapses; zero is At and the configured time to keep
	Reason string         `json:"reason,omitempty"` // for the log and the client
}

// Matches reports whether the revocation revokes an identity that was admitted before it. A
// subject's identity without a time of issue counts as older, so it is revoked.
func (m Revocation) Matches(id Identity) bool {
	return m.names(id) && (m.Kind != RevokeSubject || !id.IssuedAt.After(m.At))
}

func (m Revocation) names(id Identity) bool {
	if m.Issuer != "" && m.Issuer != id.Issuer {
		return false
	}
	switch m.Kind {
	case RevokeSubject:
		return m.Value == id.Subject
	case RevokeToken:
		return m.Value == id.TokenID
	case RevokeSession:
		return m.Value == id.Session
	}
	return false
}

// signInLeeway is how far the clocks of an issuer and of this server may be
// apart for a new sign-in to count as newer than a revocation.
const signInLeeway = 5 * time.Second

// keptRevocation is a revocation with the sign-ins that it certainly revokes. Times of issue
// are whole seconds of another machine's clock. Close to the moment of the revocation they
// do not tell the order, so the earlier sign-ins are remembered.
type keptRevocation struct {
	Revocation
	before map[freshSignIn]bool
}

// revokes reports whether a revocation revokes an identity that signs in now.
func (v *Revocations) revokes(m keptRevocation, id Identity) bool {
	if !m.names(id) {
		return false
	}
	if m.Kind != RevokeSubject || id.IssuedAt.IsZero() || m.before[v.freshOf(id)] {
		return true
	}
	return id.IssuedAt.Before(m.At.Truncate(time.Second).Add(-signInLeeway))
}

// freshSignIn tells one credential of a user from another, by hashes with a seed of
// this process: twenty thousand of them are kept when many clients come at once.
type freshSignIn struct{ subject, issuer, credential uint64 }

func (v *Revocations) freshOf(id Identity) freshSignIn {
	type credential struct {
		token             string
		issuedAt, expires int64
	}
	return freshSignIn{
		subject: maphash.String(v.seed, id.Subject), issuer: maphash.String(v.seed, id.Issuer),
		credential: maphash.Comparable(v.seed, credential{id.TokenID, id.IssuedAt.UnixMilli(), id.ExpiresAt.UnixMilli()}),
	}
}

// maxSeen is how many fresh sign-ins are remembered. Older ones count as new
// if their user is revoked in the next seconds.
const maxSeen = 20_000

// Revocations is the list of revocations that are in force. It is bounded: Add fails when
// there is no place for a revocation, so that none is lost in silence. It is safe for
// concurrent use.
type Revocations struct {
	keep  time.Duration
	clock func() time.Time

	mu          sync.RWMutex // guards revocations
	revocations *expiring[revocationKey, keptRevocation]

	seed   maphash.Seed
	seenMu sync.Mutex                        // guards seen; taken after mu
	seen   *expiring[freshSignIn, time.Time] // fresh sign-ins → when they were first seen
}

type revocationKey struct {
	kind          RevocationKind
	value, issuer string
}

// ErrRevocationsFull is returned by Add when the list is full.
var ErrRevocationsFull = errors.New("the list of revocations is full; raise revocation.max_marks")

// NewRevocations makes an empty list; a nil clock is time.Now.
func NewRevocations(cfg RevocationConfig, clock func() time.Time) *Revocations {
	cfg = cfg.withDefaults()
	if clock == nil {
		clock = time.Now
	}
	return &Revocations{keep: cfg.Keep, clock: clock, seed: maphash.MakeSeed(), revocations: newExpiring[revocationKey, keptRevocation](cfg.MaxRevocations), seen: newExpiring[freshSignIn, time.Time](maxSeen)}
}

// Add puts a revocation in force and returns it as it is kept. A second revocation on the
// same thing extends the first. One that has lapsed already changes nothing.
func (v *Revocations) Add(m Revocation) (Revocation, error) {
	if m.Value == "" || m.Kind != RevokeSubject && m.Kind != RevokeToken && m.Kind != RevokeSession {
		return Revocation{}, fmt.Errorf("revoke: kind %q with value %q; give a subject, a token or a session and its name", m.Kind, m.Value)
	}
	now := v.clock()
	if m.At.IsZero() {
		m.At = now
	}
	if m.Until.IsZero() {
		m.Until = m.At.Add(v.keep)
	}
	if !now.Before(m.Until) {
		return m, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	key := revocationKey{m.Kind, m.Value, m.Issuer}
	kept := keptRevocation{Revocation: m, before: v.seenBefore(m)}
	if old, ok := v.revocations.get(now, key); ok {
		kept.At, kept.Until = latest(m.At, old.At), latest(m.Until, old.Until)
		for one := range old.before {
			kept.before[one] = true
		}
	}
	if !v.revocations.put(now, key, kept, kept.Until) {
		return Revocation{}, ErrRevocationsFull
	}
	return kept.Revocation, nil
}

// Remove lifts the revocations on the same thing as m: its kind, value and issuer. It
// reports whether there was one. Sockets that it has ended stay so.
func (v *Revocations) Remove(m Revocation) bool {
	now := v.clock()
	v.mu.Lock()
	defer v.mu.Unlock()
	key := revocationKey{m.Kind, m.Value, m.Issuer}
	_, ok := v.revocations.get(now, key)
	v.revocations.remove(key)
	return ok
}

// see remembers a fresh sign-in, whose time of issue would not show whether it is older
// than a revocation. It is called before the list is checked, so that a concurrent
// revocation finds it.
func (v *Revocations) see(id Identity) {
	now := v.clock()
	until := id.IssuedAt.Add(2*signInLeeway + time.Second)
	if id.IssuedAt.IsZero() || !now.Before(until) {
		return
	}
	one := v.freshOf(id)
	v.seenMu.Lock()
	defer v.seenMu.Unlock()
	if _, known := v.seen.get(now, one); known {
		return
	}
	if !v.seen.put(now, one, now, until) {
		v.seen.evict()
		v.seen.put(now, one, now, until)
	}
}

// seenBefore returns the fresh sign-ins that a subject's revocation revokes.
func (v *Revocations) seenBefore(m Revocation) map[freshSignIn]bool {
	before := make(map[freshSignIn]bool)
	if m.Kind != RevokeSubject {
		return before
	}
	v.seenMu.Lock()
	defer v.seenMu.Unlock()
	subject, issuer := maphash.String(v.seed, m.Value), maphash.String(v.seed, m.Issuer)
	for one, entry := range v.seen.byKey {
		if one.subject == subject && (m.Issuer == "" || one.issuer == issuer) && !entry.value.After(m.At) {
			before[one] = true
		}
	}
	return before
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Revoked returns the revocation that revokes the identity, if there is one.
func (v *Revocations) Revoked(id Identity) (Revocation, bool) {
	now := v.clock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.revocations.byKey) == 0 {
		return Revocation{}, false
	}
	for _, key := range [...]revocationKey{
		{RevokeSubject, id.Subject, ""}, {RevokeToken, id.TokenID, ""}, {RevokeSession, id.Session, ""},
		{RevokeSubject, id.Subject, id.Issuer}, {RevokeToken, id.TokenID, id.Issuer}, {RevokeSession, id.Session, id.Issuer},
	} {
		if m, ok := v.revocations.get(now, key); ok && v.revokes(m, id) {
			return m.Revocation, true
		}
	}
	return Revocation{}, false
}

// All returns the revocations in force, in no order, for a node that joins.
func (v *Revocations) All() []Revocation {
	now := v.clock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make([]Revocation, 0, len(v.revocations.byKey))
	for _, entry := range v.revocations.byKey {
		if now.Before(entry.until) {
			all = append(all, entry.value.Revocation)
		}
	}
	return all
}

func revokedRefusal(m Revocation) *Refusal {
	return refuse(CodeTokenInvalid, "This sign-in has been revoked; sign in again.", fmt.Errorf("revoked by %s", m.Kind))
}
