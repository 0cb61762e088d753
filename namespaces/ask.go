package namespaces

import (
	"context"
	"fmt"
)

// Ask sends an event to one client and returns its answer: the first value of the acknowledgement, decoded as the
// argument of a handler is ([On]). A packet.Args as T takes all values undecoded, a [None] needs none. Errors are those
// of [Socket.EmitAck]; an answer that does not fit T is an error too.
func Ask[T any](ctx context.Context, s *Socket, event string, args ...any) (T, error) {
	answer, err := s.EmitAck(ctx, event, args...)
	if err != nil {
		var none T
		return none, err
	}
	v, err := arg[T](answer, 0)
	if err != nil {
		return v, fmt.Errorf("answer to %q: %w", event, causeOf(err)) // the code bad_request would blame this client
	}
	return v, nil
}
