package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/engine"
)

// Server is a zishang520 server on Gatehouse's engine: the handler of its path.
// It is safe for concurrent use.
type Server struct {
	// Fixed.
	io     *socket.Server
	cfg    Config
	log    *slog.Logger
	path   string
	engine *engine.Server
	front  *front

	workers sync.WaitGroup // the goroutines of connections
	last    atomic.Pointer[broadcast]
}

// ErrBound is the error for a server that already has an engine.
var ErrBound = errors.New("bridge: the server has an engine already; call Bind instead of ServeHandler, Attach or Listen")

// Bind puts our engine under io. The application's one change is where it mounts
// its handler:
//
//	http.Handle("/socket.io/", io.ServeHandler(opts)) // before
//
//	h, err := bridge.Bind(io, bridge.Config{Options: opts}) // after; check err
//	http.Handle("/socket.io/", h)
//
// The error says which option of the application our engine cannot honour.
// Close the Server when the HTTP server has stopped accepting.
func Bind(io *socket.Server, cfg Config) (*Server, error) {
	if io.Engine() != nil {
		return nil, ErrBound
	}
	opts := cfg.options(io)
	if err := supported(opts); err != nil {
		return nil, err
	}
	s := &Server{io: io, cfg: cfg.withDefaults(opts), path: strings.TrimRight(io.Path(), "/") + "/"}
	s.log = s.cfg.Engine.Logger
	var err error
	if s.engine, err = engine.New(s.cfg.Engine, s.open); err != nil {
		return nil, err
	}
	s.front = newFront(s, opts)
	io.Bind(s.front)
	return s, nil
}

// open is called by the engine for every new session.
func (s *Server) open(session *engine.Session) engine.Handler {
	c := newConn(s, session)
	s.front.Clients().Store(c.id, c)
	s.front.Emit("connection", c)
	return reader{c}
}

// ServeHTTP serves handshakes, polls and upgrades, behind the middlewares of
// io.Engine().Use, which have set CORS headers if the application asked for it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(s.front.Middlewares()) == 0 {
		s.engine.ServeHTTP(w, r)
		return
	}
	ctx := types.NewHttpContext(w, r)
	defer ctx.Flush()
	s.front.ApplyMiddlewares(ctx, func(err error) {
		if err != nil {
			http.Error(w, `{"code":3,"message":"Bad request"}`, http.StatusBadRequest)
			return
		}
		for name, values := range ctx.ResponseHeaders.All() {
			w.Header()[name] = values
		}
		s.engine.ServeHTTP(w, r)
	})
}

// Sessions returns how many connections are open.
func (s *Server) Sessions() int { return s.engine.Sessions() }

// Drain refuses new connections with 503, and closes the open ones spread over
// the given time so that their clients reconnect elsewhere. It returns when all
// are gone or ctx ends; Close is still to be called.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	return s.engine.Drain(ctx, over)
}

// Close ends all connections and returns when their listeners have finished, or
// have used up Config.CloseWait. It must not be called from a listener; those
// call io.Close, which does not wait for them.
func (s *Server) Close() {
	s.engine.Close()
	s.workers.Wait()
}

// recovered keeps a panic of the application, in a goroutine of this package,
// from ending the process. The connection ends, as its state cannot be trusted
// any more.
func (s *Server) recovered(c *conn, doing string) {
	if p := recover(); p != nil {
		s.log.Error("panic in a listener or middleware",
			slog.String("doing", doing), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		c.end(engine.CodeInternal, "internal error")
	}
}
