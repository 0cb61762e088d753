package server

import "gatehouse/engine"

// disconnectReason gives the end of a session in Socket.IO's words, which
// handlers compare (https://socket.io/docs/v4/server-socket-instance/#disconnect).
// Ends that Node's server does not know are faults of the transport there; the
// log keeps the engine's own word.
func disconnectReason(r engine.Reason) string {
	switch r {
	case engine.ReasonForcedClose:
		return "forced server close"
	case engine.ReasonSlow, engine.ReasonOverload:
		return "transport error"
	default:
		return string(r)
	}
}
