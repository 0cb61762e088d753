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
	// Pause stops reading from the client, and the heartbeat's deadline with it; Resume goes on. Messages that were read
	// already may still arrive.
	Pause()
	Resume()
	// Hold counts n more bytes that are kept of what the client sent, or fewer when n is negative. It reports false when there
	// is no room for them: the connection is then about to end, and they count until they are taken off.
	Hold(n int) bool
	// Admitted is called once, when the first namespace is about to admit the client: limits for strangers end.
	Admitted()
	// Identified is called for each admission, before its reply is queued, so that no later request of this client can
	// overtake the call. It may be called again for the same socket, or for one whose client is gone before it is in. It may
	// call only ID, Namespace and Identity of the socket.
	Identified(s *Socket)
	// ID is the public name of the connection: the same for all its namespaces, and no secret.
	ID() string
	// Transport is what the connection uses now, such as "polling" or "websocket".
	Transport() string
	// Context holds values for the contexts of admissions and handlers. Its end and its deadline do not count. It may be
	// nil.
	Context() context.Context
	// Request describes the client, without Namespace and Auth. The result is not changed and may be nil.
	Request() *handshake.Request
}
