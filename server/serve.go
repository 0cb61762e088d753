package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Run listens at Config.Addr and serves until ctx ends; see [Server.Serve].
func (s *Server) Run(ctx context.Context) error {
	var listen net.ListenConfig
	ln, err := listen.Listen(ctx, "tcp", s.cfg.Addr)
	if err != nil {
		s.release()
		return fmt.Errorf("addr: %w", err)
	}
	return s.Serve(ctx, ln)
}

// Serve takes connections from ln until ctx ends, then drains within
// Config.Drain. It closes ln and returns when nothing that it started runs any
// more; nil after a complete drain. A server serves once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	hs := s.httpServer()
	served := make(chan error, 1)
	go func() { served <- hs.Serve(ln) }()
	s.log.Info("listening", zap.String("addr", ln.Addr().String()), zap.Bool("dev", s.cfg.Dev))
	select {
	case <-ctx.Done():
	case err := <-served:
		served <- err
	}
	err := s.stop(context.WithoutCancel(ctx), hs)
	if serr := <-served; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(fmt.Errorf("accept connections: %w", serr), err)
	}
	return err
}

// stop drains and closes the listener last, so that the answer to a late client
// is 503 and not a refused connection. What is left at the deadline is cut.
func (s *Server) stop(ctx context.Context, hs *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Drain.Timeout)
	defer cancel()
	err := s.Shutdown(ctx)
	if herr := hs.Shutdown(ctx); herr != nil {
		err = errors.Join(err, fmt.Errorf("finish the requests: %w", herr))
		_ = hs.Close() // it has no more to say than Shutdown
	}
	return err
}

// httpServer limits what a request may take. There is no ReadTimeout and no
// WriteTimeout: a long poll lasts longer than any of them may; the handlers set
// their own deadlines.
func (s *Server) httpServer() *http.Server {
	errorLog, err := zap.NewStdLogAt(s.log.Named("http"), zapcore.WarnLevel)
	if err != nil {
		errorLog = nil // never for a known level; net/http then uses its own
	}
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: s.cfg.HTTP.ReadHeaderTimeout,
		IdleTimeout:       s.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    s.cfg.HTTP.MaxHeaderBytes,
		ErrorLog:          errorLog,
	}
}
