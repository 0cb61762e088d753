package namespaces

import (
	"context"
	"fmt"
)

// Ask sends an event to one client and returns its answer: the first value of the acknowledgement, decoded as the argument of
// a handler is ([On]). With a packet.Args as T it is all values undecoded, with a [None] none is needed. Errors are those of
// [Socket.EmitAck]; an answer that does not fit T is one too.
func Ask[T any](ctx context.Context, s *Socket, event string, args ...any) (T, error) {
	answer, err := s.EmitAck(ctx, event, args...)
	if err != nil {
		var none T
		return none, err
	}
	v, err := arg[T](answer, 0)
	if err != nil {
		return v, fmt.Errorf("answer to %q: %w", event, causeOf(err)) // a bad request is the client's word, not for it
	}
	return v, nil
}
