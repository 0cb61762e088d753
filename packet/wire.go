package packet

// Wire is how packets are written on a connection. All packets of a connection, in both directions, have the same.
type Wire uint8

// The wires that there are.
const (
	V5      Wire = iota // the text of Socket.IO's protocol 5, attachments behind it (socket.io-parser)
	Msgpack             // each packet one binary message (socket.io-msgpack-parser)

	// Wires is their number.
	Wires = iota
)
