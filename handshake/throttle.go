package handshake

import (
	"cmp"
	"net/netip"
	"sync"
	"time"

	"gatehouse/internal/limit"
)

// ThrottleConfig says how failures delay further tries.
type ThrottleConfig struct {
	Free    int           `koanf:"free" yaml:"free"`         // how many failures cause no delay; zero means 5, negative none
	Base    time.Duration `koanf:"base" yaml:"base"`         // the first delay, doubled by each further failure; zero is 250ms
	Max     time.Duration `koanf:"max" yaml:"max"`           // the longest delay; zero is 30s
	Forget  time.Duration `koanf:"forget" yaml:"forget"`     // failures this old are forgiven; zero is 10m
	MaxKeys int           `koanf:"max_keys" yaml:"max_keys"` // how many are remembered; zero is 100000
}

func (c ThrottleConfig) withDefaults() ThrottleConfig {
	c.Free = cmp.Or(c.Free, 5) // negative is none
	c.Base = positiveOr(c.Base, 250*time.Millisecond)
	c.Max = positiveOr(c.Max, 30*time.Second)
	c.Forget = positiveOr(c.Forget, 10*time.Minute)
	c.MaxKeys = positiveOr(c.MaxKeys, 100_000)
	return c
}

// Throttle counts failures by key (an address, a connection, a user) and says
// how long the next try has to wait. It remembers a bounded number of keys:
// when that is full, the one that failed longest ago is forgiven. It is safe
// for concurrent use and never waits itself.
type Throttle[K comparable] struct {
	clock func() time.Time

	mu       sync.Mutex // guards what follows
	cfg      ThrottleConfig
	failures *expiring[K, failure]
}

type failure struct {
	count int
	next  time.Time // when the next try may come
}

// NewThrottle makes a throttle; a nil clock is time.Now.
func NewThrottle[K comparable](cfg ThrottleConfig, clock func() time.Time) *Throttle[K] {
	cfg = cfg.withDefaults()
	if clock == nil {
		clock = time.Now
	}
	return &Throttle[K]{cfg: cfg, clock: clock, failures: newExpiring[K, failure](cfg.MaxKeys)}
}

// Set changes the configuration, for failures from now on. When more keys are
// remembered than the new limit, those that failed longest ago are forgiven.
func (t *Throttle[K]) Set(cfg ThrottleConfig) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cfg = cfg.withDefaults()
	t.failures.resize(t.cfg.MaxKeys)
}

// Fail counts a failure and returns how long the next try has to wait.
func (t *Throttle[K]) Fail(key K) time.Duration {
	now := t.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	f, _ := t.failures.get(now, key)
	f.count++
	delay := t.delay(f.count)
	if delay > 0 { // a failure without a delay delays no try, not even one whose clock was read earlier
		f.next = now.Add(delay)
	}
	until := now.Add(t.cfg.Forget)
	if !t.failures.put(now, key, f, until) {
		t.failures.evict()
		t.failures.put(now, key, f, until)
	}
	return delay
}

// delay is how long a try has to wait after the given number of failures.
func (t *Throttle[K]) delay(count int) time.Duration {
	return limit.Backoff{First: t.cfg.Base, Max: t.cfg.Max}.Wait(count - max(t.cfg.Free, 0))
}

// Wait returns how long a try of this key has to wait still; zero is not at
// all.
func (t *Throttle[K]) Wait(key K) time.Duration {
	now := t.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.failures.get(now, key)
	if !ok {
		return 0
	}
	return max(f.next.Sub(now), 0)
}

// failed reports whether a failure of this key is remembered.
func (t *Throttle[K]) failed(key K) bool {
	now := t.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.failures.get(now, key)
	return ok
}

// Clear forgives a key, after a success or when its connection is gone.
func (t *Throttle[K]) Clear(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures.remove(key)
}

// AddressKey is what limits per address count by: an IPv4 address, or the /64
// network of an IPv6 address, because one customer has all of it.
func AddressKey(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, _ := addr.Prefix(bits) // the zero Prefix for the zero Addr
	return prefix
}
