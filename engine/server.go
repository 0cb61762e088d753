package engine

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
	"gatehouse/internal/crew"
	"gatehouse/internal/limit"
)

// Server serves Engine.IO v4. It is an http.Handler for one path, with and
// without its last slash, and safe for concurrent use.
type Server struct {
	// Fixed.
	cfg       Config // of its limits, see live
	accept    func(*Session) Handler
	began     time.Time
	wheel     *wheel
	flushers  []*flusher
	buffers   sync.Pool // of *[readBytes]byte
	inflaters rfc6455.InflaterPools
	gzips     chan *gzip.Writer          // all there are, nil until used
	long      *limit.Queue[budget.Owner] // places for messages that take long
	epoll     epoll                      // nil where every stream has its goroutine

	handshakes chan struct{} // turns of TLS handshakes

	answerTimeout time.Duration // answerTimeout; shorter in tests

	budget    sendBudget
	incoming  *budget.Budget
	earlyWork *earlyWork // fixed; nil without Config.Early
	cuts      cutCounts
	closings  closings

	live     atomic.Pointer[liveLimits]
	draining atomic.Bool
	open     atomic.Int64
	silent   atomic.Int64 // kept connections between two requests

	workers sync.WaitGroup // the wheel, the flushers and the reaper
	ending  sync.Once

	unhijackable sync.Once // warned about
	ringTold     sync.Once // whether io_uring is used

	taskMu sync.RWMutex // locked for writing when no more tasks are taken
	tasks  crew.Crew    // what sessions have under way
	polls  crew.Crew    // requests of kept connections
	over   bool         // guarded by taskMu

	mu       sync.Mutex // guards what follows
	sessions map[string]*Session
	closed   bool
	emptied  chan struct{} // closed when the last session has gone, once closed
}

// pollRest is how many goroutines of each processor rest between two polls, for a
// second at most: each poll holds one while it waits, and a fresh one has its stack to
// grow.
const pollRest = 512

// New makes a Server that asks accept for the handler of each new session. accept must
// not block; frames that it sends go out after the open packet.
func New(cfg Config, accept func(*Session) Handler) (*Server, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	srv := &Server{
		cfg:      cfg,
		accept:   accept,
		began:    time.Now(),
		sessions: make(map[string]*Session),
		emptied:  make(chan struct{}),
	}
	srv.polls.Rest = pollRest
	srv.answerTimeout = answerTimeout
	srv.gzips = make(chan *gzip.Writer, 2*runtime.GOMAXPROCS(0))
	for range cap(srv.gzips) {
		srv.gzips <- nil
	}
	srv.inflaters.Slots = make(chan struct{}, longPlaces())
	srv.long = newLongQueue()
	srv.handshakes = make(chan struct{}, handshakeTurns())
	srv.budget.init(cfg.OutboxTotal)
	srv.closings.most = cfg.MaxClosing
	srv.live.Store(cfg.live())
	srv.earlyWork = newEarlyWork(cfg.Early, srv.spawn)
	srv.incoming = budget.New(budget.Limits{Total: int64(cfg.IncomingTotal), Share: int64(cfg.IncomingShare)})
	srv.buffers.New = func() any { return new([readBytes]byte) }
	if !cfg.Portable {
		var err error
		if srv.epoll, err = newEpoll(runtime.GOMAXPROCS(0)); err != nil {
			return nil, err
		}
	}
	srv.startWorkers()
	return srv, nil
}

func (srv *Server) startWorkers() {
	srv.wheel = newWheel(srv.cfg.tick(), srv.now)
	srv.workers.Go(srv.wheel.run)
	srv.workers.Go(srv.reap)
	for range runtime.GOMAXPROCS(0) {
		f := newFlusher(srv.newJointWrites())
		srv.flushers = append(srv.flushers, f)
		srv.workers.Go(f.run)
	}
}

// Sessions returns how many sessions are open.
func (srv *Server) Sessions() int { return int(srv.open.Load()) }

// spawn runs f in a goroutine that Close waits for. When Close has ended all
// sessions, f has no use any more: it does not run, and spawn returns false.
func (srv *Server) spawn(f func()) bool { return srv.begin(&srv.tasks, f) }

// begin is spawn for tasks of a crew.
func (srv *Server) begin(tasks *crew.Crew, f func()) bool {
	srv.taskMu.RLock()
	defer srv.taskMu.RUnlock()
	if !srv.over {
		tasks.Go(f)
	}
	return !srv.over
}

// newStream chooses how the connection of t is read and written.
func (srv *Server) newStream(t *hijacked, owner streamOwner) stream {
	if t.conn == nil {
		return srv.epoll.adopt(t.socket, owner)
	}
	if srv.epoll != nil {
		if s, ok := srv.takeSocket(t.conn, owner); ok {
			return s
		}
	}
	return newGoStream(t.conn, owner, srv)
}

// takeSocket gives conn to a loop, with its TLS if there is any.
func (srv *Server) takeSocket(conn net.Conn, owner streamOwner) (stream, bool) {
	if secured, ok := conn.(*tls.Conn); ok {
		return srv.takeTLS(secured, owner)
	}
	return srv.epoll.take(conn, owner)
}

// remember lists s as open; a server that is closed takes none.
func (srv *Server) remember(s *Session) bool {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.closed {
		return false
	}
	srv.sessions[s.id] = s
	srv.open.Add(1)
	return true
}

func (srv *Server) forget(s *Session) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	delete(srv.sessions, s.id)
	if srv.closed && len(srv.sessions) == 0 {
		srv.emptied = closeOnce(srv.emptied)
	}
}

func (srv *Server) session(id string) *Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.sessions[id]
}

func (srv *Server) snapshot() []*Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	all := make([]*Session, 0, len(srv.sessions))
	for _, s := range srv.sessions {
		all = append(all, s)
	}
	return all
}

// ServeHTTP serves handshakes, polls and upgrades.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if TooManyFields(r) {
		srv.refuseFields(w, r)
		return
	}
	id := Parameter(r, "sid")
	// This comes first, because the answer of the other node is complete: nothing is
	// added to it.
	if node := srv.elsewhere(id); node != "" && r.Method != http.MethodOptions && srv.cfg.Elsewhere(&foreignResponse{w, srv, r.ContentLength != 0}, r, node) {
		return
	}
	if srv.cfg.Headers != nil && !rfc6455.IsUpgrade(r) {
		srv.cfg.Headers(w.Header(), r)
	}
	if srv.cors(w, r) {
		return
	}
	transport, ok := transportOf(Parameter(r, "transport"))
	if !ok || srv.refusesTransport(transport) {
		srv.refuse(w, r, codeUnknownTransport)
		return
	}
	if id == "" {
		srv.serveHandshake(w, r, transport)
		return
	}
	s := srv.session(id)
	if s == nil || s.over() {
		srv.refuse(w, r, codeUnknownSID)
		return
	}
	srv.serveSession(w, r, s, transport)
}

// transportOf returns the transport that a request names, as a literal: a
// session that kept a piece of the query would keep the whole head in memory.
func transportOf(name string) (string, bool) {
	switch name {
	case "polling":
		return "polling", true
	case "websocket":
		return "websocket", true
	}
	return "", false
}

// refusesTransport reports whether a transport is switched off.
func (srv *Server) refusesTransport(name string) bool {
	return name == "polling" && srv.cfg.NoPolling || name == "websocket" && srv.cfg.NoWebSocket
}

// serveSession serves a request that belongs to s.
func (srv *Server) serveSession(w http.ResponseWriter, r *http.Request, s *Session, transport string) {
	upgrade := rfc6455.IsUpgrade(r)
	if Parameter(r, "EIO") != "4" || upgrade != (transport == "websocket") || !upgrade && s.Transport() != transport {
		srv.refuse(w, r, codeBadRequest)
		return
	}
	if srv.cfg.CheckLater != nil {
		if refusal := srv.cfg.CheckLater(r, s.owner()); refusal != nil {
			srv.refuseWith(w, r, refusal)
			return
		}
	}
	if !upgrade {
		if err := s.spend(1); err != nil {
			srv.refuseFault(w, r, s, err)
			return
		}
		s.awaitShare(r.Context())
	}
	switch {
	case upgrade:
		s.countWork(handshakeWork)
		srv.serveUpgrade(w, r, s)
	case r.Method == http.MethodGet:
		s.serveGET(w, r)
	case r.Method == http.MethodPost:
		s.servePOST(w, r)
	default:
		srv.refuse(w, r, codeBadMethod)
	}
}

// owner is the handler of s. A request that comes while the session is still
// being opened waits for it.
func (s *Session) owner() Handler {
	s.in.Lock()
	defer s.in.Unlock()
	return s.handler
}

// Drain refuses new handshakes with 503 and closes the open sessions spread
// over the given time, so that their clients do not come back all at once. It
// returns when all are gone or ctx ends.
func (srv *Server) Drain(ctx context.Context, over time.Duration) error {
	srv.draining.Store(true)
	all := srv.snapshot()
	if len(all) > 0 {
		pause := time.NewTicker(max(over/time.Duration(len(all)), time.Microsecond))
		defer pause.Stop()
		for _, s := range all {
			s.shutdown()
			select {
			case <-pause.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return srv.refuseAndWait(ctx)
}

// refuseAndWait takes no more sessions and waits for the last one.
func (srv *Server) refuseAndWait(ctx context.Context) error {
	srv.mu.Lock()
	srv.closed = true
	emptied := srv.emptied
	if len(srv.sessions) == 0 {
		srv.emptied = closeOnce(emptied)
	}
	srv.mu.Unlock()
	for _, s := range srv.snapshot() { // those that came in between
		s.shutdown()
	}
	select {
	case <-emptied:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeOnce closes c unless it is closed.
func closeOnce(c chan struct{}) chan struct{} {
	select {
	case <-c:
	default:
		close(c)
	}
	return c
}

func (s *Session) shutdown() {
	s.closeWith(Close{Reason: ReasonShutdown}, closePacket{code: CodeServiceRestart, text: string(ReasonShutdown)}, false)
}

// Close ends all sessions at once and returns when nothing of the server runs
// any more. Handlers have been told by then; they must not call it. Further
// calls wait for the first.
func (srv *Server) Close() { srv.ending.Do(srv.end) }

func (srv *Server) end() {
	srv.draining.Store(true)
	srv.mu.Lock()
	srv.closed = true
	srv.mu.Unlock()
	for _, s := range srv.snapshot() {
		s.shutdown()
		s.destroy()
	}
	if srv.epoll != nil {
		srv.epoll.close()
	}
	srv.wheel.close()
	close(srv.budget.stop)
	srv.incoming.Close()
	for _, f := range srv.flushers {
		close(f.stop)
	}
	srv.workers.Wait()
	srv.taskMu.Lock()
	srv.over = true
	srv.taskMu.Unlock()
	srv.tasks.Wait()
	srv.polls.Wait()
}
