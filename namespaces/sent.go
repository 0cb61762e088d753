package namespaces

import (
	"context"
	"fmt"
)

// EmitSent sends an event and waits until it has been written for the client: given to the operating system, or to the
// answer of a poll. Only an acknowledgement tells that it has arrived ([Socket.EmitAck]). It fails with ErrNotAdmitted
// during admission, ErrClosed when the socket ends before, and an error of ctx; ctx without a deadline gets
// [Config.AckTimeout].
func (s *Socket) EmitSent(ctx context.Context, event string, args ...any) error {
	p, err := s.ns.newEvent(event, args)
	if err != nil {
		return err
	}
	if !s.Connected() {
		return s.notOpen()
	}
	ctx, cancel := s.ns.deadline(ctx)
	defer cancel()
	sent := make(chan bool, 1)
	p.Sent = func(written bool) {
		select {
		case sent <- written:
		default: // told before
		}
	}
	if err := s.deliver(p, 0); err != nil {
		return fmt.Errorf("emit %q: %w", event, err)
	}
	select {
	case written := <-sent:
		if !written {
			err = ErrClosed
		}
	case <-s.context().Done():
		err = ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("await that %q is written: %w", event, err)
	}
	return nil
}

// notOpen is the error that says why a socket is not connected.
func (s *Socket) notOpen() error {
	if s.over() {
		return ErrClosed
	}
	return ErrNotAdmitted
}
