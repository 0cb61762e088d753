package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
)

// reloader is the server as far as SIGHUP is concerned.
type reloader interface{ ReloadTLS() error }

// reloadOnHangup reads the certificate files again whenever the process gets
// SIGHUP, as who renews them sends it. The function that it returns ends that
// and waits.
func reloadOnHangup(ctx context.Context, srv reloader, log *zap.Logger) (stop func()) {
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
				if err := srv.ReloadTLS(); err != nil {
					log.Error("certificate not reloaded, the old one stays in force", zap.Error(err))
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
