package engine

import (
	"fmt"
	"log/slog"
	"runtime/debug"
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
		s.deliver(kind == typeBinary, data)
		return nil
	case typePong:
		return nil
	case typePing:
		return errDirection
	case typeClose:
		return errPeerClosed
	case typeOpen, typeUpgrade, typeNoop:
		return nil // as Node: known, and without meaning from a client here
	default:
		return errUnknownType
	}
}

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
