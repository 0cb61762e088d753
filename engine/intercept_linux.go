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

	loops                *epollLoops
	silence, silentUsers silence // kept connections between two requests: strangers', and users'

	out     chan offer // what Accept returns
	begin   sync.Once
	ending  sync.Once
	over    chan struct{} // closed by Close
	running sync.WaitGroup

	// Owned by run.
	accepted accepted
	fields   rfc6455.Fields // of the first request of a connection
}

// offer is a connection for net/http, or why there is none.
type offer struct {
	conn net.Conn
	err  error
}

// accepted is the result of accept4(2). It is a field, as a closure would allocate it each
// time.
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
	i := &interceptor{
		srv: srv, path: path, addr: ln.Addr(), file: file, raw: raw,
		loops: p, silence: newSilence(srv), silentUsers: newSilence(srv), out: make(chan offer), over: make(chan struct{}),
	}
	ctx, end := context.WithCancel(context.Background())
	i.form, i.end, i.try = new(http.Request).WithContext(ctx), end, i.accepted.try
	return i
}

// deferSeconds is how long the kernel keeps a connection whose request has not come. After
// that Accept returns it anyway.
const deferSeconds = 1

// prepareListener sets the options that accepted sockets inherit, and has the kernel hold
// connections back until their request is there. Both only make things faster, so errors are
// ignored. TCP keep-alive is off: a WebSocket has its heartbeat, and package net turns it on
// for the others.
func prepareListener(fd uintptr) {
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferSeconds)
}

// Addr implements net.Listener.
func (i *interceptor) Addr() net.Addr { return i.addr }

// Close implements net.Listener. Kept connections close when they are silent.
func (i *interceptor) Close() error {
	i.end()
	err := i.file.Close()
	i.ending.Do(func() { close(i.over) })
	i.begin.Do(func() {}) // Accept begins nothing any more, or has begun it
	i.running.Wait()
	i.silence.close()
	i.silentUsers.close()
	return err
}

// Accept implements net.Listener. The bytes that were looked at are still in the
// socket, for net/http.
func (i *interceptor) Accept() (net.Conn, error) {
	i.begin.Do(func() { i.running.Go(i.run) })
	select {
	case o := <-i.out:
		return o.conn, o.err
	case <-i.over:
		return nil, i.failed(net.ErrClosed)
	}
}

// run accepts connections until Close. It serves those that it intercepts, and offers
// the others to net/http.
func (i *interceptor) run() {
	for {
		fd, peer, err := i.accept()
		if err == nil && i.intercepts(fd, peer) {
			continue
		}
		o := offer{err: err}
		if err == nil {
			o = i.offerOf(fd)
		} else if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			i.makeRoom()
		}
		if o.conn == nil && o.err == nil {
			continue
		}
		select {
		case i.out <- o:
		case <-i.over:
			if o.conn != nil {
				_ = o.conn.Close()
			}
			return
		}
	}
}

// roomAtOnce is how many silent connections are closed when one finds no file.
const roomAtOnce = 8

// makeRoom closes silent connections, those of strangers first: the process may open no more
// files.
func (i *interceptor) makeRoom() {
	for range roomAtOnce {
		if !i.silence.endLongest() && !i.silentUsers.endLongest() {
			return
		}
	}
}

// offerOf gives a socket to net/http. There is nothing to offer when the client has reset
// it: its address cannot be known any more.
func (i *interceptor) offerOf(fd int) offer {
	conn, err := netConn(fd)
	if err != nil {
		return offer{err: i.failed(err)}
	}
	if conn.RemoteAddr() == nil {
		_ = conn.Close()
		return offer{}
	}
	return offer{conn: conn}
}

// handOver offers a socket that was intercepted to net/http; known says whether it is a
// user's.
func (i *interceptor) handOver(fd int, known bool) {
	o := i.offerOf(fd)
	if o.conn == nil {
		return // no file is left, or the client has reset it: it is closed
	}
	if known && i.srv.cfg.GivenBack != nil {
		i.srv.cfg.GivenBack(o.conn)
	}
	offered := i.srv.spawn(func() {
		select {
		case i.out <- o:
		case <-i.over:
			_ = o.conn.Close()
		}
	})
	if !offered {
		_ = o.conn.Close()
	}
}

// accept waits for a connection.
func (i *interceptor) accept() (fd int, peer netip.AddrPort, err error) {
	closed := i.raw.Read(i.try)
	switch a := &i.accepted; {
	case closed != nil:
		return -1, peer, i.failed(net.ErrClosed)
	case a.err != nil:
		return -1, peer, i.failed(a.err)
	default:
		return a.fd, a.peer, nil
	}
}

// failed says why Accept did.
func (i *interceptor) failed(err error) error {
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSOCK):
	default:
		err = passing{err}
	}
	return &net.OpError{Op: "accept", Net: "tcp", Addr: i.addr, Err: err}
}

// passing is an error of accept(2) after which the listener goes on, most likely too many
// open files: http.Server waits a moment and tries again.
type passing struct{ error }

// Temporary tells http.Server to go on after a pause.
func (passing) Temporary() bool { return true }

// Unwrap shows the error of the system.
func (p passing) Unwrap() error { return p.error }

// intercepts takes a connection whose first request is a plain one for a WebSocket or
// of a polling client, and reports whether it did.
func (i *interceptor) intercepts(fd int, from netip.AddrPort) bool {
	r, size := i.firstRequest(fd, from)
	switch {
	case r == nil:
		return false
	case rfc6455.IsOpening(r):
		return i.srv.spawn(func() { i.serve(fd, r, size) })
	}
	return rfc6455.IsPoll(r) && i.keep(fd, from)
}

// firstRequest returns the request of a connection, if it is beyond doubt, and the size
// of its head, which stays in the socket.
func (i *interceptor) firstRequest(fd int, from netip.AddrPort) (*http.Request, int) {
	if !from.IsValid() {
		return nil, 0
	}
	b := i.srv.buffers.Get().(*[readBytes]byte)
	defer i.srv.buffers.Put(b)
	n, err := peek(fd, b[:rfc6455.MaxRequest])
	if err != nil {
		return nil, 0
	}
	i.fields = rfc6455.Fields{} // connections share no header fields
	r, size := rfc6455.ParseRequest(b[:n], i.path, i.form, &i.fields)
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

// dismiss sends the answer to a refused client, whose connection is closed next. The socket
// is new and has room for the answer. Whatever else the client has sent is read first:
// unread bytes would cause a reset, which could overtake the answer.
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

// closed reports whether Close was called.
func (i *interceptor) closed() bool {
	select {
	case <-i.over:
		return true
	default:
		return false
	}
}
