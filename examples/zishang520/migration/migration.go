// Package migration has the code of docs/migrating-from-zishang520.md, so that
// what the page shows compiles.
package migration

import (
	"context"
	"log"
	"net/http"

	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// Before serves with the library's engine.
func Before(io *socket.Server, opts *socket.ServerOptions) {
	http.Handle("/socket.io/", io.ServeHandler(opts))
}

// After serves with ours, for as long as the process runs.
func After(io *socket.Server, opts *socket.ServerOptions) {
	h, err := bridge.Bind(io, bridge.Config{Options: opts})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	http.Handle("/socket.io/", h)
}

// WhoIsThis asks who is there, and serves with our engine.
func WhoIsThis(io *socket.Server, gate bridge.Gate, opts *socket.ServerOptions) error {
	io.Of("/orders", nil).Use(bridge.Middleware(gate))      // who is this
	h, err := bridge.Bind(io, bridge.Config{Options: opts}) // instead of io.ServeHandler(opts)
	if err != nil {
		return err
	}
	http.Handle("/socket.io/", h)
	return nil
}

// SignIn puts the gate before a namespace.
func SignIn(io *socket.Server, secret handshake.Secret) error {
	gate, err := handshake.NewGate(handshake.GateConfig{JWT: handshake.JWTConfig{HMACSecret: secret}})
	if err != nil {
		return err
	}
	chat := io.Of("/chat", nil)
	chat.Use(bridge.Middleware(gate))
	return chat.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		id, _ := bridge.Identity(s)
		s.Join(socket.Room("user:" + id.Subject))
	})
}

// Order is what a client sends and gets.
type Order struct {
	Item string `json:"item"`
}

// EventsBefore is an event as the library's users write it.
func EventsBefore(io *socket.Server, gate bridge.Gate) error {
	// zishang520
	orders := io.Of("/orders", nil)
	orders.Use(bridge.Middleware(gate))
	return orders.On("connection", func(args ...any) {
		s := args[0].(*socket.Socket)
		_ = s.On("order:create", func(args ...any) {
			in, ok := args[0].(map[string]any) // every client sends what it likes
			ack, asked := args[len(args)-1].(socket.Ack)
			if !ok || !asked {
				return
			}
			_ = s.To("desk").Emit("order:created", in)
			ack([]any{in}, nil)
		})
	})
}

// EventsAfter is the same event here.
func EventsAfter(secret handshake.Secret) (*server.Server, error) {
	// Gatehouse
	orders := namespaces.New("/orders")
	namespaces.On(orders, "order:create", func(_ context.Context, s *namespaces.Socket, in Order) (Order, error) {
		return in, s.To("desk").Emit("order:created", in)
	})
	return server.New(server.Config{JWT: handshake.JWTConfig{HMACSecret: secret}}, orders)
}
