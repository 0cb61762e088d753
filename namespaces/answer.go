package namespaces

import (
	"context"
	"sync/atomic"

	"gatehouse/packet"
)

// Answer is an acknowledgement that can be given at any time, like the callback of Node's server. Its methods are safe
// for concurrent use.
type Answer struct {
	socket *Socket
	id     uint64
	asked  bool
	given  atomic.Bool
}

// Asked reports whether the client waits for an acknowledgement.
func (a *Answer) Asked() bool { return a.asked }

// Give sends the acknowledgement with the values, which are encoded as those of an emit. It returns ErrAnswered when one was
// sent before, ErrClosed when the socket has ended, and an error when a value cannot be encoded. When the client asked for
// none, nothing is sent.
func (a *Answer) Give(values ...any) error {
	args, err := packet.NewArgs(values...)
	if err != nil {
		return err
	}
	return a.send(args)
}

// Fail gives the acknowledgement that a handler gives by returning err.
func (a *Answer) Fail(err error) error {
	return a.send(a.socket.ns.hub.failed(err))
}

func (a *Answer) send(args packet.Args) error {
	if a.given.Swap(true) {
		return ErrAnswered
	}
	if !a.asked {
		return nil
	}
	return a.socket.answer(a.id, args)
}

// Later returns the acknowledgement of an event, which can then be given at any time. The [EventFunc] that calls it
// must return [ErrUnanswered].
func (e Event) Later(s *Socket) *Answer { return &Answer{socket: s, id: e.id, asked: e.Asked} }

// OnLater registers the handler of an event that is answered later, from any goroutine, or never: the client then waits
// until its own timeout. Its next event is handled when the handler has returned, answered or not. An error that the
// handler returns is answered as with [On], unless an answer was given. In is what it is for [On].
func OnLater[In any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, in In, answer *Answer) error) {
	ns.take(event, taken[any](argTypes[In]()), false)
	ns.register(event, func(ctx context.Context, s *Socket, e Event) (packet.Args, error) {
		in, err := arg[In](e.Args, 0)
		if err != nil {
			return packet.Args{}, err
		}
		answer := e.Later(s)
		if err := h(ctx, s, in, answer); err != nil && !answer.given.Swap(true) {
			return packet.Args{}, err
		}
		return packet.Args{}, ErrUnanswered
	})
}
