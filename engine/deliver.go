package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
	"gatehouse/internal/limit"
)

// receive handles one packet: kind is its type, text or binary data its body.
// in is held.
func (s *Session) receive(kind byte, data []byte) error {
	if s.current() != stateOpen {
		return nil
	}
	if err := s.spend(1); err != nil {
		return err
	}
	if kind != typeMessage && kind != typeBinary && len(data) > 0 && string(data) != "probe" {
		return errControlBody
	}
	s.beatHeard(kind)
	switch kind {
	case typeMessage, typeBinary:
		if len(data) > rfc6455.LongMessage {
			defer s.srv.enterLong(s.incoming.Owner(), !s.stranger())()
		}
		s.deliver(kind == typeBinary, data)
		return nil
	case typePong:
		return nil
	case typePing:
		return errDirection
	case typeClose:
		return errPeerClosed
	case typeOpen, typeUpgrade, typeNoop:
		return nil // known, and ignored from a client, as in Node
	default:
		return errUnknownType
	}
}

// enterLong waits for one of the places for messages that take long to handle, and
// returns the function that gives the place back. There are places for half the
// processors, so that short messages find one. Users take turns, and strangers give way
// to them.
func (srv *Server) enterLong(owner budget.Owner, known bool) (leave func()) {
	leave, err := srv.long.Enter(context.Background(), owner, known)
	if err != nil {
		return func() {} // not possible: this queue has no limits
	}
	return leave
}

func newLongQueue() *limit.Queue[budget.Owner] {
	return limit.NewQueue[budget.Owner](limit.QueueConfig{Places: longPlaces(), PerKey: longPlaces(), Waiting: math.MaxInt})
}

// longPlaces is how many messages that take long are handled at a time.
func longPlaces() int { return max(runtime.GOMAXPROCS(0)/2, 1) }

func (s *Session) deliver(binary bool, data []byte) {
	defer s.recovered("message")
	s.handler.Message(binary, data)
}

// recovered keeps a panic of the handler from the other sessions; the session
// itself cannot be trusted any more.
func (s *Session) recovered(doing string) {
	if p := recover(); p != nil {
		s.srv.cfg.Logger.Error("panic in an engine handler",
			slog.String("doing", doing), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		s.closeWith(Close{Reason: ReasonForcedClose, Err: fmt.Errorf("panic: %v", p)},
			closePacket{code: CodeInternal, text: "internal error"}, true)
	}
}
