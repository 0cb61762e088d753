package server

import (
	"fmt"

	"gatehouse/engine"
)

// The memory that the head of one request takes while it is there.
const (
	headSlack  = 4 << 10 // how much net/http accepts above http.max_header_bytes
	fieldBytes = 96      // memory of a field or a parameter beside its text
)

// headBytes is the most memory that the head of a request takes, in bytes.
func (c Config) headBytes() int {
	return c.HTTP.MaxHeaderBytes + headSlack + 2*engine.MaxHeadFields*fieldBytes
}

// requestBytes is the memory that net/http holds for a connection beside that: a
// goroutine and two buffers.
const requestBytes = 20 << 10

// heads is how many heads of requests a polling client can have at a time: the kept
// part of the opening one, a GET and a POST.
const heads = 3

// StrangerBytes is the most memory that a client can make the server hold before it
// is admitted, in bytes: its session, received messages, its send queue, and the
// heads of its requests. Buffers of TLS and of the kernel come on top.
func (c Config) StrangerBytes() int {
	c = c.WithDefaults()
	s := Server{cfg: c}
	return s.engineConfig(c).StrangerBytes() + heads*c.headBytes()
}

// Strangers returns a sentence about how much memory all clients together can
// make the server hold before they are admitted, with this process's limits for
// files.
func (c Config) Strangers() string {
	c = c.WithDefaults()
	pending, silent := withFiles(c, openFiles())
	each, head := c.StrangerBytes(), c.headBytes()+requestBytes
	sum := pending*each + silent*head
	return fmt.Sprintf("whatever strangers send, they hold at most %d MiB: %d connections in no namespace (handshake.max_pending) with %d KiB each, and %d without a session (door.max_silent) with %d KiB",
		sum>>20, pending, each>>10, silent, head>>10)
}

// withFiles returns handshake.max_pending and door.max_silent, lowered where the
// process may open too few files.
func withFiles(c Config, files int) (pending, silent int) {
	return min(c.Handshake.MaxPending, max(files/2, 1)), min(c.Connections.MaxSilent, max(files/4, 1))
}
