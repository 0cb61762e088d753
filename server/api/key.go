package api

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
)

// Config says who may use the interface.
type Config struct {
	// Keys are the back ends' keys. While a key is replaced, the old and the new one stand side by side, and may have the
	// same name. Without any key the interface is closed.
	Keys []Key `koanf:"keys"`
}

// Key is a key that a back end sends as Authorization: Bearer.
type Key struct {
	// Name is the key's name in logs and for receivers. Two keys with the same name are two secrets of one back end.
	Name string `koanf:"name"`
	// Secret is the key itself, at least 32 bytes. SHA256 is its hash in hexadecimal, so that the key itself need not be
	// here. One of them is set.
	Secret handshake.Secret `koanf:"secret"`
	SHA256 string           `koanf:"sha256"`
	// Namespaces are the namespaces that the key is for: names, beginnings of names with a * at the end, or "*" for all.
	Namespaces []string `koanf:"namespaces"`
	// Scopes are the operations that the key allows: publish, rooms, read, disconnect, revoke. revoke ends sign-ins in all
	// namespaces, and needs a key for all of them.
	Scopes []string `koanf:"scopes"`
	// Rate is how many requests the key may make in a second; ten times as many may come at once. Zero is [DefaultRate].
	Rate int `koanf:"rate"`
}

// DefaultRate is how many requests a second a key may make where Rate is zero.
const DefaultRate = 1000

const rateBurst = 10 // how many seconds' worth of requests a key may make at once

// The scopes of keys.
const (
	ScopePublish    = "publish"    // send events
	ScopeRooms      = "rooms"      // put sockets into rooms and take them out
	ScopeRead       = "read"       // see sockets, rooms, presence, history and users
	ScopeDisconnect = "disconnect" // disconnect sockets
	ScopeRevoke     = "revoke"     // revoke sign-ins
)

var scopes = []string{ScopePublish, ScopeRooms, ScopeRead, ScopeDisconnect, ScopeRevoke}

const (
	shortestSecret = 32 // bytes, as of the operators' key
	longestName    = 64 // bytes
	everywhere     = "*"
)

// Check returns all mistakes in the configuration. Each error begins with the key of the configuration that it is
// about, without the section.
func (c Config) Check() error {
	var errs []error
	seen := map[[sha256.Size]byte]int{}
	for i, k := range c.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		errs = append(errs, k.check(at))
		hash, err := k.hash()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.%w", at, err))
			continue
		}
		if first, again := seen[hash]; again {
			errs = append(errs, fmt.Errorf("%s: is the same secret as keys[%d]; remove one of them", at, first))
		}
		seen[hash] = i
	}
	return errors.Join(errs...)
}

func (k Key) check(at string) error {
	var errs []error
	bad := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s.%s: %s", at, key, fmt.Sprintf(format, args...)))
	}
	if k.Name == "" || len(k.Name) > longestName || strings.ContainsFunc(k.Name, func(r rune) bool { return r < '!' || r > '~' }) {
		bad("name", "give the key a name of visible ASCII characters, at most %d; logs and receivers see it", longestName)
	}
	if len(k.Scopes) == 0 {
		bad("scopes", "say what the key may do: some of %s", strings.Join(scopes, ", "))
	}
	for _, s := range k.Scopes {
		if !slices.Contains(scopes, s) {
			bad("scopes", "%q is none of %s", s, strings.Join(scopes, ", "))
		}
	}
	if len(k.Namespaces) == 0 {
		bad("namespaces", `name the namespaces that the key is for, such as /app, /tenant-* or "*"`)
	}
	for _, ns := range k.Namespaces {
		if start := strings.TrimSuffix(ns, everywhere); ns != everywhere && !strings.HasPrefix(ns, "/") || strings.Contains(start, everywhere) {
			bad("namespaces", `%q is no namespace: write its name with the slash; a * may stand at the end only`, ns)
		}
	}
	if k.Rate < 0 {
		bad("rate", "%d is negative; write how many requests the key may make in a second", k.Rate)
	}
	if slices.Contains(k.Scopes, ScopeRevoke) && !slices.Contains(k.Namespaces, everywhere) {
		bad("scopes", `revoke ends sign-ins in all namespaces; it needs namespaces: ["*"]`)
	}
	return errors.Join(errs...)
}

// hash is the SHA-256 of the secret. A secret is random and long, so that no slower hash is needed.
func (k Key) hash() (sum [sha256.Size]byte, err error) {
	switch {
	case (k.Secret == "") == (k.SHA256 == ""):
		return sum, errors.New("secret: set secret or sha256, one of them; make a secret with: openssl rand -base64 32")
	case k.SHA256 != "":
		if n, err := hex.Decode(sum[:], []byte(k.SHA256)); len(k.SHA256) != 2*sha256.Size || err != nil || n != len(sum) {
			return sum, errors.New("sha256: is not the SHA-256 of a secret in hexadecimal; make it with: printf %s \"$SECRET\" | sha256sum")
		}
		return sum, nil
	case len(k.Secret) < shortestSecret:
		return sum, fmt.Errorf("secret: has less than %d bytes; make one with: openssl rand -base64 32", shortestSecret)
	}
	return sha256.Sum256([]byte(k.Secret.Reveal())), nil
}

// Hashed returns the configuration with hashes in place of the secrets. [Config.Check] must have accepted it.
func (c Config) Hashed() Config {
	keys := slices.Clone(c.Keys)
	for i, k := range keys {
		if sum, err := k.hash(); err == nil {
			keys[i].SHA256, keys[i].Secret = hex.EncodeToString(sum[:]), ""
		}
	}
	return Config{Keys: keys}
}

// Caller makes requests, with the scopes and namespaces of a key.
type Caller struct {
	name       string
	namespaces []string
	scopes     []string
	hash       [sha256.Size]byte
	rate       int // requests a second; zero is no limit

	mu    sync.Mutex // guards what follows; a leaf
	taken limit.Allowance
}

// take counts a request, or says how long the caller has to wait.
func (c *Caller) take(now time.Time) time.Duration {
	if c.rate == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken.Take(now, rateBurst*c.rate, time.Second/time.Duration(c.rate))
}

// Name is the name of the key.
func (c *Caller) Name() string { return c.name }

// Operator is a caller who may do everything everywhere.
func Operator() *Caller {
	return &Caller{name: "operator", namespaces: []string{everywhere}, scopes: scopes}
}

// same reports whether both callers are made of the same key.
func (c *Caller) same(other *Caller) bool {
	return c.name == other.name && c.hash == other.hash && c.rate == other.rate &&
		slices.Equal(c.namespaces, other.namespaces) && slices.Equal(c.scopes, other.scopes)
}

// may reports whether the caller has a scope.
func (c *Caller) may(scope string) bool { return slices.Contains(c.scopes, scope) }

// in reports whether the caller's key is for a namespace.
func (c *Caller) in(name string) bool {
	return slices.ContainsFunc(c.namespaces, func(pattern string) bool {
		start, open := strings.CutSuffix(pattern, everywhere)
		return open && strings.HasPrefix(name, start) || pattern == name
	})
}

// callers makes the callers of the keys.
func callers(keys []Key) ([]*Caller, error) {
	var all []*Caller
	for _, k := range keys {
		hash, err := k.hash()
		if err != nil {
			return nil, err
		}
		all = append(all, &Caller{name: k.Name, namespaces: k.Namespaces, scopes: k.Scopes, hash: hash, rate: cmp.Or(k.Rate, DefaultRate)})
	}
	return all, nil
}

// Caller returns the caller whose key a request has, in constant time. It is nil when the request has no key or an
// unknown one.
func (a *API) Caller(r *http.Request) *Caller {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	sum := sha256.Sum256([]byte(given))
	var found *Caller
	for _, c := range *a.callers.Load() {
		if subtle.ConstantTimeCompare(sum[:], c.hash[:]) == 1 {
			found = c
		}
	}
	return found
}
