// Command gatehouse runs a Socket.IO-compatible realtime server that asks every
// socket who it is. It reads the configuration (file, then environment, then
// flags), wires the packages together and runs them; all else lives in those
// packages.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once the drain has begun, the next signal ends the process at once.
	context.AfterFunc(ctx, stop)
	// When the reader of the log has gone, writing fails, but must not end the
	// process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}
