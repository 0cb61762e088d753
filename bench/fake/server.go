// Package fake is a Socket.IO server that can be made to break its promises, so
// that tests can show that the load tool notices. It speaks just as much as the
// load tool needs.
package fake

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Fault is a promise that the server breaks.
type Fault int

// Faults.
const (
	None        Fault = iota
	Loses             // one delivery of a message never happens
	Duplicates        // one delivery happens twice
	Reorders          // one receiver gets two messages in the other order
	KeepsGhosts       // who goes without leaving stays in the room
	EchoesWrong       // one echo has other arguments
	EchoesLate        // two echoes change places
	HangsUp           // a connection is closed in the middle
	Refuses           // nobody is admitted
	Fragments         // none: every message comes in three frames, which is allowed
)

// Server is a running fake.
type Server struct {
	Addr netip.AddrPort

	fault  Fault
	ln     net.Listener
	served sync.WaitGroup

	mu     sync.Mutex // guards what follows, and writing to connections
	conns  map[*conn]bool
	rooms  map[string]map[*conn]bool
	sent   int    // messages and echoes so far
	victim *conn  // the member at whom a fault of fan-out shows
	held   []byte // the delivery, or echo, that waits to come late
	open   bool
}

// Start runs a server with the fault on a free port of the loopback interface.
func Start(fault Fault) (*Server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		Addr: ln.Addr().(*net.TCPAddr).AddrPort(), fault: fault, ln: ln, open: true,
		conns: map[*conn]bool{}, rooms: map[string]map[*conn]bool{},
	}
	s.served.Go(s.accept)
	return s, nil
}

// Close ends the server and waits for its goroutines.
func (s *Server) Close() {
	_ = s.ln.Close()
	s.mu.Lock()
	s.open = false
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.served.Wait()
}

func (s *Server) accept() {
	for {
		nc, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.served.Go(func() { s.serve(nc) })
	}
}

func (s *Server) serve(nc net.Conn) {
	c := &conn{Conn: nc, r: bufio.NewReader(nc), fragments: s.fault == Fragments}
	defer nc.Close()
	if !s.enter(c) {
		return
	}
	defer s.exit(c)
	if err := c.upgrade(); err != nil {
		return
	}
	for {
		op, text, err := c.read()
		if err != nil || op == 8 {
			return
		}
		s.packet(c, text)
	}
}

func (s *Server) enter(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		s.conns[c] = true
	}
	return s.open
}

func (s *Server) exit(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	for _, room := range s.rooms {
		if s.fault != KeepsGhosts {
			delete(room, c)
		}
	}
}

// conn is one client's connection.
type conn struct {
	net.Conn
	r         *bufio.Reader
	fragments bool
}

var errHandshake = errors.New("no handshake")

func (c *conn) upgrade() error {
	req, err := http.ReadRequest(c.r)
	if err != nil {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	c.write([]byte(`0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`))
	c.write([]byte("2")) // a heartbeat, which nothing may mistake for a message
	return nil
}

// read returns one frame's opcode and payload.
func (c *conn) read() (byte, []byte, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c.r, head); err != nil {
		return 0, nil, err
	}
	size := int(head[1] & 0x7f)
	if size == 126 {
		wide := make([]byte, 2)
		if _, err := io.ReadFull(c.r, wide); err != nil {
			return 0, nil, err
		}
		size = int(wide[0])<<8 | int(wide[1])
	}
	body := make([]byte, 4+size)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return 0, nil, err
	}
	key, text := body[:4], body[4:]
	for i := range text {
		text[i] ^= key[i&3]
	}
	return head[0] & 0x0f, text, nil
}

// write sends one text message. Errors show when reading.
func (c *conn) write(text []byte) {
	if !c.fragments || len(text) < 3 {
		_, _ = c.Write(frame(0x81, text))
		return
	}
	third := len(text) / 3
	out := frame(0x01, text[:third])
	out = append(out, frame(0x00, text[third:2*third])...)
	_, _ = c.Write(append(out, frame(0x80, text[2*third:])...))
}

func frame(op byte, payload []byte) []byte {
	if len(payload) < 126 {
		return append([]byte{op, byte(len(payload))}, payload...)
	}
	return append([]byte{op, 126, byte(len(payload) >> 8), byte(len(payload))}, payload...)
}
