package engine

import (
	"cmp"
	"errors"
	"time"

	"gatehouse/internal/budget"
)

// liveLimits are what [Server.PrepareLimits] changes. They are read once at the
// beginning of each use, so that the same values are in force until its end. Nothing
// waits for a change.
type liveLimits struct {
	Limits
	Early *Early // as in Config

	earlyMessage  int // of EarlyLimits, or of all
	earlyIncoming int // Config.earlyIncoming
	silent        int // Config.MaxSilent
}

func (c *Config) live() *liveLimits {
	return &liveLimits{
		Limits: c.Limits, Early: c.Early,
		earlyMessage: c.early().MaxPayload, earlyIncoming: c.earlyIncoming(), silent: cmp.Or(c.MaxSilent, defaultMaxSilent),
	}
}

// limits are those in force.
func (srv *Server) limits() *liveLimits { return srv.live.Load() }

// defaultMaxSilent is used where Config.MaxSilent is 0.
const defaultMaxSilent = 1024

// PrepareLimits checks new values of Limits, Early and MaxSilent, which come into force
// when use is called. MaxPayload counts for sessions that are admitted from then on, as
// clients are told it at their handshake; that of Early counts for sessions that open
// from then on; all others count for every session at once. The heartbeat cannot
// change, since connected clients expect PINGs as they were told: a changed heartbeat
// is an error, and so are limits that New would refuse. Both calls are safe for
// concurrent use.
func (srv *Server) PrepareLimits(cfg Config) (use func(), err error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	switch {
	case cfg.PingInterval != srv.cfg.PingInterval || cfg.PingTimeout != srv.cfg.PingTimeout:
		return nil, errors.New("engine: PingInterval and PingTimeout cannot change while the server runs")
	case (cfg.Early == nil) != (srv.cfg.Early == nil):
		return nil, errors.New("engine: Early cannot begin or end while the server runs")
	}
	return func() { srv.setLimits(cfg) }, nil
}

func (srv *Server) setLimits(cfg Config) {
	srv.live.Store(cfg.live())
	srv.budget.set(cfg.OutboxTotal)
	srv.incoming.SetLimits(budget.Limits{Total: int64(cfg.IncomingTotal), Share: int64(cfg.IncomingShare)})
	if srv.earlyWork != nil {
		perSecond := cfg.Early.WorkPerAddress
		srv.earlyWork.Set(perSecond*workBurst, time.Second/time.Duration(perSecond))
	}
}
