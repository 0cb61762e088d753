package engine

import (
	"errors"
	"time"

	"gatehouse/internal/budget"
)

// liveLimits are what [Server.SetLimits] changes. They are read afresh at each use, so
// that one value is in force for all of it; nothing waits for a change.
type liveLimits struct {
	Limits
	Early *Early // as in Config

	earlyMessage  int // of EarlyLimits, or of all
	earlyIncoming int // Config.earlyIncoming
}

func (c *Config) live() *liveLimits {
	return &liveLimits{Limits: c.Limits, Early: c.Early, earlyMessage: c.early().MaxPayload, earlyIncoming: c.earlyIncoming()}
}

// limits are those in force.
func (srv *Server) limits() *liveLimits { return srv.live.Load() }

// SetLimits takes over the Limits of cfg and its Early, while the server runs. MaxPayload counts for sessions that
// are admitted from now on, as clients are told it at their handshake; that of Early for
// those that open from now on; the others for every session at once. The heartbeat stays
// as it is, since clients that are there wait for its PINGs: the error says so of another
// one, and of limits that New would refuse. Then nothing is changed. It is safe for concurrent use.
func (srv *Server) SetLimits(cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return err
	}
	switch {
	case cfg.PingInterval != srv.cfg.PingInterval || cfg.PingTimeout != srv.cfg.PingTimeout:
		return errors.New("engine: PingInterval and PingTimeout cannot change while the server runs")
	case (cfg.Early == nil) != (srv.cfg.Early == nil):
		return errors.New("engine: Early cannot begin or end while the server runs")
	}
	srv.live.Store(cfg.live())
	srv.budget.set(cfg.OutboxTotal)
	srv.incoming.SetLimits(budget.Limits{Total: int64(cfg.IncomingTotal), Share: int64(cfg.IncomingShare)})
	if srv.earlyWork != nil {
		perSecond := cfg.Early.WorkPerAddress
		srv.earlyWork.Set(perSecond*workBurst, time.Second/time.Duration(perSecond))
	}
	return nil
}
