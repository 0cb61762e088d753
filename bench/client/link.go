package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// link is one TCP connection, or a TLS connection over one, that never blocks
// once it is open.
type link struct {
	loop   *Loop
	owner  owner
	fd     int       // -1 once closed
	secure *tls.Conn // nil: plain

	in      []byte // the beginning of a unit whose rest has not come yet
	out     []byte // what the socket had no room for
	blocked bool   // room for output is awaited
}

// owner is told what happens to a link.
type owner interface {
	// feed handles all complete units in b and gives the rest.
	feed(l *link, b []byte) (rest []byte, err error)
	// room: what had been waiting for room in the socket has gone out.
	room()
	// broken comes once, when the link has failed or was closed by the server.
	broken(l *link, err error)
}

// open connects and, with a configuration, does the handshake of TLS. Over
// loopback the other side answers at once, so both may block.
func (l *Loop) open(addr netip.AddrPort, secure *tls.Config, o owner) (*link, error) {
	fd, err := connect(addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	k := &link{loop: l, owner: o, fd: fd}
	if secure != nil {
		k.secure = tls.Client(&raw{link: k, blocking: true}, secure)
		if err := k.secure.Handshake(); err != nil {
			k.drop()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		k.secure.NetConn().(*raw).blocking = false
	}
	if err := errors.Join(syscall.SetNonblock(fd, true), l.add(k)); err != nil {
		k.drop()
		return nil, fmt.Errorf("watch: %w", err)
	}
	return k, nil
}

// connect returns a blocking socket that is connected.
func connect(addr netip.AddrPort) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
	)
	if err != nil {
		_ = syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

// drop closes the socket. Nothing is told to the owner.
func (k *link) drop() {
	if k == nil || k.fd < 0 {
		return
	}
	if k.fd < len(k.loop.links) {
		k.loop.links[k.fd] = nil
	}
	_ = syscall.Close(k.fd)
	k.fd = -1
}

func (k *link) fail(err error) {
	if k.fd < 0 {
		return
	}
	k.drop()
	k.owner.broken(k, err)
}

func (k *link) write(b []byte) {
	if k.fd < 0 {
		return
	}
	if k.secure == nil {
		k.push(b)
		return
	}
	if _, err := k.secure.Write(b); err != nil { // its records go through push
		k.fail(fmt.Errorf("write: %w", err))
	}
}

// push writes as much as there is room for and keeps the rest.
func (k *link) push(b []byte) {
	if len(k.out) > 0 {
		k.out = append(k.out, b...)
		return
	}
	n, err := syscall.Write(k.fd, b)
	if err != nil && !errors.Is(err, syscall.EAGAIN) {
		k.fail(fmt.Errorf("write: %w", err))
		return
	}
	if n = max(n, 0); n < len(b) {
		k.out = append(k.out, b[n:]...)
		k.await(true)
	}
}

func (k *link) writable() {
	waiting := k.out
	k.out = nil
	k.push(waiting)
	if len(k.out) == 0 && k.fd >= 0 {
		k.await(false)
		k.owner.room()
	}
}

func (k *link) await(room bool) {
	if k.blocked == room {
		return
	}
	k.blocked = room
	if err := k.loop.watch(k, room); err != nil {
		k.fail(fmt.Errorf("watch: %w", err))
	}
}

// readable hands on what has come: one portion of a plain socket, and all that
// TLS has, as nothing reports what it still holds.
func (k *link) readable(buf []byte) {
	for more := true; more && k.fd >= 0; more = k.secure != nil {
		n, err := k.read(buf)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, errNothing) {
			return
		}
		if err != nil {
			k.fail(err)
			return
		}
		if err := k.take(buf[:n]); err != nil {
			k.fail(err)
			return
		}
	}
}

func (k *link) read(buf []byte) (int, error) {
	if k.secure != nil {
		return k.secure.Read(buf)
	}
	n, err := syscall.Read(k.fd, buf)
	switch {
	case err != nil:
		return 0, fmt.Errorf("read: %w", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// take hands the data on together with what was kept of earlier data. It keeps
// no memory when nothing is left over.
func (k *link) take(data []byte) error {
	if len(k.in) > 0 {
		k.in = append(k.in, data...)
		data = k.in
	}
	rest, err := k.owner.feed(k, data)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		k.in = nil
		return nil
	}
	k.in = append(k.in[:0], rest...)
	return nil
}

// raw is the connection below TLS. It blocks during the handshake; afterwards it
// says errNothing when nothing has come, which crypto/tls does not remember, and
// what it writes is kept when there is no room.
type raw struct {
	link     *link
	blocking bool
}

// nothing says that no data has come yet.
type nothing struct{}

var errNothing net.Error = nothing{}

func (nothing) Error() string   { return "nothing has come yet" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

func (r *raw) Read(b []byte) (int, error) {
	n, err := syscall.Read(r.link.fd, b)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return 0, errNothing
	case err != nil:
		return 0, fmt.Errorf("read: %w", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (r *raw) Write(b []byte) (int, error) {
	if !r.blocking {
		r.link.push(b)
		return len(b), nil
	}
	for written := 0; written < len(b); {
		n, err := syscall.Write(r.link.fd, b[written:])
		if err != nil {
			return written, fmt.Errorf("write: %w", err)
		}
		written += n
	}
	return len(b), nil
}

// Methods of net.Conn that crypto/tls does not use here.

func (r *raw) Close() error                     { return nil }
func (r *raw) LocalAddr() net.Addr              { return nil }
func (r *raw) RemoteAddr() net.Addr             { return nil }
func (r *raw) SetDeadline(time.Time) error      { return nil }
func (r *raw) SetReadDeadline(time.Time) error  { return nil }
func (r *raw) SetWriteDeadline(time.Time) error { return nil }
