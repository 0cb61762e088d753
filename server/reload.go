package server

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"gatehouse/handshake"
)

// ErrEnded is the error of Reload when the server is ending.
var ErrEnded = errors.New("the server is about to end")

// Reload takes over the settings that can change while the server runs: who is let in and by which keys and secrets,
// the rules of its namespaces, the limits, and everything else that [NeedRestart] does not list. It takes over all of
// them or, on an error, none.
//
// Open connections go on. Rules count for what clients do from now on: a socket stays in its namespace and rooms until
// it refreshes its identity. So do limits; only the largest message, which clients are told at their handshake, counts
// for new connections. The settings in force afterwards, which mix cfg with the settings that need a restart, must be
// valid as well. The requests of a connection are compared by the settings that were in force when it opened; a secret
// that is being replaced stays valid while it is configured as the previous one. Files of cluster.tls that other nodes
// would refuse are logged and not taken over, but everything else is: an expired certificate of a node must not keep a
// key in force that is to go.
//
// It returns the keys that differ but need a restart: those of NeedRestart, namespaces and back ends that come or go,
// and settings that switch a part on or off. log.level belongs to the logger, see [LogWriter.SetLevel]. It is safe for
// concurrent use.
func (s *Server) Reload(cfg Config) (restart []string, err error) {
	s.reload.Lock()
	defer s.reload.Unlock()
	if s.draining.Load() || s.endReading == nil {
		return nil, ErrEnded
	}
	cfg.Verifiers = s.given.Verifiers
	cfg, _ = withLab(cfg.WithDefaults(), nil)
	if err := s.withoutHops(cfg).Check(); err != nil {
		return nil, err
	}
	if err := s.checkMixed(cfg); err != nil {
		return nil, err
	}
	cfg.API = cfg.API.Hashed()
	next, restart := s.taking(cfg)
	gateConfig := next.gate()
	gateConfig.Deps = s.gateDeps
	gate, err := handshake.NewGate(gateConfig)
	if err != nil {
		return nil, err
	}
	hops := s.reloadsHops(cfg)
	if hops {
		if err := next.Cluster.checkTLS(); err != nil {
			s.log.Error("cluster.tls: the files in force stay, the rest of the configuration is taken over", slog.Any("error", err))
			next.Cluster.TLS, hops = s.given.Cluster.TLS, false
		}
	}
	use, err := s.prepareParts(next, cfg.TLS.enabled(), hops)
	if err != nil {
		gate.Close()
		return nil, err
	}
	use()
	old := s.gates.Swap(gate)
	gate.Rule()
	old.Close() // only connections that it keeps open and does not use
	s.given = next
	for _, w := range gate.Warnings() {
		s.log.Warn("configuration: " + w)
	}
	s.reading.Go(func() { gate.ReadKeySets(s.readCtx) })
	return restart, nil
}

// checkMixed checks the configuration that would be in force: cfg, but with the present settings where they need a
// restart. A configuration that is right as a whole can be wrong in part, for example when it adds passwords together
// with the TLS that they need.
func (s *Server) checkMixed(cfg Config) error {
	mixed, restart := s.taking(cfg)
	mixed.API = cfg.API // those in force are hashes
	if len(restart) == 0 {
		return nil
	}
	if err := s.withoutHops(mixed).Check(); err != nil {
		return fmt.Errorf("%w; this is so because %s cannot change before a restart: restart, or change them apart", err, strings.Join(restart, ", "))
	}
	return nil
}

// prepareParts lets each part of the server check its new settings. use makes the parts take them over.
func (s *Server) prepareParts(next Config, tls, hops bool) (use func(), err error) {
	now := next.within(openFiles())
	var uses []func()
	add := func(use func(), failed error) {
		uses = append(uses, use)
		err = errors.Join(err, failed)
	}
	add(s.prepareKeys(tls, hops, next))
	add(s.engine.PrepareLimits(s.engineConfig(now)))
	add(s.hub.PrepareLimits(s.hubConfig(now)))
	add(s.api.Prepare(next.API))
	for _, name := range slices.Sorted(maps.Keys(next.Backends)) {
		use, failed := s.relays.backends[name].Prepare(next.Backends[name])
		add(use, underKey("backends."+name, failed))
	}
	for _, label := range slices.Sorted(maps.Keys(next.Namespaces)) {
		use, failed := s.relays.byLabel[label].Prepare(next.Namespaces[label])
		add(use, underKey("namespaces."+label, failed))
	}
	return func() {
		for _, use := range uses {
			use()
		}
		s.useDoor(now.Connections)
		if s.adminUI != nil {
			s.adminUI.SetAccess(next.AdminUI.Username, next.AdminUI.PasswordHash, next.AdminUI.Scope)
		}
		s.inForce.Store(&now)
	}, err
}

// useDoor takes over the limits for strangers.
func (s *Server) useDoor(c ConnectionLimits) {
	s.pending.set(c.MaxPendingPerAddress)
	s.idle.set(c.MaxSilent)
	s.guard.byAddress.Set(c.AddressFailures)
	s.guard.byConn.Set(c.ConnectionFailures)
	s.ticketsByAddress.Set(c.TicketsPerAddress, time.Minute/time.Duration(c.TicketsPerAddress))
	s.ticketsBySubject.Set(c.TicketsPerSubject, time.Minute/time.Duration(c.TicketsPerSubject))
}

// gate is the one in force.
func (s *Server) gate() *handshake.Gate { return s.gates.Load() }

// reloadsHops reports whether nodes have TLS between them, both now and after the reload.
func (s *Server) reloadsHops(cfg Config) bool {
	return s.given.Cluster.TLS.enabled() && cfg.Cluster.TLS.enabled()
}

// withoutHops returns cfg without the files of cluster.tls, where Reload judges them separately.
func (s *Server) withoutHops(cfg Config) Config {
	if s.reloadsHops(cfg) {
		cfg.Cluster.Advertise, cfg.Cluster.TLS = cfg.Cluster.advertisedHost(), ClusterTLS{}
	}
	return cfg
}
