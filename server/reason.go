package server

import (
	"gatehouse/engine"
	"gatehouse/namespaces"
)

// endOf returns the end of a session in Socket.IO's words, which handlers
// compare (https://socket.io/docs/v4/server-socket-instance/#disconnect). Ends
// that Node's server does not know are faults of the transport there; the log
// keeps the engine's own word. A client that was too slow comes back by itself,
// as one that lost the network does.
func endOf(r engine.Reason) namespaces.End {
	switch r {
	case engine.ReasonTransportClose, engine.ReasonTransportError, engine.ReasonPingTimeout:
		return namespaces.End{Reason: string(r), Lost: true}
	case engine.ReasonSlow, engine.ReasonOverload:
		return namespaces.End{Reason: namespaces.ReasonTransportError, Cut: true, Lost: true}
	case engine.ReasonForcedClose:
		return namespaces.End{Reason: namespaces.ReasonForcedServer, Cut: true}
	default:
		return namespaces.End{Reason: string(r), Cut: true}
	}
}
