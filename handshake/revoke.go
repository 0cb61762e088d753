package handshake

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// RevocationConfig bounds the list of revocations.
type RevocationConfig struct {
	MaxMarks int           `koanf:"max_marks" yaml:"max_marks"` // zero is 100000
	Keep     time.Duration `koanf:"keep" yaml:"keep"`           // how long a mark without an end lasts: the longest life of a token; zero is 720h
}

func (c RevocationConfig) withDefaults() RevocationConfig {
	c.MaxMarks = orElse(c.MaxMarks, 100_000)
	c.Keep = orElse(c.Keep, 30*24*time.Hour)
	return c
}

// MarkKind says what a revocation names.
type MarkKind string

// The kinds of mark.
const (
	MarkSubject MarkKind = "subject" // everything that a user holds, up to a moment
	MarkToken   MarkKind = "token"   // one token, by its id (jti)
	MarkSession MarkKind = "session" // one login, by its id (sid)
)

// Mark revokes something. It travels between nodes as JSON.
type Mark struct {
	Kind   MarkKind  `json:"kind"`
	Value  string    `json:"value"`
	Issuer string    `json:"issuer,omitempty"` // empty: of any issuer
	At     time.Time `json:"at"`               // a subject's identities issued at or before it end; zero is now
	Until  time.Time `json:"until"`            // when the mark lapses; zero is At and the configured time to keep
	Reason string    `json:"reason,omitempty"` // for the log and the client
}

// Matches reports whether the mark revokes the identity. A subject's identity
// without a time of issue cannot show that it is newer, so it is revoked.
func (m Mark) Matches(id Identity) bool {
	if m.Issuer != "" && m.Issuer != id.Issuer {
		return false
	}
	switch m.Kind {
	case MarkSubject:
		return m.Value == id.Subject && !id.IssuedAt.After(m.At)
	case MarkToken:
		return m.Value == id.TokenID
	case MarkSession:
		return m.Value == id.Session
	}
	return false
}

// Revocations is the list of marks that are in force. It is bounded: a mark
// that finds no place is an error for whoever adds it, never a silent loss. It
// is safe for concurrent use.
type Revocations struct {
	keep  time.Duration
	clock func() time.Time

	mu    sync.RWMutex // guards marks
	marks *expiring[markKey, Mark]
}

type markKey struct {
	kind          MarkKind
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
	return &Revocations{keep: cfg.Keep, clock: clock, marks: newExpiring[markKey, Mark](cfg.MaxMarks)}
}

// Add puts a mark in force and returns it as it is kept. A second mark on the
// same thing extends the first. One that has lapsed already changes nothing.
func (v *Revocations) Add(m Mark) (Mark, error) {
	if m.Value == "" || m.Kind != MarkSubject && m.Kind != MarkToken && m.Kind != MarkSession {
		return Mark{}, fmt.Errorf("revoke: kind %q with value %q; give a subject, a token or a session and its name", m.Kind, m.Value)
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
	key := markKey{m.Kind, m.Value, m.Issuer}
	if old, ok := v.marks.get(now, key); ok {
		m.At, m.Until = latest(m.At, old.At), latest(m.Until, old.Until)
	}
	if !v.marks.put(now, key, m, m.Until) {
		return Mark{}, ErrRevocationsFull
	}
	return m, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Revoked returns the mark that revokes the identity, if there is one.
func (v *Revocations) Revoked(id Identity) (Mark, bool) {
	now := v.clock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.marks.byKey) == 0 {
		return Mark{}, false
	}
	for _, key := range [...]markKey{
		{MarkSubject, id.Subject, ""}, {MarkToken, id.TokenID, ""}, {MarkSession, id.Session, ""},
		{MarkSubject, id.Subject, id.Issuer}, {MarkToken, id.TokenID, id.Issuer}, {MarkSession, id.Session, id.Issuer},
	} {
		if m, ok := v.marks.get(now, key); ok && m.Matches(id) {
			return m, true
		}
	}
	return Mark{}, false
}

// All returns the marks in force, in no order, for a node that joins.
func (v *Revocations) All() []Mark {
	now := v.clock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	all := make([]Mark, 0, len(v.marks.byKey))
	for _, entry := range v.marks.byKey {
		if now.Before(entry.until) {
			all = append(all, entry.value)
		}
	}
	return all
}

func revokedRefusal(m Mark) *Refusal {
	return refuse(CodeTokenInvalid, "This sign-in has been revoked; sign in again.", fmt.Errorf("revoked by %s", m.Kind))
}
