package main

import (
	"context"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// greeter speaks first: its connect handler asks the client before it takes any event.
func greeter() *namespaces.Namespace {
	ns := namespaces.New("/greeter")
	handleEcho(ns)
	ns.OnConnect(func(ctx context.Context, s *namespaces.Socket) {
		_ = s.Emit("welcome", s.Identity().Subject)
		answer, err := ask(ctx, s, "hello", "who is there?")
		if err == nil {
			_ = s.Emit("greeted", answer)
		}
	})
	return ns
}

// guarded admits who has the scope "lab".
func guarded() *namespaces.Namespace {
	ns := namespaces.New("/guarded")
	handleEcho(ns)
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if s.Identity().Subject == "debtor" {
			return &namespaces.Error{Code: "unpaid", Message: "pay first", Data: map[string]any{"due": 12, "to": []string{"lab"}}}
		}
		if !s.Identity().Has("scope", "lab") {
			return namespaces.Forbidden("the lab scope is needed")
		}
		return nil
	})
	return ns
}

func handleEcho(ns *namespaces.Namespace) {
	namespaces.On(ns, "echo", func(_ context.Context, _ *namespaces.Socket, in packet.Args) (packet.Args, error) {
		return in, nil
	})
}
