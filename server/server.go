package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Server is one node of Gatehouse. Its methods are safe for concurrent use.
type Server struct {
	// Fixed.
	cfg      Config
	log      *zap.Logger
	refusals *zap.Logger // sampled
	proxies  handshake.TrustedProxies
	gate     *handshake.Gate
	signer   *handshake.Signer // of the demo login; nil when there is nothing to sign with
	hub      *namespaces.Hub
	engine   *engine.Server
	handler  http.Handler

	conns    register
	draining atomic.Bool
}

// New makes a server that mounts the definitions. It reads the key files that
// the configuration names and refuses a configuration that is wrong or unsafe;
// it does not listen yet. [Server.Run], [Server.Serve] or [Server.Shutdown]
// releases what it holds.
func New(cfg Config, defs ...*namespaces.Namespace) (*Server, error) {
	cfg, defs = withLab(cfg.WithDefaults(), defs)
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: cfg.Logger}
	if s.log == nil {
		s.log = zap.NewNop()
	}
	s.refusals = sampled(s.log)
	s.conns.init()
	if err := s.assemble(defs); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// assemble makes the parts, those that hold goroutines last.
func (s *Server) assemble(defs []*namespaces.Namespace) (err error) {
	if s.proxies, err = s.cfg.proxies(); err != nil {
		return err
	}
	if s.gate, err = handshake.NewGate(s.cfg.gate()); err != nil {
		return err
	}
	for _, w := range s.gate.Warnings() {
		s.log.Warn("configuration: " + w)
	}
	s.prepareDemo()
	if s.hub, err = namespaces.NewHub(s.hubConfig(), defs...); err != nil {
		return fmt.Errorf("mount the namespaces: %w", err)
	}
	if s.engine, err = engine.New(s.engineConfig(), s.open); err != nil {
		s.closeHub()
		return fmt.Errorf("start the engine: %w", err)
	}
	return nil
}

func (s *Server) hubConfig() namespaces.Config {
	before, after := s.cfg.Handshake, s.cfg.Sockets
	return namespaces.Config{
		Gate:     s.gate,
		Logger:   s.log,
		Observer: &s.conns,
		Packet: packet.Limits{
			MaxAttachments: s.cfg.Packet.MaxAttachments,
			MaxDepth:       s.cfg.Packet.MaxDepth,
			MaxEventName:   s.cfg.Packet.MaxEventName,
		},
		ConnectTimeout:  before.Timeout,
		AdmitTimeout:    before.AdmitTimeout,
		MaxPending:      before.MaxPending,
		MaxRefusals:     before.MaxRefusals,
		AckTimeout:      after.AckTimeout,
		MaxNamespaces:   after.MaxNamespaces,
		MaxRooms:        after.MaxRooms,
		QueueEvents:     after.QueueEvents,
		QueueBytes:      after.QueueBytes,
		HardQueueEvents: after.HardQueueEvents,
		HardQueueBytes:  after.HardQueueBytes,
	}
}

func (s *Server) engineConfig() engine.Config {
	e := s.cfg.Engine
	return engine.Config{
		PingInterval:    e.PingInterval,
		PingTimeout:     e.PingTimeout,
		UpgradeTimeout:  e.UpgradeTimeout,
		CloseTimeout:    e.CloseTimeout,
		PauseTimeout:    e.PauseTimeout,
		MaxPayload:      e.MaxPayload,
		MaxEarlyPayload: s.cfg.Handshake.MaxPayload,
		OutboxBytes:     e.OutboxBytes,
		CompressAbove:   e.CompressAbove,
		NoUpgrades:      e.NoUpgrades,
		Check:           s.checkOrigin,
		Subprotocol:     s.subprotocol,
		AllowOrigin:     s.allowsOrigin,
		KeepHeaders:     keptHeaders(s.cfg.ProxyHeader),
		Logger:          s.log,
	}
}

// Handler serves everything that the server has on HTTP, for who brings an
// http.Server of their own. Timeouts for the head of a request and for idle
// connections are then theirs to set; a ReadTimeout or WriteTimeout would end
// long-polling.
func (s *Server) Handler() http.Handler { return s.handler }

// drainPace is how far apart a few connections are closed: a small server need
// not take the whole of drain.spread to end.
const drainPace = 20 * time.Millisecond

// Shutdown drains: from now on new handshakes get 503 and /readyz says so, the
// open connections close in waves so that their clients come back elsewhere,
// and the handlers that run are waited for. When ctx ends, what is left is cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	began, open := time.Now(), s.engine.Sessions()
	s.log.Info("draining", zap.Int("connections", open))
	over := min(s.cfg.Drain.Spread, time.Duration(open)*drainPace)
	err := s.engine.Drain(ctx, over)
	s.engine.Close()
	if herr := s.hub.Close(ctx); herr != nil {
		err = errors.Join(err, herr)
	}
	s.gate.Close()
	if err != nil {
		err = fmt.Errorf("drain: %w", err)
	}
	s.log.Info("drained", zap.Duration("took", time.Since(began)), zap.Error(err))
	return err
}

// release ends what New started, when nobody was ever connected.
func (s *Server) release() {
	s.engine.Close()
	s.closeHub()
	s.gate.Close()
}

func (s *Server) closeHub() {
	_ = s.hub.Close(context.Background()) // it holds no handlers to wait for
}
