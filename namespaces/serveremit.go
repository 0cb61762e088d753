package namespaces

import (
	"context"
	"fmt"

	"gatehouse/packet"
)

// ServerFunc handles an event of another node. Its result reaches the sender, if that has asked for answers. Of an
// error the sender gets the public part of an *[Error], otherwise "internal". It is called concurrently.
type ServerFunc func(ctx context.Context, args packet.Args) (packet.Args, error)

// OnServer registers the handler of an event that other nodes send with [Namespace.ServerEmit].
func (ns *Namespace) OnServer(event string, h ServerFunc) {
	ns.define()
	if err := CheckEvent(event); err != nil {
		ns.fault(err)
		return
	}
	if ns.serving[event] != nil {
		ns.fault(fmt.Errorf("event %q of other nodes has two handlers", event))
		return
	}
	if ns.serving == nil {
		ns.serving = make(map[string]ServerFunc)
	}
	ns.serving[event] = h
}

// ServerEmit sends an event to this namespace on all other nodes, not to their clients (Node's serverSideEmit). Like a
// broadcast it only queues; on a single node it does nothing.
func (ns *Namespace) ServerEmit(event string, args ...any) error {
	p, err := ns.newEvent(event, args)
	if err != nil {
		return err
	}
	return ns.adapter.ServerEmit(context.Background(), event, p.Args, nil)
}

// ServerEmitAck is [Namespace.ServerEmit] with an answer of each other node; ctx without a deadline gets
// [Config.AckTimeout]. An error of ctx, or a *[LostNodes], comes with the answers that have arrived by then.
func (ns *Namespace) ServerEmitAck(ctx context.Context, event string, args ...any) (Answers, error) {
	p, err := ns.newEvent(event, args)
	if err != nil {
		return Answers{}, err
	}
	ctx, cancel := ns.deadline(ctx)
	defer cancel()
	var c collector
	err = ns.adapter.ServerEmit(ctx, event, p.Args, &c)
	return c.answers(), err
}

// Serve calls the handler of an event that another node has sent, and returns the handler's answer. A panic of the
// handler is logged and returned as an error, and so is an event without a handler.
func (l Local) Serve(ctx context.Context, event string, args packet.Args) (answer packet.Args, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = l.ns.hub.caught(p, "handler of another node's event")
		}
	}()
	h := l.ns.serving[event]
	if h == nil {
		return packet.Args{}, &Error{Code: CodeUnknownEvent, Message: "This namespace has no such event."}
	}
	return h(ctx, args)
}
