package handshake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/MicahParks/jwkset"
)

// keySet is a JSON Web Key Set (RFC 7517) that is read again when it is old,
// and once when a token names a key that it lacks: then the issuer has begun
// to use a new one. Reads are single-flight and never closer together than
// cooldown, so tokens with made-up key names cause no traffic. A set that
// cannot be read again stays good until it is maxStale old.
type keySet struct {
	// Fixed once made.
	load      func(ctx context.Context) ([]byte, error)
	algorithm string // for keys without alg
	refresh   time.Duration
	cooldown  time.Duration
	maxStale  time.Duration
	clock     func() time.Time

	mu      sync.Mutex // guards what follows; not held while reading
	keys    []namedKey
	readAt  time.Time     // of the set in keys
	triedAt time.Time     // of the last try
	reading chan struct{} // closed when the read under way ends; nil when none is
	lastErr error         // of the last try
}

type namedKey struct {
	kid string
	verificationKey
}

const (
	maxKeySetBytes = 512 << 10
	maxKeys        = 100
	keySetTimeout  = 5 * time.Second
)

func newKeySet(cfg JWTConfig, client *http.Client, clock func() time.Time) *keySet {
	s := &keySet{
		algorithm: cfg.Algorithm, clock: clock,
		refresh: cfg.JWKSRefresh, cooldown: cfg.JWKSCooldown, maxStale: cfg.JWKSMaxStale,
	}
	if cfg.JWKSFile != "" {
		s.load = func(context.Context) ([]byte, error) { return os.ReadFile(cfg.JWKSFile) }
		return s
	}
	s.load = func(ctx context.Context) ([]byte, error) { return fetchKeySet(ctx, client, cfg.JWKSURL) }
	return s
}

// find looks a key up by kid, or by algorithm when the token names none.
func (s *keySet) find(ctx context.Context, kid, alg string) (verificationKey, error) {
	if err := s.fresh(ctx); err != nil {
		return verificationKey{}, unavailable(fmt.Errorf("read key set: %w", err))
	}
	key, err := s.lookUp(kid, alg)
	if !errors.Is(err, errUnknownKey) {
		return key, err
	}
	if !s.read(ctx) {
		return verificationKey{}, errUnknownKey
	}
	return s.lookUp(kid, alg)
}

// fresh makes sure that there is a set to look into.
func (s *keySet) fresh(ctx context.Context) error {
	now := s.clock()
	s.mu.Lock()
	age, have, underWay := now.Sub(s.readAt), s.keys != nil, s.reading != nil
	s.mu.Unlock()
	if have && (age < s.refresh || underWay && age <= s.maxStale) {
		return nil // while one caller reads the set again, the others use the old one
	}
	s.read(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil || s.clock().Sub(s.readAt) > s.maxStale {
		return errors.Join(errors.New("no set that is new enough"), s.lastErr)
	}
	return nil
}

// read reads the set again, or waits for who does. It returns false when
// cooldown does not allow it.
func (s *keySet) read(ctx context.Context) bool {
	s.mu.Lock()
	if under := s.reading; under != nil {
		s.mu.Unlock()
		select {
		case <-under:
		case <-ctx.Done():
		}
		return true
	}
	now := s.clock()
	if !s.triedAt.IsZero() && now.Sub(s.triedAt) < s.cooldown {
		s.mu.Unlock()
		return false
	}
	done := make(chan struct{})
	s.reading, s.triedAt = done, now
	s.mu.Unlock()

	keys, err := s.fetch(ctx)

	s.mu.Lock()
	if err == nil {
		s.keys, s.readAt = keys, now
	}
	s.lastErr, s.reading = err, nil
	s.mu.Unlock()
	close(done)
	return true
}

// fetch outlives the context of the one CONNECT that happened to cause it:
// others wait for it.
func (s *keySet) fetch(ctx context.Context) ([]namedKey, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keySetTimeout)
	defer cancel()
	raw, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	return parseKeySet(raw, s.algorithm)
}

func (s *keySet) lookUp(kid, alg string) (verificationKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []namedKey
	known := false
	for _, key := range s.keys {
		if kid != "" && key.kid != kid {
			continue
		}
		known = true
		if key.method.Alg() == alg {
			found = append(found, key)
		}
	}
	switch {
	case !known:
		return verificationKey{}, errUnknownKey
	case len(found) == 0:
		return verificationKey{}, errWrongAlgorithm
	case len(found) > 1:
		return verificationKey{}, errUnknownKey // the token must say which
	}
	return found[0].verificationKey, nil
}

// parseKeySet keeps the public signing keys. Others in the set are for others;
// symmetric keys have no place in a set that is handed out.
func parseKeySet(raw []byte, algorithm string) ([]namedKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys; at most %d are read", len(set.Keys), maxKeys)
	}
	keys := make([]namedKey, 0, len(set.Keys))
	for _, one := range set.Keys {
		if key, ok := parseJWK(one, algorithm); ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no public signing key in the set")
	}
	return keys, nil
}

// parseJWK reads one key. Where a certificate is said to be (x5u) is not asked.
func parseJWK(raw json.RawMessage, algorithm string) (namedKey, bool) {
	jwk, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return namedKey{}, false
	}
	m := jwk.Marshal()
	forSigning := m.USE == "" || m.USE == jwkset.UseSig
	if !forSigning || len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return namedKey{}, false
	}
	if m.ALG != "" {
		algorithm = string(m.ALG)
	}
	method, err := methodFor(jwk.Key(), algorithm)
	if err != nil && m.ALG == "" {
		method, err = methodFor(jwk.Key(), "") // the set holds keys of other types too
	}
	if err != nil {
		return namedKey{}, false
	}
	return namedKey{m.KID, verificationKey{method, jwk.Key()}}, true
}

// fetchKeySet reads a key set from its issuer.
func fetchKeySet(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err == nil && len(raw) > maxKeySetBytes {
		err = fmt.Errorf("larger than %d bytes", maxKeySetBytes)
	}
	return raw, err
}
