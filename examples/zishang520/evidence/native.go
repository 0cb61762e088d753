package main

import (
	"context"
	"net"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/server"
)

// serveNative serves what the checks need of the application, written for
// Gatehouse: the last step of a migration.
func serveNative(ctx context.Context, listener net.Listener, secret string) error {
	app := namespaces.New("/")
	namespaces.Handle(app, "chat", func(_ context.Context, _ *namespaces.Socket, in packet.Args) error {
		return app.Emit("message", in)
	})
	namespaces.On(app, "ask", func(ctx context.Context, s *namespaces.Socket, in packet.Args) (packet.Args, error) {
		return s.EmitAck(ctx, "question", in)
	})
	srv, err := server.New(server.Config{
		JWT:  handshake.JWTConfig{HMACSecret: handshake.Secret(secret)},
		Auth: handshake.AuthConfig{Methods: []string{handshake.MethodToken, handshake.MethodAnonymous}},
	}, app)
	if err != nil {
		return err
	}
	return srv.Serve(ctx, listener)
}
