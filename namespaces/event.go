package namespaces

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"gatehouse/packet"
)

// None is the In of events without arguments and the Out of handlers whose acknowledgement is {"ok": true}.
type None struct{}

// handler is a registered handler with its types taken away. It returns what the acknowledgement carries, encoded only if
// the client asked for one.
type handler func(ctx context.Context, s *Socket, args packet.Args, asked bool) (reply packet.Args, err error)

// On registers the handler of an event with one argument and a reply.
//
// In is what the argument is decoded into, by the rules of encoding/json; a []byte in it is a binary attachment. A
// packet.Args takes all arguments undecoded, a [None] takes none; otherwise an argument must be there, further ones are
// ignored. What cannot be decoded is answered with "bad_request".
//
// Out is what the acknowledgement carries when the client asked for one: one value; the values of a packet.Args; for None
// {"ok": true}. When the handler fails it carries {"ok": false, "error": {code, message}}: of an *[Error] or a
// *[handshake.Refusal] in the chain of the error, otherwise code "internal", and the log has the cause.
//
// Handlers of one socket are called one after another, of different sockets in parallel. ctx ends with the socket.
func On[In, Out any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, in In) (Out, error)) {
	ns.handle(event, func(ctx context.Context, s *Socket, args packet.Args, asked bool) (packet.Args, error) {
		in, err := arg[In](args, 0)
		if err != nil {
			return packet.Args{}, err
		}
		out, err := h(ctx, s, in)
		return reply(out, err, asked)
	})
}

// On2 is [On] for events with two arguments.
func On2[A, B, Out any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, a A, b B) (Out, error)) {
	ns.handle(event, func(ctx context.Context, s *Socket, args packet.Args, asked bool) (packet.Args, error) {
		a, errA := arg[A](args, 0)
		b, errB := arg[B](args, 1)
		if err := errors.Join(errA, errB); err != nil {
			return packet.Args{}, err
		}
		out, err := h(ctx, s, a, b)
		return reply(out, err, asked)
	})
}

// On3 is [On] for events with three arguments.
func On3[A, B, C, Out any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, a A, b B, c C) (Out, error)) {
	ns.handle(event, func(ctx context.Context, s *Socket, args packet.Args, asked bool) (packet.Args, error) {
		a, errA := arg[A](args, 0)
		b, errB := arg[B](args, 1)
		c, errC := arg[C](args, 2)
		if err := errors.Join(errA, errB, errC); err != nil {
			return packet.Args{}, err
		}
		out, err := h(ctx, s, a, b, c)
		return reply(out, err, asked)
	})
}

// Handle registers the handler of an event with one argument and no reply of its own: a client that asks for an
// acknowledgement learns that it was handled, {"ok": true}, or why not. Everything else is as with [On].
func Handle[In any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, in In) error) {
	On(ns, event, func(ctx context.Context, s *Socket, in In) (None, error) { return None{}, h(ctx, s, in) })
}

// Handle2 is [Handle] for events with two arguments.
func Handle2[A, B any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, a A, b B) error) {
	On2(ns, event, func(ctx context.Context, s *Socket, a A, b B) (None, error) { return None{}, h(ctx, s, a, b) })
}

// Handle3 is [Handle] for events with three arguments.
func Handle3[A, B, C any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, a A, b B, c C) error) {
	On3(ns, event, func(ctx context.Context, s *Socket, a A, b B, c C) (None, error) { return None{}, h(ctx, s, a, b, c) })
}

// handle registers a handler.
func (ns *Namespace) handle(event string, h handler) {
	ns.define()
	if err := CheckEvent(event); err != nil {
		ns.fault(err)
		return
	}
	if ns.handlers[event] != nil {
		ns.fault(fmt.Errorf("event %q has two handlers", event))
		return
	}
	ns.handlers[event] = h
}

// arg decodes argument i, or passes the arguments on undecoded to who wants them so.
func arg[T any](args packet.Args, i int) (v T, err error) {
	switch in := any(&v).(type) {
	case *packet.Args:
		*in = args
		return v, nil
	case *None:
		return v, nil
	}
	return decode[T](args, i)
}

// decode decodes argument i. It is apart from arg so that arguments that pass undecoded cost no memory.
func decode[T any](args packet.Args, i int) (v T, err error) {
	if err := args.Decode(i, &v); err != nil {
		message := fmt.Sprintf("Argument %d is not what this event takes.", i+1)
		if errors.Is(err, packet.ErrNoArgument) {
			message = fmt.Sprintf("Argument %d is missing.", i+1)
		}
		return v, &Error{Code: CodeBadRequest, Message: message, Cause: err}
	}
	return v, nil
}

// reply encodes what a handler returned.
func reply[Out any](out Out, err error, asked bool) (packet.Args, error) {
	if err != nil || !asked {
		return packet.Args{}, err
	}
	switch v := any(&out).(type) {
	case *packet.Args:
		return *v, nil
	case *None:
		return packet.NewArgs(success{OK: true})
	}
	return packet.NewArgs(out)
}

// handle runs the handler of one event and acknowledges it.
func (s *Socket) handle(ev *inbound) {
	h := s.ns.handlers[ev.name]
	var began time.Time
	if s.ns.observer() != nil {
		began = time.Now()
	}
	var reply packet.Args
	err := error(&Error{Code: CodeUnknownEvent, Message: "This namespace has no such event."})
	if h != nil {
		reply, err = s.call(h, ev)
	}
	if err != nil {
		s.logFailure(ev.name, err)
	}
	if ev.hasID && err != nil {
		reply = failed(err)
	}
	if ev.hasID {
		s.answer(ev.id, reply)
	}
	if o := s.ns.observer(); o != nil {
		name := ev.name
		if h == nil {
			name = ""
		}
		o.EventHandled(s, name, err, time.Since(began))
	}
}

// call runs a handler under recover.
func (s *Socket) call(h handler, ev *inbound) (reply packet.Args, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = s.ns.hub.caught(p, "handler", s.fields(zap.String("event", ev.name))...)
		}
	}()
	return h(s.context(), s, ev.args, ev.hasID)
}

// logFailure writes the cause of what the client is only told in a code. Failures that it was meant to read are its business.
func (s *Socket) logFailure(event string, err error) {
	if _, ok := known(err); ok || cancelled(err) {
		s.debug("event refused", zap.String("event", event), zap.Error(err))
		return
	}
	if !errors.Is(err, errPanic) {
		s.ns.hub.log.Error("event failed", s.fields(zap.String("event", event), zap.Error(err))...)
	}
}

// success and failure are acknowledgements.
type (
	success struct {
		OK bool `json:"ok"`
	}
	failure struct {
		OK    bool        `json:"ok"`
		Error failureCode `json:"error"`
	}
	failureCode struct {
		Code         string `json:"code"`
		Message      string `json:"message"`
		RetryAfterMs int64  `json:"retryAfterMs,omitempty"`
	}
)

// failed is the acknowledgement of an event that was not handled well.
func failed(err error) packet.Args {
	return failure{Error: codeOf(answerTo(err))}.args()
}

func codeOf(v verdict) failureCode {
	return failureCode{v.Code, v.Message, v.RetryAfter.Milliseconds()}
}

func (f failure) args() packet.Args {
	args, _ := packet.NewArgs(f) // strings and numbers: cannot fail
	return args
}

// answer sends an acknowledgement, behind what the handler emitted; to a socket that has ended there is nothing to say.
func (s *Socket) answer(id uint64, args packet.Args) { _ = s.deliver(s.ack(id, args), 0) }

// answerAhead sends an acknowledgement that has nothing to do with what handlers emit.
func (s *Socket) answerAhead(id uint64, args packet.Args) {
	p := s.ack(id, args)
	_ = s.send(packet.Encode(&p), 0)
}

func (s *Socket) ack(id uint64, args packet.Args) packet.Packet {
	return packet.Packet{Type: packet.Ack, Namespace: s.ns.name, ID: id, HasID: true, Args: args}
}
