package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/cluster"
	"gatehouse/cluster/redisconn"
	"gatehouse/cluster/tickets"
	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/internal/limit"
	"gatehouse/internal/sampled"
	"gatehouse/namespaces"
	"gatehouse/namespaces/adminui"
	"gatehouse/packet"
	"gatehouse/server/api"
	"gatehouse/server/internal/dev"
	"gatehouse/server/internal/reply"
)

// Server is one node of Gatehouse. Its methods are safe for concurrent use.
type Server struct {
	// Fixed.
	cfg      Config
	log      *slog.Logger
	refusals *slog.Logger // sampled, for lines that strangers can cause
	proxies  handshake.TrustedProxies
	gates    atomic.Pointer[handshake.Gate] // the gate in force; nil before there is one
	guard    *guard                         // the gate, throttled
	dev      *dev.Endpoints                 // nil outside dev mode
	redis    *redisconn.Conn                // nil when nothing is shared
	bus      *cluster.Bus                   // nil when nothing is shared
	node     *cluster.Node                  // nil without a cluster
	perUser  bool                           // session.max_per_user is set, and not its default
	metrics  *metrics                       // nil when they are not asked for
	traces   *traces                        // nil when they are not asked for
	scrape   http.Handler                   // answers /metrics
	render   func(*packet.Frame) any        // the engine's form of a packet
	lately   *lately                        // for the operators' page; nil without it
	lookers  lookers                        // who watches there
	began    time.Time
	adminUI  *adminui.UI      // nil when it is off
	traffic  *adminui.Traffic // for it; nil when it is off
	relays   *relays          // the namespaces of the configuration
	hub      *namespaces.Hub
	api      *api.API
	engine   *engine.Server
	handler  http.Handler

	keys             keyring
	hopKeys          keyring // the TLS keys for requests between nodes
	pending          pendingByAddress
	polling          atomic.Int64 // sessions without a WebSocket
	idle             *idleConns
	ticketsByAddress *limit.Rate[netip.Prefix]
	ticketsBySubject *limit.Rate[handshake.UserKey]
	leaving          atomic.Bool // /readyz says so; everything else is still served
	draining         atomic.Bool
	gateClosed       sync.Once
	unregister       func()         // removes the metrics from Config.Registry; nil without one
	reading          sync.WaitGroup // of key sets at the start
	readCtx          context.Context
	endReading       context.CancelFunc // nil before it begins

	reload   sync.Mutex             // held during a reload, and at the end of reloads
	given    Config                 // the configuration in force, as far as it can change
	gateDeps handshake.Deps         // what each gate gets
	inForce  atomic.Pointer[Config] // as given, but within the files that the process may open
}

// New makes a server that mounts the definitions. It reads the key files that
// the configuration names and refuses a configuration that is wrong or unsafe;
// it does not listen yet. [Server.Run], [Server.Serve], [Server.Shutdown] or
// [Server.Close] releases what it holds.
func New(cfg Config, defs ...namespaces.Definition) (*Server, error) {
	cfg, defs = withLab(cfg.WithDefaults(), defs)
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg.API = cfg.API.Hashed() // from here on their secrets are kept as hashes only
	s := &Server{cfg: cfg, log: cfg.Logger, began: time.Now(), metrics: newMetrics(cfg), traces: newTraces(cfg.Traces), lately: newLately(cfg)}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.refusals = sampled.Logger(s.log)
	s.render = renderer(s.metrics)
	s.given = cfg
	s.prepareDoor()
	if err := s.assemble(defs); err != nil {
		return nil, err
	}
	s.handler = s.routes()
	return s, nil
}

// assemble makes the parts; those with goroutines come last.
func (s *Server) assemble(defs []namespaces.Definition) (err error) {
	if s.proxies, err = s.cfg.proxies(); err != nil {
		return err
	}
	var made []namespaces.Definition
	if s.relays, made, err = newRelays(s.cfg, s.sharedHistory(), s.log); err != nil {
		return err
	}
	defs = slices.Concat(defs, made)
	if err := s.prepareGate(defs); err != nil {
		s.relays.close()
		return err
	}
	s.prepareDev()
	if err := s.startCluster(); err != nil {
		s.closeGate()
		return fmt.Errorf("join the cluster: %w", err)
	}
	if defs, err = s.prepareAdminUI(defs); err != nil {
		s.closeGate()
		return err
	}
	if s.hub, err = namespaces.NewHub(s.hubConfig(s.cfg), defs...); err != nil {
		s.closeGate()
		return fmt.Errorf("mount the namespaces: %w", err)
	}
	if err := s.prepareAPI(); err != nil {
		s.closeHub()
		s.closeGate()
		return fmt.Errorf("api.%w", err)
	}
	if s.engine, err = engine.New(s.engineConfig(s.cfg), s.open); err != nil {
		s.closeHub()
		s.closeGate()
		return fmt.Errorf("start the engine: %w", err)
	}
	if err := s.prepareMetrics(); err != nil {
		s.release()
		return err
	}
	s.startBus()
	s.readKeySets()
	return nil
}

// prepareGate makes the gate with its dependencies.
func (s *Server) prepareGate(defs []namespaces.Definition) (err error) {
	cfg := s.cfg.gate()
	if s.cfg.TLS.enabled() {
		keys, err := s.cfg.TLS.load()
		if err != nil {
			return err
		}
		s.keys.current.Store(keys)
	}
	if err := s.prepareClusterTLS(); err != nil {
		return err
	}
	if s.cfg.Redis.URL != "" {
		if s.redis, err = connectRedis(s.cfg.Redis, s.log, s.metrics, s.traces != nil); err != nil {
			return err
		}
		cfg.Deps.Tickets = tickets.New(s.redis, s.cfg.Redis.Prefix+"ticket:", 0)
	}
	cfg.Deps.Logger = s.log
	if cfg.Deps.Tickets == nil {
		cfg.Deps.Tickets = handshake.NewMemoryTickets(cfg.Tickets.MaxOpen, nil)
	}
	cfg.Deps.Memory = handshake.NewMemory(nil)
	gate, err := handshake.NewGate(cfg)
	if err != nil {
		s.closeGate()
		return err
	}
	s.gateDeps = cfg.Deps
	s.gateDeps.Revocations = gate.Revocations()
	s.gates.Store(gate)
	gate.Rule()
	s.guard = newGuard(s.gate, s.cfg.Connections, s.refusals, s.metrics)
	for _, w := range slices.Concat(s.gate().Warnings(), s.cfg.warnings(defs)) {
		s.log.Warn("configuration: " + w)
	}
	return nil
}

// readKeySets reads the key sets at their addresses in the background, so that the
// log says before the first client comes whether that works.
func (s *Server) readKeySets() {
	s.reload.Lock()
	defer s.reload.Unlock()
	s.readCtx, s.endReading = context.WithCancel(context.Background())
	s.reading.Go(func() { s.gate().ReadKeySets(s.readCtx) })
}

// prepareDoor makes the counters of strangers, within the files that the
// process may open.
func (s *Server) prepareDoor() {
	files := openFiles()
	s.perUser = s.cfg.Session.MaxPerUser != 0
	s.cfg = s.cfg.within(files)
	s.inForce.Store(&s.cfg)
	s.log.Debug("limits of connections", slog.Int("maxConnections", s.cfg.Connections.MaxConnections), slog.Int("maxPerUser", s.cfg.Session.MaxPerUser), slog.Int("openFiles", files),
		slog.Int("maxPending", s.cfg.Handshake.MaxPending), slog.Int("maxSilent", s.cfg.Connections.MaxSilent))
	s.pending.init(s.cfg.Connections.MaxPendingPerAddress)
	s.idle = newIdleConns(s.cfg.Connections.MaxSilent, s.refusals)
	s.idle.realtime = realtimeAt(s.cfg.Path)
	s.ticketsByAddress = limit.NewRate[netip.Prefix](s.cfg.Connections.TicketsPerAddress, time.Now)
	s.ticketsBySubject = limit.NewRate[handshake.UserKey](s.cfg.Connections.TicketsPerSubject, time.Now)
}

// within returns the configuration, with limits lowered to the number of files that the process may open.
func (c Config) within(files int) Config {
	c.Handshake.MaxPending, c.Connections.MaxSilent = withFiles(c, files)
	setDefault(&c.Session.MaxPerUser, perUser(files))
	setDefault(&c.Connections.MaxConnections, inAll(files))
	return c
}

// perUser is how many connections one user may have when the process may open the given number of files: a load test
// with one token works, but no user takes all files.
func perUser(files int) int { return max(files/20, 1) }

// inAll is how many sessions there may be when the process may open the given number of files. A quarter of the files
// is for connections that belong to no session, an eighth is for other files of the process, and closing sessions
// have their share.
func inAll(files int) int { return max(files/8*5, 1) }

// closing is how many sessions may be closing at a time.
func closing(files int) int { return max(files/16, 1) }

// hooks returns the hooks that are told what happens in the namespaces.
func (s *Server) hooks() []namespaces.Hooks {
	all := []namespaces.Hooks{s.watch()}
	if s.adminUI != nil {
		all = append(all, s.adminUI.Hooks())
	}
	if s.traces != nil {
		all = append(all, s.traces.hooks())
	}
	return append(all, s.cfg.Hooks...)
}

func (s *Server) hubConfig(cfg Config) namespaces.Config {
	return namespaces.Config{
		Gate:      s.guard,
		Rechecker: revocations{s.gate().Revocations()},
		Logger:    s.log,

		AnswerUnknownEvents: cfg.Sockets.UnknownEvents == answerUnknown,
		Development:         s.cfg.Dev,

		Adapter:  s.adapter(),
		Users:    s.sharedUsers(),
		Hooks:    s.hooks(),
		Packet:   s.cfg.Packet,
		Recovery: s.cfg.Recovery,

		ConnectLimits: cfg.Handshake.ConnectLimits,
		SessionLimits: cfg.Session,
		SocketLimits:  cfg.Sockets.SocketLimits,
		RateLimits:    cfg.Limits,
	}
}

func (s *Server) engineConfig(cfg Config) engine.Config {
	e := cfg.Engine
	return engine.Config{
		Node:          s.nodeID(),
		Elsewhere:     s.elsewhere(),
		Limits:        e.Limits,
		Early:         &engine.Early{EarlyLimits: cfg.Handshake.EarlyLimits, AddressLimits: cfg.Connections.AddressLimits},
		MaxClosing:    closing(openFiles()),
		CompressAbove: s.cfg.Compression.above(),
		Deflate:       s.cfg.Compression.deflate(),
		OpenApart:     e.OpenApart,
		NoUpgrades:    e.NoUpgrades,
		NoPolling:     e.Transports == "websocket",
		NoWebSocket:   e.Transports == "polling",
		Headers:       s.headers(),
		Context:       s.traces.context(s.cfg.Context),
		Upgraded:      s.upgraded,
		NoIOUring:     e.IOUring == ioUringOff,
		Check:         s.checkHandshake,
		CheckLater:    s.checkLater,
		IdleTimeout:   s.cfg.HTTP.IdleTimeout,
		MaxSilent:     max(cfg.Connections.MaxSilent/4, 1),
		GivenBack:     s.idle.knows,
		Refused:       s.refusedByEngine,
		Slowed:        s.strangerSlowed,
		Subprotocol:   s.subprotocol,
		AllowOrigin:   s.allowsOrigin,
		ClientAddr:    s.clientAddr,
		KeepHeaders:   keptHeaders(s.cfg.ProxyHeader, s.cfg.KeepHeaders),
		Logger:        s.log,
	}
}

// Handler serves all HTTP paths of the server, for programs with an http.Server of their own. Such a program has to
// take care of TLS, of timeouts for the head of a request and for idle connections, and of a limit on silent
// connections. It must not set ReadTimeout or WriteTimeout, which would end long polls.
//
// Config.TLS and Config.Admin.Addr then have no effect; see Config.ExternalTLS and [Server.AdminHandler].
func (s *Server) Handler() http.Handler {
	if s.cfg.Admin.Addr != "" {
		s.log.Warn("configuration: admin.addr: only Run and Serve listen there; a program that serves Handler must serve AdminHandler, too")
	}
	if s.cfg.TLS.enabled() {
		s.log.Warn("configuration: tls: only Run and Serve have a TLS listener; a program that serves Handler needs its own")
	}
	return s.handler
}

// AdminHandler serves the operators' surfaces (the page /admin, /api/v1/, /metrics, /debug/pprof/, /healthz and
// /readyz), for programs with a listener of their own. Every request except those for health and the page itself
// needs Config.Admin.Key. When no key is configured, those are refused.
func (s *Server) AdminHandler() http.Handler {
	h := s.adminHandler()
	if s.cfg.Admin.Key != "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" && r.URL.Path != "/readyz" {
			reply.Refuse(w, http.StatusForbidden, string(handshake.CodeForbidden), "set admin.key: what listens here is not known to be this machine's only")
			return
		}
		h.ServeHTTP(w, r)
	})
}

// drainPace is how far apart a few connections are closed: a small server need
// not take the whole of drain.spread to end.
const drainPace = 20 * time.Millisecond

// Shutdown drains: from now on /readyz says no, and for Config.Drain.Delay that
// is all; then new handshakes get 503, the open connections close in waves so that their clients come back elsewhere,
// and the handlers that run are waited for. When ctx ends, what is left is cut.
func (s *Server) Shutdown(ctx context.Context) error {
	s.leave(ctx)
	s.draining.Store(true)
	began, open := time.Now(), s.engine.Sessions()
	s.log.Info("draining", slog.Int("connections", open))
	over := min(s.inForce.Load().Drain.Spread, time.Duration(open)*drainPace)
	through := make(chan error, 1)
	go func() { through <- s.leaveOthers(ctx) }()
	err := errors.Join(s.engine.Drain(ctx, over), <-through)
	s.engine.Close()
	if herr := s.hub.Close(ctx); herr != nil {
		err = errors.Join(err, herr)
	}
	if s.node != nil {
		err = errors.Join(err, s.node.Close(ctx))
	}
	s.closeGate()
	s.traces.flush(ctx)
	if err != nil {
		err = fmt.Errorf("drain: %w", err)
	}
	s.log.Info("drained", slog.Duration("took", time.Since(began)), errorAttr("error", err))
	return err
}

// leave goes on serving for drain.delay, while /readyz tells the balancer to send no more clients.
func (s *Server) leave(ctx context.Context) {
	wait := s.inForce.Load().Drain.Delay
	if s.leaving.Swap(true) || wait == 0 {
		return
	}
	s.log.Info("leaving: still serving, not ready any more", slog.Duration("for", wait))
	delay := time.NewTimer(wait)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-ctx.Done():
	}
}

// Close ends the server at once: connections are cut, not drained. It waits for the handlers that run. It is for a
// server that is never run, or when there is no time for [Server.Shutdown]. After Shutdown it does nothing.
func (s *Server) Close() {
	s.leaving.Store(true)
	s.draining.Store(true)
	s.release()
}

// release ends everything that New has started, when nobody has ever connected.
func (s *Server) release() {
	s.engine.Close()
	s.closeHub()
	s.closeGate()
}

// closeGate closes the gate and the stores that gate and namespaces use.
func (s *Server) closeGate() { s.gateClosed.Do(s.closeGateOnce) }

func (s *Server) closeGateOnce() {
	if s.adminUI != nil {
		s.adminUI.Close()
	}
	if s.unregister != nil {
		s.unregister()
	}
	s.relays.close()
	if s.endReading != nil {
		s.reload.Lock()
		s.endReading()
		s.reload.Unlock()
		s.reading.Wait()
	}
	if s.bus != nil {
		s.bus.Close()
	}
	if s.node != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel() // nobody waits here, as Shutdown has waited
		_ = s.node.Close(ended)
	}
	if gate := s.gate(); gate != nil {
		gate.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}

func (s *Server) closeHub() {
	_ = s.hub.Close(context.Background()) // no handlers to wait for
}
