package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"gatehouse/handshake"
	limits "gatehouse/internal/settings"
	"gatehouse/server"
)

// reloadOnHangup reads the configuration again whenever the process gets SIGHUP, as
// programs that renew certificates and operators who change keys send it. logrotate
// and terminals send it too: it never ends the process. The returned function ends
// the watch and waits.
func reloadOnHangup(ctx context.Context, reload func() (restart []string, err error), log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			restart, err := reload()
			switch {
			case errors.Is(err, server.ErrEnded):
			case err != nil:
				log.Error("SIGHUP: the configuration is not taken over, the old one stays in force", slog.Any("error", err))
			default:
				log.Info("SIGHUP: the configuration is read again and in force")
			}
			if len(restart) > 0 {
				log.Warn("SIGHUP: these keys have changed and need a restart", slog.Any("keys", restart))
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		cancel()
		<-done
	}
}

// reload takes over the present configuration of the sources. s holds the settings
// that the program was started with.
func (c *serveCommand) reload(p *program, srv *server.Server, out *server.LogWriter, s settings) (restart []string, err error) {
	next, err := c.settings(p)
	if err != nil {
		return nil, err
	}
	if err := next.check(); err != nil {
		return nil, err
	}
	if next.Dev && errors.Is(next.Check(), handshake.ErrNoVerifier) {
		next.JWT.HMACSecret = s.JWT.HMACSecret // the dev key
	}
	mixed := next
	mixed.ownSettings = s.ownSettings // they stay as they are
	if err := mixed.checkHistory(); err != nil {
		return nil, fmt.Errorf("reload: %w; the chat's settings cannot change before a restart", next.where.locate(err))
	}
	if restart, err = srv.Reload(next.Config); err != nil {
		return nil, fmt.Errorf("reload: %w", next.where.locate(err))
	}
	return append(restart, limits.Changed(s.ownSettings, next.ownSettings)...), out.SetLevel(next.Log.Level)
}
