package server

import (
	"context"
	"log/slog"
	"time"

	"gatehouse/cluster"
	"gatehouse/handshake"
)

// Revoked says what [Server.Revoke] did.
type Revoked struct {
	Revocation handshake.Revocation // as it is kept
	Ended      int                  // sockets of this node
	Propagated bool                 // the other nodes have been told; false while Redis is away, and without Redis
}

// Revoke puts a revocation in force and ends the sockets that it names: no CONNECT of
// such an identity succeeds until the revocation lapses. With Config.Redis it holds on
// all nodes within a second. When Redis cannot be reached it holds on this node, and
// the others are told once Redis is back. It fails with [handshake.ErrRevocationsFull],
// or when the revocation names nothing.
func (s *Server) Revoke(ctx context.Context, m handshake.Revocation) (Revoked, error) {
	kept, err := s.gate().Revocations().Add(m)
	if err != nil {
		return Revoked{}, err
	}
	done := Revoked{Revocation: kept, Ended: s.hub.Revoke(kept.Matches, kept.Reason)}
	var spread slog.Attr // without Redis there is nobody to tell
	if s.bus != nil {
		err := s.bus.Spread(ctx, kept)
		if done.Propagated = err == nil; err != nil {
			s.log.Error("revocation holds on this node only, until redis takes it", slog.String("kind", string(kept.Kind)), slog.Any("error", err))
		}
		spread = slog.Bool("spread", done.Propagated)
	}
	s.metrics.revoked(kept.Kind)
	s.log.Info("revoked", slog.String("kind", string(kept.Kind)), slog.String("value", kept.Value), slog.String("reason", kept.Reason),
		slog.Time("until", kept.Until), slog.Int("ended", done.Ended), spread)
	return done, nil
}

// Lift takes a revocation back: its kind, value and issuer name it. It reports whether
// there was one. With Config.Redis the revocation is removed there first, which fails
// when Redis cannot be reached. Other nodes keep it until it lapses or is lifted there,
// too.
func (s *Server) Lift(ctx context.Context, m handshake.Revocation) (bool, error) {
	stored := false
	if s.bus != nil {
		var err error
		if stored, err = s.bus.Lift(ctx, m); err != nil {
			return false, err
		}
	}
	lifted := s.gate().Revocations().Remove(m) || stored
	if lifted {
		s.log.Info("revocation lifted", slog.String("kind", string(m.Kind)), slog.String("value", m.Value))
	}
	return lifted, nil
}

// startBus shares revocations with the other nodes where there is Redis.
func (s *Server) startBus() {
	if s.redis == nil {
		return
	}
	s.bus = cluster.New(cluster.Config{
		Client: s.redis.Client, Note: s.redis.Note, Prefix: s.cfg.Redis.Prefix, MaxRevocations: s.cfg.Revocation.MaxRevocations,
		Revocations: s.gate().Revocations().All, Apply: s.applyRevocations, Others: s.meet, Logger: s.log,
	})
}

// meet warns of settings that should be equal on nodes which share a Redis, but are
// not.
func (s *Server) meet(others int64) {
	if s.cfg.Adapter == nil && s.node == nil {
		s.log.Warn("other nodes use the same redis, and rooms are not shared: a broadcast reaches the clients of its own node only; "+
			"revocations and tickets are shared", slog.Int64("others", others))
	}
}

// up to fewRevocations at a time end sockets one by one, each with its reason; more of
// them look at all sockets once, together.
const fewRevocations = 16

// applyRevocations puts revocations of other nodes in force.
func (s *Server) applyRevocations(revocations []handshake.Revocation) {
	list, ended, failed := s.gate().Revocations(), 0, 0
	for _, m := range revocations {
		if !m.Until.After(time.Now()) {
			continue
		}
		if _, err := list.Add(m); err != nil {
			failed++
		}
		if len(revocations) <= fewRevocations {
			ended += s.hub.Revoke(m.Matches, m.Reason)
		}
	}
	if len(revocations) > fewRevocations {
		ended = s.hub.Revoke(func(id handshake.Identity) bool { _, is := list.Revoked(id); return is }, "")
	}
	if failed > 0 {
		s.log.Error("revocations of other nodes are not kept: the list is full, or they name nothing", slog.Int("number", failed))
	}
	if ended > 0 {
		s.log.Info("revoked by another node", slog.Int("marks", len(revocations)), slog.Int("ended", ended))
	}
}
