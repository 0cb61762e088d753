package namespaces

import (
	"context"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// Conn is what the hub needs of a connection. Its methods are safe for concurrent use, never block on the client, and never
// call back into the hub before they return: they are called with locks held.
type Conn interface {
	// Send queues a frame behind all that was sent before. It fails when the connection has ended.
	Send(f *packet.Frame) error
	// SendVolatile queues a frame unless the client is behind, and reports whether it did.
	SendVolatile(f *packet.Frame) bool
	// Close closes the transport after what was queued has gone out: a WebSocket close code (RFC 6455, section 7.4) and a
	// reason of at most 123 bytes. Closed follows, or has been called already.
	Close(code int, reason string)
	// Pause stops reading from the client, and the heartbeat's deadline with it; Resume goes on. What was read already may
	// still arrive.
	Pause()
	Resume()
	// Hold counts n more bytes that are kept of what the client sent, or fewer when n is negative. It reports false when there
	// is no room for them: the connection is then about to end, and they count until they are taken off.
	Hold(n int) bool
	// Admitted is called once, when the first namespace is about to admit the client: limits for strangers end.
	Admitted()
	// Identified is called for each admission, before its reply is queued: the client does not know of it yet, so nothing that
	// it does next overtakes the call. It may be called again for the same socket, or for one whose client is gone before it
	// is in. Of the socket it may read what is fixed: ID, Namespace and Identity.
	Identified(s *Socket)
	// ID names the connection where people may see it: the same for all its namespaces, and nothing that a client could use.
	ID() string
	// Transport is what the connection uses now, such as "polling" or "websocket".
	Transport() string
	// Context holds the values that the contexts of admission and handlers have; its end and its deadline are not theirs. nil:
	// none.
	Context() context.Context
	// Request describes the client, without Namespace and Auth. The result is not changed and may be nil.
	Request() *handshake.Request
}

// End is how a connection ended.
type End struct {
	// Reason is what disconnect handlers are told, in the words of Node's server: one of the Reason constants, or another
	// of the transport's own.
	Reason string
	// Cut says that the server ended the connection, or that what the client sent cannot be trusted: its events that still
	// wait are dropped. Otherwise the client went, and what it sent before is handled.
	Cut bool
	// Lost says that the transport broke, or was cut for being slow: the client is expected back, and where recovery is on
	// its sockets wait for it. Otherwise they end.
	Lost bool
}

// Gate tells who a client is. It is called concurrently. An error that is no *[handshake.Refusal] reaches the client as
// "unavailable". [handshake.Gate] is one. A Gate may also be a [Refresher] and a [Rechecker].
type Gate interface {
	Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error)
}

// GateFunc makes a function a [Gate]. It is that only: around a gate that is a [Refresher] or a [Rechecker] too, a type that
// embeds the gate keeps those. Without them a client cannot refresh its identity, and who is revoked is kept out by
// [Config.Rechecker] alone.
type GateFunc func(ctx context.Context, r *handshake.Request) (handshake.Identity, error)

// Check implements Gate.
func (f GateFunc) Check(ctx context.Context, r *handshake.Request) (handshake.Identity, error) {
	return f(ctx, r)
}

// Reasons for which a socket ends, in the words of Node's server. A connection may bring others, see [End].
const (
	ReasonClientDisconnect = "client namespace disconnect" // the client left the namespace
	ReasonServerDisconnect = "server namespace disconnect" // Socket.Disconnect
	ReasonTransportClose   = "transport close"
	ReasonTransportError   = "transport error"
	ReasonPingTimeout      = "ping timeout"
	ReasonParseError       = "parse error"         // what the client sent is no packet
	ReasonForcedServer     = "forced server close" // the server closed the transport: packets out of order, no namespace in time
	ReasonShutdown         = "server shutting down"
	ReasonExpired          = "token expired"                  // the identity ended and was not refreshed
	ReasonRevoked          = "revoked"                        // Hub.Revoke, or a refresh handler did not permit to stay
	ReasonReplaced         = "replaced by a newer connection" // Config.MaxPerUser
	ReasonRecovered        = "recovered"                      // its client has come back: another socket goes on with its id, rooms and data
	ReasonMoved            = "recovered on another node"      // the same, and that socket is on another node
)

// WebSocket close codes (RFC 6455, section 7.4.1).
const (
	closeNormal         = 1000
	closeGoingAway      = 1001
	closeProtocolError  = 1002
	closeInvalidPayload = 1007
	closePolicy         = 1008
	closeInternal       = 1011
	closeTryAgainLater  = 1013
)
