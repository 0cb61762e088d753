package main

import (
	"context"
	"slices"

	"gatehouse/namespaces"
)

// said are the names of the events that went out to a socket.
var said namespaces.Key[[]string]

// handleSockets is what a server's socket can do besides.
func handleSockets(ns *namespaces.Namespace) {
	ns.OnOutgoing(func(e namespaces.Emitted) {
		if e.Socket != nil {
			names, _ := said.Get(e.Socket)
			said.Set(e.Socket, append(slices.Clip(names), e.Event))
		}
	})
	namespaces.On(ns, "7", func(_ context.Context, _ *namespaces.Socket, _ namespaces.None) (string, error) {
		return "seven", nil
	})
	namespaces.On(ns, "optional", func(_ context.Context, _ *namespaces.Socket, in *string) (bool, error) { return in == nil, nil })
	namespaces.On(ns, "transport", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (string, error) {
		return s.Transport(), nil
	})
	namespaces.On(ns, "devices", func(ctx context.Context, s *namespaces.Socket, text string) (int, error) {
		user := ns.User(s.Identity().Subject)
		n := 0
		for _, err := range user.Sockets(ctx) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, user.Emit("device", text)
	})
	namespaces.On(ns, "leave all", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) ([]string, error) {
		s.LeaveAll()
		return append([]string{}, sortedRooms(s)...), nil
	})
	namespaces.On(ns, "quietly", func(ctx context.Context, s *namespaces.Socket, text string) ([]string, error) {
		if err := s.Uncompressed().Emit("quiet", text); err != nil {
			return nil, err
		}
		err := s.EmitSent(ctx, "sent", text)
		names, _ := said.Get(s)
		return names, err
	})
}
