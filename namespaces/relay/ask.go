package relay

import (
	"context"
	"errors"
	"fmt"

	"gatehouse/backend"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// event describes a socket to the back end.
func (r *Relay) event(s *namespaces.Socket, what backend.Type) backend.Event {
	return backend.Event{
		Type: what, Namespace: s.Namespace().Name(), Socket: s.ID(),
		User: backend.UserOf(s.Identity()), Rooms: visible(s),
	}
}

// askConnect lets the back end refuse an admission.
func (r *Relay) askConnect(ctx context.Context, s *namespaces.Socket, client *backend.Client) error {
	event := r.event(s, backend.Connect)
	if s.Identity().Method == handshake.MethodAnonymous {
		event.Auth = s.Request().Auth
	}
	answer, err := client.Ask(ctx, event)
	if err != nil {
		return r.noAnswer(err)
	}
	if answer.Error != nil {
		return &namespaces.Error{Code: handshake.Code(answer.Error.Code), Message: answer.Error.Message}
	}
	emits, err := emitsOf(ctx, s.Namespace(), s, answer)
	if err == nil {
		answer.Emit, memberOf(s).greetings = nil, emits // before the CONNECT reply nothing reaches the socket
		err = r.carryOut(ctx, s, answer, false)
	}
	if err != nil {
		return r.noAnswer(err)
	}
	return nil
}

// askEvent lets the back end handle an event.
func (r *Relay) askEvent(ctx context.Context, s *namespaces.Socket, e namespaces.Event, client *backend.Client) (packet.Args, error) {
	event := r.event(s, backend.ClientEvent)
	event.Event, event.ExpectsAck, event.Attachments = e.Name, e.Asked, e.Args.Attachments()
	for i := range e.Args.Len() {
		event.Args = append(event.Args, e.Args.Raw(i))
	}
	answer, err := client.Ask(ctx, event)
	if err != nil {
		return packet.Args{}, r.noAnswer(err)
	}
	ack, err := packet.ParseArgs(answer.Ack, answer.Attachments, packet.Limits{})
	if err != nil { // before any part of the answer is carried out
		return packet.Args{}, r.noAnswer(fmt.Errorf("ack: %w", err))
	}
	if err := r.carryOut(ctx, s, answer, true); err != nil {
		return packet.Args{}, r.noAnswer(err)
	}
	err = give(e.Later(s), answer, ack)
	if answer.Disconnect {
		s.Disconnect(false)
	}
	if err != nil {
		return packet.Args{}, r.noAnswer(err)
	}
	return packet.Args{}, namespaces.ErrUnanswered
}

// give acknowledges the event with the back end's answer.
func give(later *namespaces.Answer, answer backend.Answer, ack packet.Args) error {
	var err error
	switch {
	case !later.Asked():
	case answer.Error != nil:
		err = later.Fail(&namespaces.Error{Code: handshake.Code(answer.Error.Code), Message: answer.Error.Message})
	case answer.Ack == nil:
		err = later.Give(map[string]bool{"ok": true})
	default:
		err = later.Give(ack)
	}
	if errors.Is(err, namespaces.ErrClosed) {
		return nil // the client has gone meanwhile
	}
	return err
}

// carryOut does what an answer says, all of it or, when something in it is wrong,
// nothing. Its acknowledgement is the caller's.
func (r *Relay) carryOut(ctx context.Context, s *namespaces.Socket, a backend.Answer, admitted bool) error {
	emits, err := emitsOf(ctx, s.Namespace(), s, a)
	if err != nil {
		return err
	}
	var join []string
	for _, name := range a.Join {
		name, err := canonical(name)
		if err != nil {
			return err
		}
		join = append(join, name)
	}
	for _, name := range a.Leave {
		r.leaveRoom(ctx, s, name)
	}
	if err := r.enter(ctx, s, join, admitted); err != nil && !errors.Is(err, namespaces.ErrClosed) {
		return err
	}
	for _, emit := range emits {
		if err := emit(); err != nil {
			return err
		}
	}
	return nil
}

// emitsOf returns what an answer emits, on behalf of a socket unless s is nil.
func emitsOf(ctx context.Context, ns *namespaces.Namespace, by *namespaces.Socket, a backend.Answer) ([]func() error, error) {
	emits := make([]func() error, len(a.Emit))
	for i, e := range a.Emit {
		to, args, err := target(ns, e)
		if err != nil {
			return nil, err
		}
		if to = to.Within(ctx); by != nil {
			to = to.By(by)
		}
		emits[i] = func() error { return to.Emit(e.Event, args) }
	}
	return emits, nil
}

// answered sends what a back end has answered to a notice: all of it or, when something in it is wrong, nothing.
func (r *Relay) answered(ctx context.Context, ns *namespaces.Namespace) func(backend.Answer) {
	return func(a backend.Answer) {
		emits, err := emitsOf(ctx, ns, nil, a)
		for i := 0; err == nil && i < len(emits); i++ {
			err = emits[i]()
		}
		if err != nil && !errors.Is(err, namespaces.ErrHubClosed) {
			r.log.Error("the answer of the back end is not carried out", "namespace", ns.Name(), "cause", err)
		}
	}
}

// enter joins rooms. During an admission they are counted when it ends.
func (r *Relay) enter(ctx context.Context, s *namespaces.Socket, rooms []string, admitted bool) error {
	if len(rooms) == 0 {
		return nil
	}
	if !admitted && s.Recovered() {
		m := memberOf(s)
		m.later = append(m.later, rooms...)
		return nil
	}
	if !admitted {
		return s.Join(rooms...)
	}
	return r.joinRoom(ctx, s, rooms...)
}

// target returns the receivers and the arguments of a back end's emit. The error says what is wrong with the emit.
func target(ns *namespaces.Namespace, e backend.Emit) (namespaces.Broadcast, packet.Args, error) {
	var to namespaces.Broadcast
	if err := namespaces.CheckEvent(e.Event); err != nil {
		return to, packet.Args{}, err
	}
	args, err := packet.ParseArgs(e.Args, e.Attachments, packet.Limits{})
	if err != nil {
		return to, args, err
	}
	switch {
	case e.User != "":
		to = ns.In(hiddenRoom(e.User))
	case e.Socket != "":
		to = ns.In(e.Socket)
	default:
		room, err := canonical(e.To)
		if err != nil && !likeSocketID(e.To) {
			return to, args, err
		}
		to = ns.In(room)
	}
	if len(e.Except) > 0 {
		to = to.Except(e.Except...)
	}
	if e.Volatile {
		to = to.Volatile()
	}
	return to, args, nil
}

// noAnswer is the error for a client when the back end gave no answer, or one that cannot be carried out.
func (r *Relay) noAnswer(err error) error {
	var unavailable *backend.Unavailable
	if errors.As(err, &unavailable) {
		return &handshake.Refusal{Code: handshake.CodeUnavailable, Message: "This does not work right now; try again in a moment.", RetryAfter: unavailable.RetryAfter, Cause: unavailable.Cause}
	}
	return &namespaces.Error{Code: namespaces.CodeInternal, Message: "Something went wrong.", Cause: err}
}
