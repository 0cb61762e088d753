// Command zishang520 is a small chat written for github.com/zishang520/socket.io/v2:
// the handshake payload is validated in a namespace middleware, and sockets with
// an identity are routed into a namespace and rooms. It runs on that library's
// engine and on ours; the flag is the only difference:
//
//	GATEHOUSE_JWT_HMAC_SECRET=… go run ./examples/zishang520 --engine stock
//	GATEHOUSE_JWT_HMAC_SECRET=… go run ./examples/zishang520 --engine gatehouse
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"gatehouse/bridge"
	"gatehouse/handshake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "zishang520:", err)
		os.Exit(1)
	}
}

const (
	stopTimeout = 5 * time.Second        // limits the orderly end
	drainOver   = 100 * time.Millisecond // clients reconnect spread over this time
)

// run serves the chat until ctx ends. Log lines, JSON, go to log; the line
// "listening" has the address.
func run(ctx context.Context, args []string, getenv func(string) string, log io.Writer) error {
	flags := flag.NewFlagSet("zishang520", flag.ContinueOnError)
	engineName := flags.String("engine", "gatehouse", "stock: the library's own engine; gatehouse: ours")
	addr := flags.String("addr", "127.0.0.1:3001", "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	gate, err := handshake.NewGate(handshake.GateConfig{
		JWT: handshake.JWTConfig{HMACSecret: handshake.Secret(getenv("GATEHOUSE_JWT_HMAC_SECRET"))},
	})
	if err != nil {
		return fmt.Errorf("set GATEHOUSE_JWT_HMAC_SECRET: %w", err)
	}
	defer gate.Close()
	logger := newLogger(log)
	handler, stopEngine, err := mount(*engineName, newChat(gate, logger))
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return serve(ctx, listener, handler, stopEngine, logger)
}

// mount puts an engine under the chat. This is what changes with the engine, and
// nothing else.
func mount(name string, io *socket.Server) (h http.Handler, stop func(context.Context), err error) {
	switch name {
	case "stock":
		return io.ServeHandler(nil), func(context.Context) { io.Close(nil) }, nil
	case "gatehouse":
		bound, err := bridge.Bind(io, bridge.Config{})
		if err != nil {
			return nil, nil, err
		}
		return bound, func(ctx context.Context) {
			_ = bound.Drain(ctx, drainOver) // what is left is cut
			bound.Close()
		}, nil
	default:
		return nil, nil, fmt.Errorf("--engine is %q, it must be stock or gatehouse", name)
	}
}

// serve answers until ctx ends, then closes the connections and waits.
func serve(ctx context.Context, listener net.Listener, h http.Handler, stopEngine func(context.Context), log *zap.Logger) error {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", h)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	log.Info("listening", zap.String("addr", listener.Addr().String()))
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	stopEngine(stopping) // first: polls that hang would hold the HTTP server up
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if err := srv.Shutdown(stopping); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func newLogger(w io.Writer) *zap.Logger {
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(cfg), zapcore.AddSync(w), zap.InfoLevel))
}
