package namespaces_test

import (
	"context"
	"fmt"
	"testing"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// tag is a middleware that notes when an event passes it, on the way in and on the way out.
func tag(trace *[]string, name string) namespaces.Middleware {
	return func(next namespaces.EventFunc) namespaces.EventFunc {
		return func(ctx context.Context, s *namespaces.Socket, e namespaces.Event) (packet.Args, error) {
			*trace = append(*trace, name+">"+e.Name)
			reply, err := next(ctx, s, e)
			*trace = append(*trace, name+"<"+e.Name)
			return reply, err
		}
	}
}

func TestMiddlewareWrapsTheHandlersOfAllEvents(t *testing.T) {
	var trace []string
	ns := namespaces.New("/")
	ns.Use(tag(&trace, "a"))
	namespaces.On(ns, "known", func(context.Context, *namespaces.Socket, namespaces.None) (int, error) { return 1, nil })
	ns.OnOther(func(_ context.Context, _ *namespaces.Socket, e namespaces.Event) (packet.Args, error) {
		return packet.NewArgs("other " + e.Name)
	})
	ns.Use(tag(&trace, "b"))
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["known"]`, `22["made up"]`)
		p.expect("31[1]", `32["other made up"]`)
		if got, want := fmt.Sprint(trace), "[a>known b>known b<known a<known a>made up b>made up b<made up a<made up]"; got != want {
			t.Errorf("passed %s, want %s", got, want)
		}
	})
}

func TestMiddlewareMayChangeAnEventOrRefuseIt(t *testing.T) {
	ns := namespaces.New("/")
	ns.Use(func(next namespaces.EventFunc) namespaces.EventFunc {
		return func(ctx context.Context, s *namespaces.Socket, e namespaces.Event) (packet.Args, error) {
			var n int
			if err := e.Args.Decode(0, &n); err != nil || n < 0 {
				return packet.Args{}, namespaces.Forbidden("not below zero")
			}
			args, err := packet.NewArgs(n * 2)
			if err != nil {
				return packet.Args{}, err
			}
			e.Args = args
			return next(ctx, s, e)
		}
	})
	namespaces.On(ns, "n", func(_ context.Context, _ *namespaces.Socket, n int) (int, error) { return n, nil })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["n",4]`, `22["n",-1]`)
		p.expect("31[8]", `32[{"ok":false,"error":{"code":"forbidden","message":"not below zero"}}]`)
	})
}

// A client cannot reach the OnOther handler by a name that belongs to the server.
func TestReservedNamesReachNoHandler(t *testing.T) {
	ns := namespaces.New("/")
	reached := 0
	ns.OnOther(func(context.Context, *namespaces.Socket, namespaces.Event) (packet.Args, error) {
		reached++
		return packet.Args{}, nil
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`2["auth:revoked"]`, `2["auth:expiring"]`, `2["mine"]`)
		p.take()
		if reached != 1 {
			t.Errorf("%d events reached the handler, only one of them was the client's own", reached)
		}
	})
}
