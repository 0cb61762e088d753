package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// Run listens at Config.Addr and serves until ctx ends; see [Server.Serve].
func (s *Server) Run(ctx context.Context) error {
	ln, err := listen(ctx, "addr", s.cfg.Addr)
	if err != nil {
		s.release()
		return err
	}
	return s.Serve(ctx, ln)
}

// listen opens a TCP listener. The error names key, the key of the configuration.
func listen(ctx context.Context, key, addr string) (net.Listener, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && key == "addr":
		return nil, fmt.Errorf("%s: %w; end what listens there, or choose another address with --addr", key, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w; end what listens there, or choose another address", key, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return ln, nil
}

// publicServer makes the public http.Server, which counts silent connections.
func (s *Server) publicServer() *http.Server {
	hs := s.httpServer(s.idle.busy(s.handler))
	hs.ConnState, hs.ConnContext = s.idle.state, s.idle.context
	return hs
}

// Serve takes connections from ln until ctx ends, then drains within Config.Drain. With Config.TLS it speaks TLS on
// ln. It closes ln, and returns when nothing that it started runs any more: nil after a complete drain. A server
// serves once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stopAdmin, err := s.startAdmin(func(addr string) (net.Listener, error) {
		return listen(ctx, "admin.addr", addr)
	})
	if err != nil {
		_ = ln.Close()
		s.release()
		return err
	}
	defer stopAdmin() // last, so that operators who watch see the drain
	stopForwarding, err := s.startForwarding(ctx)
	if err != nil {
		_ = ln.Close()
		s.release()
		return err
	}
	defer stopForwarding() // requests for our sessions at other nodes are drained, too
	if s.node != nil {
		if err := s.node.Join(ctx); err != nil {
			_ = ln.Close()
			s.release()
			return fmt.Errorf("join the cluster: %w", err)
		}
		s.warnOfRedis(ctx)
	}
	hs := s.publicServer()
	if s.cfg.TLS.enabled() {
		ln = s.engine.ListenTLS(ln, s.keys.config(true))
	} else {
		ln = s.engine.Intercept(ln, strings.TrimSuffix(s.cfg.Path, "/"))
	}
	served := make(chan error, 1)
	go func() { served <- hs.Serve(roomy{ln, s.makeRoom}) }()
	s.log.Info("listening", slog.String("addr", ln.Addr().String()), slog.Bool("dev", s.cfg.Dev), slog.Bool("tls", s.cfg.TLS.enabled()))
	select {
	case <-ctx.Done():
	case err := <-served:
		served <- err
	}
	err = s.stop(context.WithoutCancel(ctx), hs)
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(fmt.Errorf("accept connections: %w", serr), err)
	}
	return err
}

// stop drains and closes the listener last, so that the answer to a late client
// is 503 and not a refused connection. Connections that are left at the
// deadline are cut.
func (s *Server) stop(ctx context.Context, hs *http.Server) error {
	limit := s.inForce.Load().Drain.Timeout
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := s.Shutdown(ctx)
	if herr := hs.Shutdown(ctx); herr != nil {
		err = errors.Join(err, fmt.Errorf("finish the requests: %w", herr))
		_ = hs.Close() // its error adds nothing to that of Shutdown
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not drained within drain.timeout (%s), what was left is cut: %w", limit, err)
	}
	return err
}

// httpServer limits what a request may take. There is no ReadTimeout and no WriteTimeout, as a long poll may last
// longer; the handlers set their own deadlines.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.cfg.HTTP.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    s.cfg.HTTP.MaxHeaderBytes,
		// Any client can cause these messages of net/http, above all those about TLS.
		ErrorLog: slog.NewLogLogger(s.refusals.With(slog.String("logger", "http")).Handler(), slog.LevelWarn),
	}
}
