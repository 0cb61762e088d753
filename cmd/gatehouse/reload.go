package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"gatehouse/server"
)

// reloader is the server as far as SIGHUP is concerned.
type reloader interface{ ReloadTLS() error }

// reloadOnHangup reads the certificate files again whenever the process gets
// SIGHUP, as programs that renew certificates send it. Without TLS the signal
// does nothing: logrotate and terminals send it too, and it never ends the
// process. The function that it returns ends that and waits.
func reloadOnHangup(ctx context.Context, srv reloader, log *slog.Logger) (stop func()) {
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
				switch err := srv.ReloadTLS(); {
				case errors.Is(err, server.ErrNoTLS):
					log.Info("SIGHUP: there is no TLS certificate to read again")
				case err != nil:
					log.Error("certificate not reloaded, the old one stays in force", slog.Any("error", err))
				}
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		cancel()
		<-done
	}
}
