package handshake

import (
	"maps"
	"sync"
	"time"
	"weak"
)

// Memory holds what gates have learned and what outlives a configuration. Gates
// that replace one another share a Memory, so that a reload forgets nothing. It
// is safe for concurrent use.
type Memory struct {
	redemptions *redemptions
	passwords   *triedPasswords

	sets     inUse[keySetID, heldSet]
	attempts inUse[remoteID, attempts]
}

// keySetID holds the settings that decide which keys a set has.
type keySetID struct{ url, algorithm string }

// NewMemory makes an empty memory; a nil clock is time.Now.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{redemptions: newRedemptions(clock), passwords: newTriedPasswords(clock)}
}

// inUse has the values that a gate still uses.
type inUse[K comparable, V any] struct {
	mu     sync.Mutex // guards what follows
	values map[K]weak.Pointer[V]
}

// get returns the value that gates before have used, or a new one.
func (u *inUse[K, V]) get(key K, begin func() *V) *V {
	u.mu.Lock()
	defer u.mu.Unlock()
	if value := u.values[key].Value(); value != nil {
		return value
	}
	maps.DeleteFunc(u.values, func(_ K, value weak.Pointer[V]) bool { return value.Value() == nil })
	value := begin()
	if u.values == nil {
		u.values = make(map[K]weak.Pointer[V])
	}
	u.values[key] = weak.Make(value)
	return value
}
