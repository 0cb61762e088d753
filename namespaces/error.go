package namespaces

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"gatehouse/handshake"
)

// Codes of the errors of this package. Handlers may answer with codes of their own besides.
const (
	CodeInternal     = "internal"      // the handler failed; the log says why
	CodeUnknownEvent = "unknown_event" // the namespace has no such event
	CodeBadRequest   = "bad_request"   // the arguments do not fit the event
	CodeForbidden    = "forbidden"     // known, but not here
)

// Error is a failure that the client is told about: code, message and data are sent in the acknowledgement as {ok:
// false, error: {code, message, data}}, or in CONNECT_ERROR when admission returns the error. The cause goes to the log
// only.
type Error = handshake.Refusal

// Forbidden is the refusal of somebody who is known but not allowed here.
func Forbidden(message string) error { return &Error{Code: CodeForbidden, Message: message} }

// BadRequest is the refusal of arguments; the message says which and why.
func BadRequest(message string) error { return &Error{Code: CodeBadRequest, Message: message} }

// Errors of the methods of sockets and namespaces.
var (
	ErrClosed       = errors.New("namespaces: socket has ended")
	ErrNotAdmitted  = errors.New("namespaces: socket is not admitted yet")
	ErrTooManyRooms = errors.New("namespaces: socket is in too many rooms")
	ErrRoomName     = errors.New("namespaces: room name is empty, too long or reserved")
	ErrTooManyNames = errors.New("namespaces: the operation names too many rooms and sockets for one message to the other nodes")
	ErrReservedName = errors.New("namespaces: event name is empty or reserved")
	ErrHubClosed    = errors.New("namespaces: hub is closed")
	ErrNotMounted   = errors.New("namespaces: namespace is not mounted by a hub")
	ErrAnswered     = errors.New("namespaces: event is answered already")
)

// ErrUnanswered is returned by a handler whose client gets no acknowledgement, although it asked for one.
var ErrUnanswered = errors.New("namespaces: event stays unanswered")

// errPanic is the cause when a handler panicked; the log has the stack.
var errPanic = errors.New("panic")

// Failed reports whether an error means that the server could not do what it was asked, in contrast to a refusal that was
// meant for the client.
func Failed(err error) bool {
	if err == nil || errors.Is(err, ErrUnanswered) {
		return false
	}
	v, ok := publicError(err)
	return !ok || v.Code == CodeInternal || v.Code == handshake.CodeUnavailable
}

// causeOf returns what an error keeps for the log, or nil.
func causeOf(err error) error {
	var failure *Error
	if errors.As(err, &failure) {
		return failure.Cause
	}
	return nil
}

// verdict is the part of an error that a client is told. It has no cause.
type verdict = handshake.Refusal

// publicError returns the part of an error that the client may read, and whether the error was meant for the client.
func publicError(err error) (verdict, bool) {
	var failure *Error
	if !errors.As(err, &failure) {
		return verdict{}, false
	}
	return verdict{Code: failure.Code, Message: failure.Message, RetryAfter: failure.RetryAfter, Data: failure.Data}, true
}

// dataOf encodes the data of a verdict; nil when there is none, or when it cannot be encoded.
func dataOf(v verdict) (raw json.RawMessage) {
	if v.Data == nil {
		return nil
	}
	defer func() {
		if recover() != nil { // in a method of the application
			raw = nil
		}
	}()
	raw, err := json.Marshal(v.Data)
	if err != nil {
		return nil
	}
	return raw
}

// answerTo returns the acknowledgement for an error of a handler.
func answerTo(err error) verdict {
	if v, ok := publicError(err); ok {
		return v
	}
	return verdict{Code: CodeInternal, Message: "The server could not handle this event."}
}

// refusalFor returns the CONNECT_ERROR for an error of an admission. For an error that is no refusal it tells the client to
// try again.
func refusalFor(err error) verdict {
	if v, ok := publicError(err); ok {
		return v
	}
	const soon = time.Second
	return verdict{Code: handshake.CodeUnavailable, Message: "The server cannot admit anybody right now; try again in a moment.", RetryAfter: soon}
}

// cancelled reports whether an error only says that the socket has ended.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, ErrClosed)
}
