package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"gatehouse/namespaces"
	"gatehouse/namespaces/namespacestest"
	"gatehouse/packet"
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

// A namespace is defined once: who may enter, and what its events do. server.New mounts it; here a test client does.
func Example() {
	var store shelf

	orders := namespaces.New("/orders")

	orders.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if !s.Identity().Has("scope", "orders") {
			return namespaces.Forbidden("orders needs the orders scope")
		}
		return s.Join("desk")
	})

	namespaces.On(orders, "order:create", func(ctx context.Context, s *namespaces.Socket, in NewOrder) (Order, error) {
		o, err := store.Create(ctx, in)
		if err != nil {
			return Order{}, err // the client's acknowledgement carries a code, the log the cause
		}
		return o, s.To("desk").Emit("order:created", o)
	})

	t := new(example)
	defer t.end()
	h := namespacestest.Mount(t, orders)
	ann := h.Enter("/orders", namespacestest.As("ann", "orders"))
	bob := h.Enter("/orders", namespacestest.As("bob", "orders"))
	fmt.Println(namespacestest.Ask[Order](ann, "order:create", NewOrder{Item: "tea"}))
	fmt.Printf("%s\n", bob.Expect("order:created").Args.Raw(0))
	_, err := h.Try("/orders", namespacestest.As("eve"))
	fmt.Println(err)
	// Output:
	// {1 tea}
	// {"id":1,"item":"tea"}
	// orders needs the orders scope {"code":"forbidden"}
}

// A handler may ask its own client, and waits for the answer no longer than its context.
func ExampleAsk() {
	ns := namespaces.New("/")
	namespaces.On(ns, "delete", func(ctx context.Context, s *namespaces.Socket, file string) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		sure, err := namespaces.Ask[bool](ctx, s, "sure?", file)
		if err != nil || !sure {
			return "kept", err
		}
		return "deleted", nil
	})

	t := new(example)
	defer t.end()
	ann := namespacestest.Mount(t, ns).Enter("/", namespacestest.As("ann"))
	go func() { ann.Expect("sure?").Answer(true) }()
	fmt.Println(namespacestest.Ask[string](ann, "delete", "notes.txt"))
	// Output: deleted
}

// Packages that share a socket keep their values under keys of their own.
func ExampleKey() {
	var seat namespaces.Key[int]
	ns := namespaces.New("/")
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { seat.Set(s, 12) })
	namespaces.On(ns, "seat", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (int, error) {
		n, _ := seat.Get(s)
		return n, nil
	})

	t := new(example)
	defer t.end()
	fmt.Println(namespacestest.Ask[int](namespacestest.Mount(t, ns).Enter("/", namespacestest.As("ann")), "seat"))
	// Output: 12
}

// A user is reached on all devices, and on all nodes of a cluster.
func ExampleNamespace_User() {
	ns := namespaces.New("/")
	namespaces.Handle(ns, "pay", func(_ context.Context, s *namespaces.Socket, amount int) error {
		return ns.User(s.Identity().Subject).Emit("paid", amount)
	})

	t := new(example)
	defer t.end()
	h := namespacestest.Mount(t, ns)
	phone, desk := h.Enter("/", namespacestest.As("ann")), h.Enter("/", namespacestest.As("ann"))
	phone.Ask("pay", 12)
	var amount int
	desk.Expect("paid").Decode(&amount)
	fmt.Println(amount)
	// Output: 12
}

// A middleware wraps the handlers of all events.
func ExampleNamespace_Use() {
	ns := namespaces.New("/")
	ns.Use(func(next namespaces.EventFunc) namespaces.EventFunc {
		return func(ctx context.Context, s *namespaces.Socket, e namespaces.Event) (packet.Args, error) {
			if !s.Identity().Has("scope", e.Name) {
				return packet.Args{}, namespaces.Forbidden("You may not " + e.Name + ".")
			}
			return next(ctx, s, e)
		}
	})
	namespaces.Handle(ns, "write", func(context.Context, *namespaces.Socket, namespaces.None) error { return nil })

	t := new(example)
	defer t.end()
	h := namespacestest.MountWith(t, namespaces.Config{Logger: slog.New(slog.DiscardHandler)}, ns)
	fmt.Printf("%s\n", h.Enter("/", namespacestest.As("ann", "write")).Ask("write").Raw(0))
	fmt.Printf("%s\n", h.Enter("/", namespacestest.As("bob")).Ask("write").Raw(0))
	// Output:
	// {"ok":true}
	// {"ok":false,"error":{"code":"forbidden","message":"You may not write."}}
}

// example stands for the *testing.T that tests have.
type example struct{ ends []func() }

func (*example) Helper()                           {}
func (*example) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (*example) Fatal(args ...any)                 { log.Fatal(args...) }
func (*example) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (e *example) Cleanup(f func())                { e.ends = append(e.ends, f) }

func (e *example) end() {
	for _, f := range e.ends {
		f()
	}
}
