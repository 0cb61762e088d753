package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
	"gatehouse/namespaces/echo"
	"gatehouse/server"
)

// serveCommand runs the server until the context of the program ends.
type serveCommand struct{ configFlags }

// Run returns nil after a complete drain.
func (c *serveCommand) Run(p *program) error {
	s, err := c.settings(p)
	if err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return err
	}
	log, out, err := server.NewLogger(s.Log, p.stderr)
	if err != nil {
		return err
	}
	defer closeLog(p.ctx, out)
	s.Logger = log
	if s.Dev {
		if err := p.prepareDev(&s, log); err != nil {
			return err
		}
	}
	if s.Files != "" {
		handler, done, err := serveFiles(s.Files)
		if err != nil {
			return err
		}
		defer done()
		s.Handler = handler
	}
	s.Config.Version = version(debug.ReadBuildInfo())
	end, err := s.startTraces(p.ctx)
	if err != nil {
		return err
	}
	defer end() // the server has flushed them
	srv, err := server.New(s.Config, s.namespaces()...)
	if err != nil {
		return err
	}
	defer reloadOnHangup(p.ctx, func() ([]string, error) { return c.reload(p, srv, out, s) }, log)()
	defer p.heapPolicy()()
	return srv.Run(p.ctx)
}

// logPatience is how long the end of the program waits for the log to be read.
const logPatience = 2 * time.Second

// closeLog writes the last lines, and does not wait for long until they are read.
func closeLog(ctx context.Context, out *server.LogWriter) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logPatience)
	defer cancel()
	_ = out.Close(ctx) // there is no log left to report it in
}

// heapPolicy sets the collector's policy, unless the environment sets one. The
// returned function ends it.
func (p *program) heapPolicy() (stop func()) {
	if p.env.value("GOGC") != "" || p.env.value("GOMEMLIMIT") != "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(p.ctx)
	var tending sync.WaitGroup
	tending.Go(func() { tendHeap(ctx) })
	return func() {
		cancel()
		tending.Wait()
	}
}

// prepareDev warns loudly what dev mode opens, and makes sure that there is a
// key.
func (p *program) prepareDev(s *settings, log *slog.Logger) error {
	log.Warn("DEVELOPMENT MODE: anybody who reaches this address gets a token for any name; never use it in production",
		slog.String("demoLogin", "/demo/login"), slog.String("echo", "/echo"), slog.String("origins", "all of localhost"))
	if err := s.Check(); !errors.Is(err, handshake.ErrNoVerifier) {
		return err
	}
	key, err := p.devKey()
	if errors.Is(err, errNoStateDir) {
		log.Warn("the dev key is in memory only: gatehouse token --dev cannot use it, and a restart makes all tokens invalid; set XDG_STATE_HOME to keep it",
			slog.Any("error", err))
		key, err = newDevKey(rand.Reader)
	}
	s.JWT.HMACSecret = handshake.Secret(key)
	return err
}

// devKey gives the key in the user's state directory.
func (p *program) devKey() (string, error) {
	dir, err := stateDir(p.env)
	if err != nil {
		return "", fmt.Errorf("no place for a dev key: %w", err)
	}
	return keptDevKey(dir, rand.Reader)
}

// namespaces are the built-in ones that the settings ask for.
func (s settings) namespaces() []namespaces.Definition {
	// "/" has no handlers, and the same gate as the others: clients that name no
	// namespace, such as artillery, begin there.
	var defs []namespaces.Definition
	if _, ruled := s.Namespaces["/"]; !ruled {
		defs = append(defs, namespaces.New("/"))
	}
	if s.Chat.Enabled {
		defs = append(defs, chat.New(s.Chat.config(s.JWT.Issuer)))
	}
	if s.Echo.Enabled {
		defs = append(defs, echo.New())
	}
	return defs
}
