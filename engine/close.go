package engine

import (
	"errors"

	"gatehouse/engine/internal/rfc6455"
)

// Reason says why a session ended, in the words of Node's server where it has such
// a reason.
type Reason string

// Reasons of Close.
const (
	ReasonTransportClose Reason = "transport close" // the client or its network closed
	ReasonTransportError Reason = "transport error" // the client broke the protocol of its transport
	ReasonPingTimeout    Reason = "ping timeout"
	ReasonParseError     Reason = "parse error"
	ReasonForcedClose    Reason = "forced close" // Session.Close
	ReasonShutdown       Reason = "server shutting down"
	ReasonSlow           Reason = "slow consumer" // a limit of the outbox: see Cuts
	ReasonOverload       Reason = "overload"      // reading paused for too long
)

// Close tells a Handler how its session ended.
type Close struct {
	Reason Reason
	Err    error // what was seen, for logs; may be nil
}

// ErrClosed is returned by Session.Send when the session has ended.
var ErrClosed = errors.New("engine: session closed")

// WebSocket close codes (RFC 6455, section 7.4.1) that the engine sends.
const (
	CodeNormal         = 1000
	CodeGoingAway      = 1001
	CodeProtocolError  = 1002
	CodeInvalidPayload = 1007
	CodePolicy         = 1008
	CodeTooBig         = 1009
	CodeInternal       = 1011
	CodeServiceRestart = 1012
	CodeTryAgainLater  = 1013
)

// protocolError is a fault of the client with the close code that answers it.
type protocolError struct {
	code   int
	reason Reason
	text   string
}

func (e *protocolError) Error() string { return e.text }

var (
	errTooBig       = rfc6455.ErrTooBig
	errUTF8         = rfc6455.ErrUTF8
	errEmpty        = &protocolError{CodeInvalidPayload, ReasonParseError, "empty packet"}
	errUnknownType  = &protocolError{CodeInvalidPayload, ReasonParseError, "unknown packet type"}
	errDirection    = &protocolError{CodePolicy, ReasonTransportError, "invalid heartbeat direction"}
	errContentType  = &protocolError{CodePolicy, ReasonTransportError, "a POST of application/octet-stream"}
	errBase64       = &protocolError{CodeInvalidPayload, ReasonParseError, "invalid base64"}
	errPeerClosed   = &protocolError{CodeNormal, ReasonTransportClose, "closed by the client"}
	errNotPolling   = &protocolError{CodePolicy, ReasonTransportError, "the session does not poll"}
	errOverlapGET   = &protocolError{CodePolicy, ReasonTransportError, "overlap from client: a second GET while one is pending"}
	errOverlapPOST  = &protocolError{CodePolicy, ReasonTransportError, "overlap from client: a second POST while one is read"}
	errAbortedGET   = &protocolError{CodeGoingAway, ReasonTransportError, "poll connection closed prematurely"}
	errAbortedPOST  = &protocolError{CodeGoingAway, ReasonTransportError, "data request closed prematurely"}
	errOutboxFull   = &protocolError{CodePolicy, ReasonSlow, "outbox full"}
	errOutboxAge    = &protocolError{CodePolicy, ReasonSlow, "nothing taken from the outbox for too long"}
	errOutboxTotal  = &protocolError{CodePolicy, ReasonSlow, "all outboxes together are too large"}
	errIncoming     = &protocolError{CodeTryAgainLater, ReasonOverload, "too much is held of what the client has sent"}
	errEarly        = &protocolError{CodePolicy, ReasonOverload, "too much was sent before admission"}
	errControlBody  = &protocolError{CodeInvalidPayload, ReasonParseError, "a control packet with a body"}
	errTooSlow      = &protocolError{CodePolicy, ReasonTransportError, "a message was not complete in time"}
	errUpgradeOrder = &protocolError{CodePolicy, ReasonTransportError, "unexpected packet while probing"}
)

// faultOf returns err as a fault of the client. Any other error, such as one of the
// network, closes with CodeGoingAway.
func faultOf(err error) *protocolError {
	var fault *protocolError
	if errors.As(err, &fault) {
		return fault
	}
	var frame *rfc6455.Error
	if errors.As(err, &frame) {
		return &protocolError{frame.Code, ReasonTransportError, frame.Text}
	}
	return &protocolError{CodeGoingAway, ReasonTransportClose, err.Error()}
}
