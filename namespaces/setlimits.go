package namespaces

import (
	"errors"
	"fmt"
)

// liveLimits are what [Hub.SetLimits] changes. They are read afresh at each use, so that one value is in force for all of it;
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

// SetLimits takes over the ConnectLimits, SessionLimits, SocketLimits and RateLimits of cfg and its AnswerUnknownEvents, while
// the hub runs. They count at once for what clients do from now on: rooms, events and connections that are there already
// are not ended for a limit that has become lower. ExpiryNotice is for identities that are accepted from now on. The error says
// what NewHub would refuse, or that MaxPerUser begins or ends; then nothing is changed. It is safe for concurrent use.
func (h *Hub) SetLimits(cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return fmt.Errorf("configure hub: %w", err)
	}
	if (cfg.MaxPerUser == 0) != (h.cfg.MaxPerUser == 0) {
		return errors.New("configure hub: MaxPerUser cannot begin or end while the hub runs")
	}
	h.live.Store(cfg.live())
	h.registry.set(cfg.ConnectTimeout, cfg.MaxPending)
	h.expiries.setLimits(cfg.ExpiryNotice, cfg.ExpiryGrace)
	h.users.setMax(cfg.MaxPerUser)
	return nil
}
