package handshake

import "time"

// Memory is what gates know of clients and outlives a configuration. Gates that
// replace one another share one, so that a reload forgets nothing. It is safe
// for concurrent use.
type Memory struct {
	redemptions *redemptions
}

// NewMemory makes an empty memory; a nil clock is time.Now.
func NewMemory(clock func() time.Time) *Memory {
	if clock == nil {
		clock = time.Now
	}
	return &Memory{redemptions: newRedemptions(clock)}
}
