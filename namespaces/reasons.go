package namespaces

// End is how a connection ended.
type End struct {
	// Reason is told to disconnect handlers, in the words of Node's server: one of the Reason constants, or one of the
	// transport's own.
	Reason string
	// Cut says that the server ended the connection, or that the client's packets cannot be trusted: its waiting events
	// are dropped. Otherwise the client went, and its waiting events are handled.
	Cut bool
	// Lost says that the transport broke, or was cut for being slow, so that the client is expected back. Where recovery
	// is on, its sockets then wait for it; otherwise they end.
	Lost bool
}

// Reasons for which a socket ends, in the words of Node's server. A connection may bring others, see [End].
const (
	ReasonClientDisconnect = "client namespace disconnect" // the client left the namespace
	ReasonServerDisconnect = "server namespace disconnect" // Socket.Disconnect
	ReasonTransportClose   = "transport close"
	ReasonTransportError   = "transport error"
	ReasonPingTimeout      = "ping timeout"
	ReasonParseError       = "parse error"         // the client sent something that is no packet
	ReasonForcedServer     = "forced server close" // the server closed the transport: packets out of order, no namespace in time
	ReasonShutdown         = "server shutting down"
	ReasonExpired          = "token expired"                  // the identity expired and was not refreshed
	ReasonRevoked          = "revoked"                        // Hub.Revoke, or a refresh handler that did not let the socket stay
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
