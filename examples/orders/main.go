// Command orders is a program with a namespace of its own.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
)

type order struct {
	Item string `json:"item"`
	By   string `json:"by"`
}

func main() {
	orders := namespaces.New("/orders")
	orders.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if !s.Identity().Has("scope", "orders") {
			return namespaces.Forbidden("orders needs the orders scope")
		}
		return s.Join("desk")
	})
	namespaces.On(orders, "order:create", func(_ context.Context, s *namespaces.Socket, in order) (order, error) {
		in.By = s.Identity().Subject
		return in, s.To("desk").Emit("order:created", in) // to the others; the acknowledgement to this one
	})
	secret := handshake.Secret(os.Getenv("GATEHOUSE_JWT_HMAC_SECRET"))
	srv, err := server.New(server.Config{JWT: handshake.JWTConfig{HMACSecret: secret}}, orders)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := srv.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
