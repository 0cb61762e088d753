// Command orders is a program of somebody else's that embeds Gatehouse: its own
// module, namespace, logger, metrics, hook and route. Run it with
//
//	GOFLAGS=-mod=mod ORDERS_SECRET=… go run .
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/namespaces/contract"
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
		return s.Join("desk")
	})
	namespaces.On(ns, "order:create", func(_ context.Context, s *namespaces.Socket, in newOrder) (order, error) {
		if in.Item == "" {
			return order{}, errors.New("an order without an item")
		}
		made := order{newOrder: in, By: s.Identity().Subject}
		return made, s.To("desk").Emit("order:created", made)
	})
	namespaces.Emits[order](ns, "order:created")
	return ns
}

// types writes what clients of the orders send and get, for front ends in TypeScript.
func types(w io.Writer) error {
	d, err := namespaces.Describe(orders())
	if err != nil {
		return err
	}
	return contract.TypeScript(w, d)
}

// configuration is where the program's own parts meet the server.
func configuration(secret string, log *slog.Logger) server.Config {
	metrics := prometheus.NewRegistry()
	entered := prometheus.NewCounter(prometheus.CounterOpts{Name: "orders_sockets_total", Help: "Sockets that entered."})
	metrics.MustRegister(entered)

	routes := http.NewServeMux()
	routes.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "orders 1") })
	routes.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))

	return server.Config{
		Addr:     "127.0.0.1:0",
		JWT:      handshake.JWTConfig{HMACSecret: handshake.Secret(secret)},
		Logger:   log,
		Handler:  routes,
		Registry: metrics,
		Hooks:    []namespaces.Hooks{{SocketOpened: func(*namespaces.Socket) { entered.Inc() }}},
	}
}

func run(ctx context.Context) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	s, err := server.New(configuration(os.Getenv("ORDERS_SECRET"), log), orders())
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
