package handshake

import (
	"maps"
	"sync"
	"time"
	"weak"
)

// Memory is what gates have learned and outlives a configuration. Gates that
// replace one another share one, so that a reload forgets nothing. It is safe
// for concurrent use.
type Memory struct {
	redemptions *redemptions
	passwords   *triedPasswords

	mu   sync.Mutex                         // guards what follows
	sets map[keySetID]weak.Pointer[heldSet] // those that a gate still uses
}

// keySetID is what decides which keys a set has.
type keySetID struct{ url, algorithm string }

// NewMemory makes an empty memory; a nil clock is time.Now.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{
		redemptions: newRedemptions(clock), passwords: newTriedPasswords(clock),
		sets: make(map[keySetID]weak.Pointer[heldSet]),
	}
}

// keySet returns the set that a gate has read already, or an empty one.
func (m *Memory) keySet(id keySetID) *heldSet {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held := m.sets[id].Value(); held != nil {
		return held
	}
	maps.DeleteFunc(m.sets, func(_ keySetID, set weak.Pointer[heldSet]) bool { return set.Value() == nil })
	held := new(heldSet)
	m.sets[id] = weak.Make(held)
	return held
}
