package namespaces

import (
	"errors"
	"fmt"
)

// liveLimits are what [Hub.PrepareLimits] changes. They are read afresh at each use, so that one value is in force for all of it;
// nothing waits for a change.
type liveLimits struct {
	ConnectLimits
	SessionLimits
	SocketLimits
	RateLimits

	AnswerUnknownEvents bool
}

func (c *Config) live() *liveLimits {
	return &liveLimits{c.ConnectLimits, c.SessionLimits, c.SocketLimits, c.RateLimits, c.AnswerUnknownEvents}
}

// limits are those in force.
func (h *Hub) limits() *liveLimits { return h.live.Load() }

// PrepareLimits checks other ConnectLimits, SessionLimits, SocketLimits and RateLimits, and another AnswerUnknownEvents, which
// are in force from the call of use on. They count for what clients do from now on: no room, event or socket ends at once for a
// limit that has become lower. The next connection of a user above MaxPerUser ends those that are too many, and connections
// that are in no namespace end by MaxPending and ConnectTimeout. ExpiryNotice is for identities that are accepted from now on.
// The error says what NewHub would refuse, or that MaxPerUser begins or ends. Both calls are safe for concurrent use.
func (h *Hub) PrepareLimits(cfg Config) (use func(), err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("configure hub: %w", err)
	}
	if (cfg.MaxPerUser == 0) != (h.cfg.MaxPerUser == 0) {
		return nil, errors.New("configure hub: MaxPerUser cannot begin or end while the hub runs")
	}
	return func() { h.setLimits(cfg) }, nil
}

func (h *Hub) setLimits(cfg Config) {
	h.live.Store(cfg.live())
	h.registry.set(cfg.ConnectTimeout, cfg.MaxPending)
	h.expiries.setLimits(cfg.ExpiryNotice, cfg.ExpiryGrace)
	h.users.setMax(cfg.MaxPerUser)
}
