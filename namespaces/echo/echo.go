// Package echo is a namespace that sends back what it gets: for trying out a client and for measuring round trips. It is
// written on the public API of package namespaces only, and is about the smallest namespace that does something.
package echo

import (
	"context"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// New defines the namespace "/echo". Its event "echo" acknowledges its arguments unchanged, binary ones included.
func New(opts ...namespaces.Option) *namespaces.Namespace {
	ns := namespaces.New("/echo", opts...)
	namespaces.On(ns, "echo", func(_ context.Context, _ *namespaces.Socket, args packet.Args) (packet.Args, error) {
		return args, nil
	})
	return ns
}
