package handshake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"gatehouse/internal/limit"
)

// keySet is a JSON Web Key Set (RFC 7517). It is read again when it is old, and
// when a token names a key that it lacks, because the issuer may have begun to
// use a new one. Reads are single-flight. Reads for unknown keys are never closer
// together than cooldown, so that tokens with made-up key names cause no traffic;
// a read that failed is repeated after a second, then less and less often. A set
// that cannot be read again stays good until it is maxStale old.
type keySet struct {
	// Fixed once made.
	at        string // the configuration key, for the log
	load      func(ctx context.Context) ([]byte, error)
	algorithm string // for keys without alg
	refresh   time.Duration
	cooldown  time.Duration
	maxStale  time.Duration
	clock     func() time.Time
	log       *slog.Logger

	*heldSet
}

// heldSet is a key set that has been read. Gates with the same memory share it.
type heldSet struct {
	mu       sync.Mutex // guards what follows; not held while reading
	set      parsedSet
	readAt   time.Time     // time of the last good read; zero when there was none
	missedAt time.Time     // time of the last read for an unknown key
	failedAt time.Time     // of the last read that failed
	failures int           // in a row
	reading  chan struct{} // closed when the read under way ends; nil when none is
	lastErr  error         // of the last read
}

const (
	maxKeySetBytes = 512 << 10
	keySetTimeout  = 5 * time.Second
)

var keySetRetry = limit.Backoff{First: time.Second, Max: 30 * time.Second}

func newKeySet(at string, cfg JWTConfig, deps Deps) *keySet {
	s := &keySet{
		at: at + ".jwks_url", algorithm: cfg.Algorithm, clock: deps.Clock, log: deps.Logger,
		refresh: cfg.JWKSRefresh, cooldown: cfg.JWKSCooldown, maxStale: cfg.JWKSMaxStale,
		heldSet: new(heldSet),
	}
	if cfg.JWKSFile != "" {
		s.at = at + ".jwks_file"
		s.load = func(context.Context) ([]byte, error) { return os.ReadFile(cfg.JWKSFile) }
		return s
	}
	s.heldSet = deps.Memory.sets.get(keySetID{cfg.JWKSURL, cfg.Algorithm}, func() *heldSet { return new(heldSet) })
	s.load = func(ctx context.Context) ([]byte, error) { return fetchKeySet(ctx, deps.HTTPClient, cfg.JWKSURL) }
	return s
}

// find returns the keys that a token with this kid and alg may be signed with.
func (s *keySet) find(ctx context.Context, kid, alg string) ([]verificationKey, error) {
	if err := s.fresh(ctx); err != nil {
		return nil, err
	}
	keys, err := s.lookUp(kid, alg)
	if !errors.Is(err, errUnknownKey) {
		return keys, err
	}
	if wait := s.mayReadFor(); wait > 0 {
		return nil, unavailableFor(wait, fmt.Errorf("%s: an unknown key; the set is read again in %s", s.at, wait.Round(time.Millisecond)))
	}
	if err := s.read(ctx); err != nil {
		return nil, unavailableFor(s.retryIn(), fmt.Errorf("%s: read again for an unknown key: %w", s.at, err))
	}
	return s.lookUp(kid, alg)
}

// fresh makes sure that there is a set to look into.
func (s *keySet) fresh(ctx context.Context) error {
	s.mu.Lock()
	now := s.clock()
	age := now.Sub(s.readAt)
	have := !s.readAt.IsZero() && age <= s.maxStale
	waiting := now.Sub(s.failedAt) < keySetRetry.Wait(s.failures)
	if have && (age < s.refresh || s.reading != nil || waiting) {
		s.mu.Unlock()
		return nil // while one caller reads the set again, the others use the old one
	}
	err := s.lastErr
	s.mu.Unlock()
	if !waiting {
		if err = s.read(ctx); err == nil || have {
			return nil
		}
	}
	return unavailableFor(s.retryIn(), fmt.Errorf("%s: no set that is new enough: %w", s.at, err))
}

// retryIn is after how long a failed read is repeated.
func (s *keySet) retryIn() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(s.failedAt.Add(keySetRetry.Wait(s.failures)).Sub(s.clock()), time.Second)
}

// mayReadFor takes the one read for unknown keys that cooldown allows, or returns
// how long it still takes. Callers that come while the set is being read share
// that read.
func (s *keySet) mayReadFor() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading != nil {
		return 0
	}
	now := s.clock()
	next := s.failedAt.Add(keySetRetry.Wait(s.failures))
	if !s.missedAt.IsZero() {
		next = latest(next, s.missedAt.Add(s.cooldown))
	}
	if wait := next.Sub(now); wait > 0 {
		return wait
	}
	s.missedAt = now
	return 0
}

// read reads the set again, or waits for the read that is under way.
func (s *keySet) read(ctx context.Context) error {
	s.mu.Lock()
	if under := s.reading; under != nil {
		s.mu.Unlock()
		select {
		case <-under:
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.lastErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	done := make(chan struct{})
	s.reading = done
	s.mu.Unlock()

	set, err := s.fetch(ctx)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(set, err)
	now := s.clock()
	if err == nil {
		s.set, s.readAt, s.failures = set, now, 0
	} else {
		s.failures++
		s.failedAt = now
	}
	s.lastErr, s.reading = err, nil
	close(done)
	return err
}

// tellLocked logs what a read has changed.
func (s *keySet) tellLocked(set parsedSet, err error) {
	switch {
	case err != nil && s.failures == 0:
		s.log.Warn("key set cannot be read", "setting", s.at, "cause", err)
	case err == nil && (s.readAt.IsZero() || s.failures > 0):
		s.log.Info("key set read", "setting", s.at, "keys", len(set.keys))
	}
	for id, why := range set.unusable {
		if _, told := s.set.unusable[id]; !told {
			s.log.Warn("a key of the key set is of no use", "setting", s.at, "kid", id.kid, "number", id.number, "cause", why)
		}
	}
}

// fetch outlives the context of the CONNECT that has caused it, because others
// wait for its result.
func (s *keySet) fetch(ctx context.Context) (parsedSet, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keySetTimeout)
	defer cancel()
	raw, err := s.load(ctx)
	if err != nil {
		return parsedSet{}, err
	}
	return parseKeySet(raw, s.algorithm)
}

func (s *keySet) lookUp(kid, alg string) ([]verificationKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set.lookUp(kid, alg)
}

// fetchKeySet reads a key set from its issuer. Redirects are not followed, so
// that only the configured server answers.
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
		return nil, fmt.Errorf("status %d%s", response.StatusCode, movedTo(response))
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxKeySetBytes+1))
	if err == nil && len(raw) > maxKeySetBytes {
		err = fmt.Errorf("larger than %d bytes", maxKeySetBytes)
	}
	return raw, err
}

// movedTo returns the target of a redirect, without its query.
func movedTo(response *http.Response) string {
	to, err := response.Location()
	if err != nil {
		return ""
	}
	to.RawQuery, to.Fragment, to.User = "", "", (*url.Userinfo)(nil)
	return ": redirects are not followed; configure " + strings.TrimSuffix(to.String(), "?") + " if it is the issuer's"
}
