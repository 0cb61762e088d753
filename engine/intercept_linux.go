package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// interceptor is the listener of Intercept. It accepts sockets itself, so that
// those of WebSockets never enter the Go runtime's poller.
type interceptor struct {
	srv  *Server
	path string
	addr net.Addr
	file *os.File
	raw  syscall.RawConn
	ctx  context.Context // of the requests
	end  context.CancelFunc

	head [openingBytes]byte // owned by Accept
}

// intercept puts an interceptor before ln, if it is a TCP listener.
func (p *epollPoller) intercept(ln net.Listener, path string, srv *Server) net.Listener {
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
	i.ctx, i.end = context.WithCancel(context.Background())
	return i
}

// deferSeconds is how long a connection is left with the kernel while nothing has
// come of its request. Then Accept has it anyway.
const deferSeconds = 1

// prepareListener sets what accepted sockets inherit, and asks for connections
// when their request is there. Either is an improvement only: errors are none.
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

// Accept implements net.Listener. It serves what it intercepts on its way.
func (i *interceptor) Accept() (net.Conn, error) {
	for {
		fd, peer, err := i.accept()
		if err != nil {
			return nil, err
		}
		if r := i.opening(fd, peer); r == nil {
			conn, err := netConn(fd)
			return conn, i.failed(err)
		} else if !i.srv.spawn(func() { i.serve(fd, r) }) {
			_ = unix.Close(fd) // the server is closed
		}
	}
}

// accept waits for a connection.
func (i *interceptor) accept() (fd int, peer unix.Sockaddr, err error) {
	closed := i.raw.Read(func(listener uintptr) bool {
		for {
			fd, peer, err = unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	if closed != nil {
		return -1, nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
	return fd, peer, i.failed(err)
}

// failed says for which connection Accept failed.
func (i *interceptor) failed(err error) error {
	if err == nil {
		return nil
	}
	return &net.OpError{Op: "accept", Net: "tcp", Addr: i.addr, Err: passing{err}}
}

// passing is an error of accept(2), most likely too many open files. It is none of
// the listener, so http.Server is to wait a moment and go on.
type passing struct{ error }

// Temporary is what http.Server asks.
func (passing) Temporary() bool { return true }

// Unwrap shows the error of the system.
func (p passing) Unwrap() error { return p.error }

// opening returns the request of a connection that is to be intercepted, read off
// the socket; else nil, with the socket as it was.
func (i *interceptor) opening(fd int, peer unix.Sockaddr) *http.Request {
	from := addrPort(peer)
	if !from.IsValid() {
		return nil
	}
	n, _, err := unix.Recvfrom(fd, i.head[:], unix.MSG_PEEK)
	if err != nil {
		return nil
	}
	r, size := parseOpening(i.head[:n], i.path)
	if r == nil {
		return nil
	}
	if n, err := unix.Read(fd, i.head[:size]); err != nil || n != size {
		return nil // cannot be: it was there
	}
	r.RemoteAddr = from.String()
	return r.WithContext(i.ctx)
}

// addrPort is not valid for what Request.RemoteAddr needs a zone for.
func addrPort(a unix.Sockaddr) netip.AddrPort {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		if a.ZoneId == 0 {
			return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port))
		}
	}
	return netip.AddrPort{}
}

// serve does for an intercepted request what an http.Server does.
func (i *interceptor) serve(fd int, r *http.Request) {
	h := &handshaker{socket: fd}
	defer func() {
		if p := recover(); p != nil {
			i.srv.cfg.Logger.Error("panic in a handshake", zap.String("panic", fmt.Sprint(p)), zap.Stack("stack"))
			if !h.taken {
				_ = unix.Close(fd)
			}
		}
	}()
	i.srv.ServeHTTP(h, r)
	if h.taken {
		return
	}
	if conn, err := netConn(fd); err == nil {
		h.refuse(conn, i.srv.cfg.CloseTimeout)
	}
}

// netConn gives a socket to the Go runtime, or closes it.
func netConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "")
	defer file.Close()
	return net.FileConn(file) // of a duplicate
}
