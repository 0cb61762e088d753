package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"gatehouse/engine/internal/rfc6455"
)

// interceptor is the listener of Intercept. It accepts sockets itself, so that
// those of WebSockets never enter the Go runtime's poller.
type interceptor struct {
	srv  *Server
	path string
	addr net.Addr
	file *os.File
	raw  syscall.RawConn
	end  context.CancelFunc          // of the context of the requests
	form *http.Request               // what every request begins as
	try  func(listener uintptr) bool // accepted.try

	accepting sync.Mutex // held while a connection is waited for; guards what follows
	accepted  accepted
}

// accepted is what accept4(2) says. It is kept, as a closure would need memory for it
// each time.
type accepted struct {
	fd   int
	peer netip.AddrPort
	err  error
	from unix.RawSockaddrAny // room for an address
}

// try reports false when no connection is there yet.
func (a *accepted) try(listener uintptr) bool {
	for {
		a.fd, a.peer, a.err = acceptSocket(listener, &a.from)
		if !errors.Is(a.err, unix.EINTR) && !errors.Is(a.err, unix.ECONNABORTED) {
			return !errors.Is(a.err, unix.EAGAIN)
		}
	}
}

// intercept puts an interceptor before ln, if it is a TCP listener.
func (p *epollLoops) intercept(ln net.Listener, path string, srv *Server) net.Listener {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return ln
	}
	file, err := tcp.File()
	if err != nil {
		return ln
	}
	raw, err := file.SyscallConn()
	if err != nil || raw.Control(prepareListener) != nil {
		_ = file.Close()
		return ln
	}
	_ = ln.Close() // file is another descriptor of the same socket
	i := &interceptor{srv: srv, path: path, addr: ln.Addr(), file: file, raw: raw}
	ctx, end := context.WithCancel(context.Background())
	i.form, i.end, i.try = new(http.Request).WithContext(ctx), end, i.accepted.try
	return i
}

// deferSeconds is how long a connection is left with the kernel while nothing has
// come of its request. Then Accept has it anyway.
const deferSeconds = 1

// prepareListener sets what accepted sockets inherit, and asks for connections
// when their request is there. Either is an improvement only: errors are none.
// There is no keep-alive of TCP: a WebSocket has its heartbeat, and net sets it
// for the others.
func prepareListener(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferSeconds)
}

// Addr implements net.Listener.
func (i *interceptor) Addr() net.Addr { return i.addr }

// Close implements net.Listener.
func (i *interceptor) Close() error {
	i.end()
	return i.file.Close()
}

// Accept implements net.Listener. It serves the connections that it intercepts, and
// returns the others. The bytes that it looks at stay in the socket, for net/http.
func (i *interceptor) Accept() (net.Conn, error) {
	for {
		fd, peer, err := i.accept()
		if err != nil {
			return nil, err
		}
		if r, size := i.upgradeRequest(fd, peer); r != nil && i.srv.spawn(func() { i.serve(fd, r, size) }) {
			continue
		}
		conn, err := netConn(fd)
		if err != nil {
			return nil, i.failed(err)
		}
		if conn.RemoteAddr() != nil {
			return conn, nil
		}
		_ = conn.Close() // the client has reset it, and its address cannot be known any more
	}
}

// accept waits for a connection.
func (i *interceptor) accept() (fd int, peer netip.AddrPort, err error) {
	i.accepting.Lock()
	defer i.accepting.Unlock()
	closed := i.raw.Read(i.try)
	switch a := &i.accepted; {
	case closed != nil:
		return -1, peer, fmt.Errorf("accept: %w", net.ErrClosed)
	case a.err != nil:
		return -1, peer, i.failed(a.err)
	default:
		return a.fd, a.peer, nil
	}
}

// failed says why Accept did.
func (i *interceptor) failed(err error) error {
	switch {
	case errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSOCK):
	default:
		err = passing{err}
	}
	return &net.OpError{Op: "accept", Net: "tcp", Addr: i.addr, Err: err}
}

// passing is an error of accept(2) that does not end the listener, most likely too
// many open files: http.Server waits a moment and goes on.
type passing struct{ error }

// Temporary is what http.Server asks.
func (passing) Temporary() bool { return true }

// Unwrap shows the error of the system.
func (p passing) Unwrap() error { return p.error }

// upgradeRequest returns the request of a connection that is to be intercepted, and the
// size of its head, which stays in the socket; else nil.
func (i *interceptor) upgradeRequest(fd int, from netip.AddrPort) (*http.Request, int) {
	if !from.IsValid() {
		return nil, 0
	}
	b := i.srv.buffers.Get().(*[readBytes]byte)
	defer i.srv.buffers.Put(b)
	n, err := peek(fd, b[:rfc6455.MaxRequest])
	if err != nil {
		return nil, 0
	}
	r, size := rfc6455.ParseRequest(b[:n], i.path, i.form)
	if r == nil || i.srv.hijackable(r.URL.RawQuery) {
		return nil, 0
	}
	r.RemoteAddr = from.String()
	return r, size
}

// serve does for an intercepted request what an http.Server does.
func (i *interceptor) serve(fd int, r *http.Request, size int) {
	h := &bareResponse{socket: fd}
	defer func() {
		if p := recover(); p != nil {
			i.srv.cfg.Logger.Error("panic in a handshake", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
		if h.socket >= 0 {
			_ = unix.Close(h.take())
		}
	}()
	if !i.srv.discard(fd, size) {
		return
	}
	i.srv.ServeHTTP(h, r)
	if h.socket >= 0 {
		i.srv.dismiss(fd, h.refusal())
	}
}

// discard reads the n bytes that were looked at.
func (srv *Server) discard(fd, n int) bool {
	b := srv.buffers.Get().(*[readBytes]byte)
	defer srv.buffers.Put(b)
	got, err := readSome(uintptr(fd), b[:n])
	return err == nil && got == n
}

// dismiss sends the answer to a refused client, whose connection is closed next.
// The socket is new and has room for it. A client that waits for its answer has
// sent nothing else. What others have sent is read, for a reset could overtake the
// answer.
func (srv *Server) dismiss(fd int, answer []byte) {
	const most = 16
	b := srv.buffers.Get().(*[readBytes]byte)
	defer srv.buffers.Put(b)
	_, err := writeSome(uintptr(fd), answer)
	for range most {
		if err == nil {
			_, err = readSome(uintptr(fd), b[:])
		}
	}
}

// netConn gives a socket to the Go runtime, or closes it.
func netConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	return net.FileConn(file) // of a duplicate
}
