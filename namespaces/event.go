package namespaces

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// None is the In of events without arguments and the Out of handlers whose acknowledgement is {"ok": true}.
type None struct{}

// Event is one event of a client.
type Event struct {
	Name  string
	Args  packet.Args
	Asked bool // the client asked for an acknowledgement

	id uint64 // of the acknowledgement
}

// EventFunc handles an event, whatever its types. It returns the arguments of the acknowledgement, if the client asked for
// one, or an error that the acknowledgement carries instead. With [ErrUnanswered] there is none.
type EventFunc func(ctx context.Context, s *Socket, e Event) (packet.Args, error)

// On registers the handler of an event with one argument and a reply.
//
// The argument is decoded into In, by the rules of encoding/json; a []byte in it is a binary attachment. A packet.Args
// takes all arguments undecoded, a [None] takes none. Otherwise the argument must be there, unless In is a pointer:
// that is nil when the client left the argument out or sent null. Further arguments are ignored. An argument that
// cannot be decoded is answered with "bad_request"; the log names the field, and so does the answer in development.
//
// When the client asked for an acknowledgement, it carries Out: one value; the values of a packet.Args; for None {"ok":
// true}. When the handler fails it carries {"ok": false, "error": {code, message}}: from an *[Error] or a
// *[handshake.Refusal] in the chain of the error, otherwise with the code "internal"; the log has the cause.
//
// An error that wraps [ErrUnanswered] leaves the client without an acknowledgement; see also [OnLater].
//
// Handlers of one socket are called one after another, of different sockets in parallel. ctx ends with the socket.
func On[In, Out any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, in In) (Out, error)) {
	ns.take(event, taken[Out](argTypes[In]()), false)
	ns.register(event, func(ctx context.Context, s *Socket, e Event) (packet.Args, error) {
		in, err := arg[In](e.Args, 0)
		if err != nil {
			return packet.Args{}, err
		}
		out, err := h(ctx, s, in)
		return reply(out, err, e.Asked)
	})
}

// On2 is [On] for events with two arguments.
func On2[A, B, Out any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, a A, b B) (Out, error)) {
	ns.take(event, taken[Out](slices.Concat(argTypes[A](), argTypes[B]())), false)
	ns.register(event, func(ctx context.Context, s *Socket, e Event) (packet.Args, error) {
		a, errA := arg[A](e.Args, 0)
		b, errB := arg[B](e.Args, 1)
		if err := errors.Join(errA, errB); err != nil {
			return packet.Args{}, err
		}
		out, err := h(ctx, s, a, b)
		return reply(out, err, e.Asked)
	})
}

// On3 is [On] for events with three arguments.
func On3[A, B, C, Out any](ns *Namespace, event string, h func(ctx context.Context, s *Socket, a A, b B, c C) (Out, error)) {
	ns.take(event, taken[Out](slices.Concat(argTypes[A](), argTypes[B](), argTypes[C]())), false)
	ns.register(event, func(ctx context.Context, s *Socket, e Event) (packet.Args, error) {
		a, errA := arg[A](e.Args, 0)
		b, errB := arg[B](e.Args, 1)
		c, errC := arg[C](e.Args, 2)
		if err := errors.Join(errA, errB, errC); err != nil {
			return packet.Args{}, err
		}
		out, err := h(ctx, s, a, b, c)
		return reply(out, err, e.Asked)
	})
}

// Handle registers the handler of an event with one argument and no reply of its own: a client that asks for an
// acknowledgement learns that the event was handled, {"ok": true}, or why it was not. Everything else is as with [On].
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

// register registers a handler.
func (ns *Namespace) register(event string, h EventFunc) {
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

// arg decodes argument i, or returns the arguments undecoded for a handler of packet.Args.
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
	err = args.Decode(i, &v)
	switch {
	case err == nil:
		return v, nil
	case !errors.Is(err, packet.ErrNoArgument):
		return v, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("Argument %d is not what this event takes.", i+1), Cause: &argumentError{err}}
	case reflect.TypeFor[T]().Kind() == reflect.Pointer:
		return v, nil // it may be left out
	}
	return v, &Error{Code: CodeBadRequest, Message: fmt.Sprintf("Argument %d is missing.", i+1), Cause: &argumentError{err}}
}

// argumentError says what is wrong with an argument of a client: which field, and what it should be.
type argumentError struct{ err error }

func (e *argumentError) Error() string { return e.err.Error() }
func (e *argumentError) Unwrap() error { return e.err }

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

// serve runs the handler of one event and acknowledges it.
func (s *Socket) serve(ev *inbound) {
	h, label := s.ns.handlerOf(ev.name)
	var began time.Time
	if len(s.ns.hooks.handled) > 0 {
		began = time.Now()
	}
	ctx, done := s.begin(h, ev)
	reply, err := s.call(ctx, h, ev)
	answered := ev.hasID
	switch {
	case h == nil:
		answered = answered && s.ns.hub.answersUnknown(ev.name)
	case errors.Is(err, ErrUnanswered):
		answered, err = false, nil
	}
	done(err)
	if err != nil {
		s.logFailure(ev.name, err)
	}
	if answered && err != nil {
		reply = s.ns.hub.failed(err)
	}
	if len(s.ns.hooks.handled) > 0 {
		s.ns.hooks.eventHandled(s, Handled{Event: label, Err: err, Took: time.Since(began), Name: ev.name, Args: ev.args})
	}
	if answered {
		_ = s.answer(ev.id, reply) // a socket that has ended gets no answer
	}
	if ev.args.Size() > largeBytes || reply.Size() > largeBytes {
		runtime.Gosched()
	}
}

// largeBytes is a size of arguments above which an event takes the processor for a millisecond or so: its goroutine
// then yields to others first, which Go's scheduler would force only after ten.
const largeBytes = 32 << 10

// begin tells the hooks that a handler is about to be called.
func (s *Socket) begin(h EventFunc, ev *inbound) (ctx context.Context, done func(error)) {
	if h == nil {
		return s.context(), nothing
	}
	return s.ns.hooks.event(s.context(), s, ev.event())
}

// event is what a handler gets.
func (ev *inbound) event() Event {
	return Event{Name: ev.name, Args: ev.args, Asked: ev.hasID, id: ev.id}
}

// call runs a handler under recover.
func (s *Socket) call(ctx context.Context, h EventFunc, ev *inbound) (reply packet.Args, err error) {
	if h == nil {
		return packet.Args{}, &Error{Code: CodeUnknownEvent, Message: "This namespace has no such event."}
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.ns.hub.caught(p, "handler", s.fields(slog.String("event", ev.name))...)
		}
	}()
	return h(ctx, s, ev.event())
}

// answersUnknown reports whether an event without a handler is acknowledged with an error. An event of the session's
// life always is: its sender does not wait for a handler of the application.
func (h *Hub) answersUnknown(event string) bool {
	return h.limits().AnswerUnknownEvents || strings.HasPrefix(event, reservedPrefix)
}

// logFailure logs why an event failed. A failure meant for the client is logged only if the handler named a cause.
func (s *Socket) logFailure(event string, err error) {
	level, message := slog.LevelError, "event failed"
	v, ok := publicError(err)
	var argument *argumentError
	switch {
	case errors.Is(err, errPanic):
		return // logged with its stack
	case cancelled(err):
		level, message = slog.LevelDebug, "event refused"
	case Failed(err):
	case v.Code == CodeUnknownEvent || errors.As(err, &argument):
		level, message = s.ns.hub.mistakes(), "event refused"
	case causeOf(err) != nil:
		level, message = slog.LevelWarn, "event refused"
	case ok:
		level, message = slog.LevelDebug, "event refused"
	}
	s.sample(level, message, slog.String("event", event), slog.Any("error", err), causeAttr(err))
}

// mistakes is the log level of a client's mistakes: a warning in development, where the log's reader writes the client.
func (h *Hub) mistakes() slog.Level {
	if h.cfg.Development {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// success and failure are acknowledgements.
type (
	success struct {
		OK bool `json:"ok" typed:"true"`
	}
	failure struct {
		OK    bool        `json:"ok" typed:"false"`
		Error failureCode `json:"error"`
	}
	failureCode struct {
		Code         handshake.Code  `json:"code"`
		Message      string          `json:"message"`
		RetryAfterMs int64           `json:"retryAfterMs,omitempty"`
		Data         json.RawMessage `json:"data,omitempty"`
	}
)

// failed is the acknowledgement of an event that was not handled well. In development it says which argument was wrong.
func (h *Hub) failed(err error) packet.Args {
	v := answerTo(err)
	var argument *argumentError
	if h.cfg.Development && errors.As(err, &argument) {
		v.Message += " (" + argument.Error() + ")"
	}
	return failure{Error: codeOf(v)}.args()
}

func codeOf(v verdict) failureCode {
	return failureCode{v.Code, v.Message, v.RetryAfter.Milliseconds(), dataOf(v)}
}

func (f failure) args() packet.Args {
	args, _ := packet.NewArgs(f) // strings, numbers and JSON: cannot fail
	return args
}

// answer sends an acknowledgement, after the events that the handler has emitted.
func (s *Socket) answer(id uint64, args packet.Args) error { return s.deliver(s.ack(id, args), 0) }

// answerAhead sends an acknowledgement that need not wait for the events that handlers emit.
func (s *Socket) answerAhead(id uint64, args packet.Args) {
	p := s.ack(id, args)
	_ = s.sendPacket(&p, 0)
}

func (s *Socket) ack(id uint64, args packet.Args) packet.Packet {
	return packet.Packet{Type: packet.Ack, Namespace: s.ns.name, ID: id, HasID: true, Args: args}
}
