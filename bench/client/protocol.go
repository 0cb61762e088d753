package client

// Protocol is what client and server say to each other over a transport. There
// are two: [SocketIO] and [Centrifugo]. The packets are made in c.scratch.
type Protocol interface {
	path() string // of the WebSocket
	// opened: the transport is open, nothing has come yet.
	opened(c *Conn)
	// packet handles one packet of the server.
	packet(c *Conn, p []byte) error

	join(c *Conn, id uint64, room, since string) []byte
	count(c *Conn, id uint64, room string) []byte
	leave(c *Conn, id uint64, room string) []byte
	say(c *Conn, id uint64, room, text, nonce string) []byte
	echo(c *Conn, id uint64, args string) []byte
	bye(c *Conn) []byte // may be empty

	// Alone says whether the answer to Count is that nobody else is in the room.
	Alone(data []byte) bool
	// IDOf returns what a join may ask for messages after, of a message; "": nothing.
	IDOf(message []byte) string
}
