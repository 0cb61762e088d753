// Command orders is a program of somebody else's that embeds Gatehouse: its own
// module, its own namespace, its own logger. Run it with
//
//	GOFLAGS=-mod=mod ORDERS_SECRET=… go run .
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
	"gatehouse/namespaces"
	"gatehouse/server"
)

type newOrder struct {
	Item string `json:"item"`
}

type order struct {
	newOrder
	By string `json:"by"`
}

// orders is a definition: who may enter, and what they can do there.
func orders() *namespaces.Namespace {
	ns := namespaces.New("/orders")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if !s.Identity().Has("scope", "orders") {
			return namespaces.Forbidden("orders needs the orders scope")
		}
		s.Join("user:" + s.Identity().Subject)
		return nil
	})
	namespaces.On(ns, "order:create", func(_ context.Context, s *namespaces.Socket, in newOrder) (order, error) {
		if in.Item == "" {
			return order{}, errors.New("an order without an item")
		}
		return order{newOrder: in, By: s.Identity().Subject}, nil
	})
	return ns
}

func run(ctx context.Context) error {
	s, err := server.New(server.Config{
		Addr:   "127.0.0.1:0",
		JWT:    handshake.JWTConfig{HMACSecret: handshake.Secret(os.Getenv("ORDERS_SECRET"))},
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
	}, orders())
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
