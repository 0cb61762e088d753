package client

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
)

// Handler is told what happens to a connection. Data is borrowed for the call.
type Handler interface {
	// Admitted: the namespace let the client in.
	Admitted(c *Conn)
	// Event: data is the JSON array of the event's name and arguments.
	Event(c *Conn, data []byte)
	// Ack: data is the JSON array of the acknowledgement's arguments.
	Ack(c *Conn, id uint64, data []byte)
	// Room: what had been waiting for room in the socket has gone out.
	Room(c *Conn)
	// Closed comes once and last, with io.EOF when the server closed in order.
	// It does not come after Loop.Close.
	Closed(c *Conn, err error)
}

// Config says where a connection goes.
type Config struct {
	Addr      netip.AddrPort
	Namespace string // with its slash
	Token     string // of the CONNECT packet's payload
}

// Conn is one connection of a client.
type Conn struct {
	// ID is free for the user of the connection.
	ID int

	loop    *Loop
	cfg     Config
	handler Handler

	fd       int // -1 once closed
	upgraded bool
	in       []byte // the beginning of a frame whose rest has not come yet
	message  []byte // the fragments of a message that has not ended yet
	out      []byte // what the socket had no room for
	blocked  bool   // room for output is awaited
}

// Dial connects and asks for the upgrade. The rest of the way in is told to the
// handler.
func (l *Loop) Dial(id int, cfg Config, h Handler) (*Conn, error) {
	fd, err := connect(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	c := &Conn{ID: id, loop: l, cfg: cfg, handler: h, fd: fd}
	if err := l.add(c); err != nil {
		c.drop()
		return nil, fmt.Errorf("watch: %w", err)
	}
	c.write(upgradeRequest(cfg.Addr))
	return c, nil
}

// connect gives a non-blocking socket that is connected. Over loopback the
// kernel answers at once, so connecting itself may block.
func connect(addr netip.AddrPort) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}),
		syscall.SetNonblock(fd, true),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
	)
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Close leaves as the JavaScript client does: a DISCONNECT packet and a closing
// frame. Closed follows when the server has answered it or closed its side.
func (c *Conn) Close() {
	frames := AppendText(nil, "41", c.cfg.Namespace, ",")
	c.write(append(frames, closing...))
}

// drop closes the socket. Nothing is told to the handler.
func (c *Conn) drop() {
	if c.fd < 0 {
		return
	}
	if c.fd < len(c.loop.conns) {
		c.loop.conns[c.fd] = nil
	}
	_ = syscall.Close(c.fd)
	c.fd = -1
}

func (c *Conn) fail(err error) {
	if c.fd < 0 {
		return
	}
	c.drop()
	c.handler.Closed(c, err)
}

// Send writes frames that [AppendText] made. What the socket has no room for
// waits; Room tells when it has gone.
func (c *Conn) Send(frames []byte) { c.write(frames) }

// Waiting gives how many bytes the socket had no room for yet.
func (c *Conn) Waiting() int { return len(c.out) }

func (c *Conn) write(b []byte) {
	if c.fd < 0 {
		return
	}
	if len(c.out) > 0 {
		c.out = append(c.out, b...)
		return
	}
	n, err := syscall.Write(c.fd, b)
	if err != nil && !errors.Is(err, syscall.EAGAIN) {
		c.fail(fmt.Errorf("write: %w", err))
		return
	}
	if n = max(n, 0); n < len(b) {
		c.out = append(c.out, b[n:]...)
		c.await(true)
	}
}

func (c *Conn) writable() {
	waiting := c.out
	c.out = nil
	c.write(waiting)
	if len(c.out) == 0 && c.fd >= 0 {
		c.await(false)
		c.handler.Room(c)
	}
}

func (c *Conn) await(room bool) {
	if c.blocked == room {
		return
	}
	c.blocked = room
	if err := c.loop.watch(c, room); err != nil {
		c.fail(fmt.Errorf("watch: %w", err))
	}
}

func (c *Conn) readable(buf []byte) {
	n, err := syscall.Read(c.fd, buf)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return
	case err != nil:
		c.fail(fmt.Errorf("read: %w", err))
		return
	case n == 0:
		c.fail(io.EOF)
		return
	}
	data := buf[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	rest, err := c.feed(data)
	if err != nil {
		c.fail(err)
		return
	}
	c.keep(rest)
}

// keep holds on to the beginning of a frame, and to no memory without one.
func (c *Conn) keep(rest []byte) {
	if len(rest) == 0 {
		c.in = nil
		return
	}
	c.in = append(c.in[:0], rest...)
}
