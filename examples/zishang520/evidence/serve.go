package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
	"gatehouse/handshake"
	"gatehouse/packet"
)

var errRefused = errors.New("refused by the middleware")

// setups are the ways in which the application is served, by name.
func setups() []string {
	return []string{"stock", "stock+deflate", "stock+parser", "gatehouse", "native"}
}

// stopTimeout limits the orderly end.
const stopTimeout = 5 * time.Second

// serve runs the application until ctx ends. The log line "listening" has the
// address.
func serve(ctx context.Context, setup, addr, secret string, log io.Writer) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	_, _ = fmt.Fprintf(log, `{"msg":"listening","addr":%q}`+"\n", listener.Addr())
	if setup == "native" {
		return serveNative(ctx, listener, secret)
	}
	gate, err := handshake.NewGate(handshake.GateConfig{JWT: handshake.JWTConfig{HMACSecret: handshake.Secret(secret)}})
	if err != nil {
		return err
	}
	defer gate.Close()
	h, closeEngine, err := mount(setup, gate)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	closeEngine()
	err = srv.Close()
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

// mount puts the engine of a setup under the application.
func mount(setup string, gate *handshake.Gate) (h http.Handler, closeEngine func(), err error) {
	opts := socket.DefaultServerOptions()
	switch setup {
	case "stock", "gatehouse":
	case "stock+deflate":
		opts.SetPerMessageDeflate(&types.PerMessageDeflate{Threshold: 0})
	case "stock+parser":
		opts.SetParser(bridge.NewParser(packet.Limits{}))
	default:
		return nil, nil, fmt.Errorf("no setup %q; there are %v", setup, setups())
	}
	io := newApp(opts, gate)
	if setup != "gatehouse" {
		return io.ServeHandler(nil), func() { io.Close(nil) }, nil
	}
	bound, err := bridge.Bind(io, bridge.Config{})
	if err != nil {
		return nil, nil, err
	}
	return bound, func() {
		stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = bound.Drain(stopping, 0) // what is left is cut
		bound.Close()
	}, nil
}
