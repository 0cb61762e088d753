package namespaces_test

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// NewOrder is what a client sends, Order what it gets back.
type (
	NewOrder struct {
		Item string `json:"item"`
	}
	Order struct {
		ID   int    `json:"id"`
		Item string `json:"item"`
	}
)

// shelf stands for somebody's store.
type shelf struct{}

func (shelf) Create(_ context.Context, in NewOrder) (Order, error) {
	if in.Item == "" {
		return Order{}, errors.New("an order without an item")
	}
	return Order{ID: 1, Item: in.Item}, nil
}

// A namespace is defined once: who may enter, and what its events do. server.New mounts it.
func Example() {
	var store shelf

	orders := namespaces.New("/orders")

	orders.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if !s.Identity().Has("scope", "orders") {
			return namespaces.Forbidden("orders needs the orders scope")
		}
		s.Join("user:" + s.Identity().Subject)
		return nil
	})

	namespaces.On(orders, "order:create", func(ctx context.Context, s *namespaces.Socket, in NewOrder) (Order, error) {
		o, err := store.Create(ctx, in)
		if err != nil {
			return Order{}, err // the client's acknowledgement carries a code, the log the cause
		}
		s.To("desk").Emit("order:created", o)
		return o, nil
	})

	// What follows stands for a server and a client.
	gate := func(context.Context, *handshake.Request) (handshake.Identity, error) {
		return handshake.Identity{Subject: "ann", Scopes: []string{"orders"}}, nil
	}
	hub, err := namespaces.NewHub(namespaces.Config{Gate: namespaces.GateFunc(gate)}, orders)
	if err != nil {
		fmt.Println(err)
		return
	}
	wire := &conn{}
	client := hub.Connect(wire)
	client.Message(false, []byte(`0/orders,`))
	client.Message(false, []byte(`2/orders,7["order:create",{"item":"tea"}]`))
	client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
	if err := hub.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
}
