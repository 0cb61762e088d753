package client

import (
	"crypto/tls"
	"net/netip"
)

// Handler is told what happens to a connection. Data is borrowed for the call.
type Handler interface {
	// Admitted: the server let the client in.
	Admitted(c *Conn)
	// Message: somebody's message to a room of the client, as the server sends it.
	Message(c *Conn, data []byte)
	// Ack: the answer to the request with the id, and whether it says that the
	// request was granted. An echo is no such answer: its data is what counts.
	Ack(c *Conn, id uint64, granted bool, data []byte)
	// Room: what had been waiting for room in the socket has gone out.
	Room(c *Conn)
	// Closed comes once and last, with io.EOF when the server closed in order.
	// It does not come after Loop.Close.
	Closed(c *Conn, err error)
}

// Config says where a connection goes and how.
type Config struct {
	Addr      netip.AddrPort
	TLS       *tls.Config // nil: plain
	Polling   bool        // long-polling instead of a WebSocket
	Protocol  Protocol
	Namespace string // of Socket.IO, with its slash
	Token     string
}

// Conn is one connection of a client.
type Conn struct {
	// ID is free for the user of the connection.
	ID int

	loop      *Loop
	cfg       Config
	handler   Handler
	transport transport
	scratch   []byte // the packet in the making
	ended     bool
}

// transport carries packets between the two ends.
type transport interface {
	// put takes a packet; it goes out with the next flush.
	put(packet []byte)
	flush()
	// waiting returns how many bytes the socket had no room for yet.
	waiting() int
	// leave says good-bye after all that was put.
	leave()
	drop()
}

// Dial connects. The rest of the way in is told to the handler.
func (l *Loop) Dial(id int, cfg Config, h Handler) (*Conn, error) {
	c := &Conn{ID: id, loop: l, cfg: cfg, handler: h}
	open := openWebSocket
	if cfg.Polling {
		open = openPolling
	}
	if err := open(c); err != nil {
		return nil, err
	}
	return c, nil
}

// Join asks for a room of the chat and for its history after the message with the
// id since, all of it when since is empty.
func (c *Conn) Join(id uint64, room, since string) {
	c.send(c.cfg.Protocol.join(c, id, room, since))
}

// Count joins a room and asks how many are in it: see [Alone].
func (c *Conn) Count(id uint64, room string) { c.send(c.cfg.Protocol.count(c, id, room)) }

// Leave leaves a room.
func (c *Conn) Leave(id uint64, room string) { c.send(c.cfg.Protocol.leave(c, id, room)) }

// Say sends a message into a room.
func (c *Conn) Say(id uint64, room, text, nonce string) {
	c.send(c.cfg.Protocol.say(c, id, room, text, nonce))
}

// Echo prepares a request for an echo of the arguments, which are JSON. It goes
// out with the next Flush.
func (c *Conn) Echo(id uint64, args string) {
	c.scratch = c.cfg.Protocol.echo(c, id, args)
	c.transport.put(c.scratch)
}

// Flush sends what was prepared.
func (c *Conn) Flush() { c.transport.flush() }

// Waiting returns how many bytes the socket had no room for yet.
func (c *Conn) Waiting() int { return c.transport.waiting() }

// Close leaves as the JavaScript client does: a DISCONNECT packet and the end of
// the transport. Closed follows when the server has answered it or closed its side.
func (c *Conn) Close() {
	if bye := c.cfg.Protocol.bye(c); len(bye) > 0 {
		c.transport.put(bye)
	}
	c.transport.leave()
}

// Drop closes the connection without a word. Closed does not come.
func (c *Conn) Drop() {
	c.ended = true
	c.transport.drop()
}

// send sends a packet that was made in c.scratch.
func (c *Conn) send(packet []byte) {
	c.scratch = packet
	c.transport.put(packet)
	c.transport.flush()
}

// end closes the connection and tells the handler why, once.
func (c *Conn) end(err error) {
	if c.ended {
		return
	}
	c.ended = true
	c.transport.drop()
	c.handler.Closed(c, err)
}
