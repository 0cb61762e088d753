package namespaces

import (
	"errors"
	"fmt"
)

// liveLimits are what [Hub.PrepareLimits] changes. They are read once at the beginning of each use, so that the same
// values are in force until its end. Nothing waits for a change.
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

// PrepareLimits checks new values of ConnectLimits, SessionLimits, SocketLimits, RateLimits and AnswerUnknownEvents,
// which come into force when use is called. They count for what clients do from then on: no room, event or socket ends
// at once because a limit has become lower. The next connection of a user above MaxPerUser ends the surplus ones, and
// connections in no namespace end by MaxPending and ConnectTimeout. ExpiryNotice is for identities that are accepted
// from then on. The error says what NewHub would refuse, or that MaxPerUser cannot be switched on or off. Both calls
// are safe for concurrent use.
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
