package engine

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/engine/internal/rfc6455"
)

// kept is a connection that a long-polling client sends its requests by, one after the
// other. A loop looks at what has come, without taking it: a request that is beyond
// doubt and there with its body is served; with everything else, the connection goes
// to net/http, which finds it as the client has sent it. Nothing that has come
// in part stays here, so that there are no deadlines for it.
type kept struct {
	i    *interceptor
	loop *epollLoop
	fd   int32
	form *http.Request // what its requests begin as
	gone context.CancelFunc

	// Owned by who serves, which is one at a time.
	fields   rfc6455.Fields // of the last request
	known    bool           // a user's requests have come by it
	response keptResponse

	mu     sync.Mutex // guards what follows; after it those of silence and of the loop
	busy   bool       // somebody looks, or serves a request
	more   bool       // the loop has been told something meanwhile
	ending bool       // it closes when the request is answered
	closed bool       // it is nobody's, or net/http's

	// Guarded by silence.
	since time.Time     // since when it says nothing
	place *list.Element // in the list; nil while it is not there
}

// keep takes a socket that seems to bring polls, and reports whether it did.
func (i *interceptor) keep(fd int, peer netip.AddrPort) bool {
	k := &kept{i: i, loop: i.loops.turn(), fd: int32(fd)}
	ctx, gone := context.WithCancel(context.Background())
	k.form, k.gone = new(http.Request).WithContext(ctx), gone
	k.form.RemoteAddr = peer.String()
	k.response.k = k
	k.busy = true // until it is watched
	if err := k.loop.watch(k.fd, k, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
		gone()
		return false
	}
	k.goOn()
	return true
}

// ready implements pollable.
func (k *kept) ready(events uint32, buffer []byte) {
	if events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		k.checkGone()
	}
	if k.begin() {
		k.look(buffer)
	}
}

// checkGone tells who serves a request when its client has gone. It asks again, as hungUp
// does.
func (k *kept) checkGone() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed && saysNow(k.fd, unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) {
		k.gone()
	}
}

// begin reports whether its caller is to look at what has come.
func (k *kept) begin() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.busy {
		k.more = true // it looks again
		return false
	}
	k.busy = true
	k.i.silence.remove(k)
	return true
}

// look serves the request that has come, if one has. busy is its caller's.
func (k *kept) look(buffer []byte) {
	n, err := peek(int(k.fd), buffer[:rfc6455.MaxRequest])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		k.rest()
		return
	case err != nil || n == 0:
		k.end()
		return
	}
	r, size := rfc6455.ParseRequest(buffer[:n], k.i.path, k.form, &k.fields)
	if r == nil || !rfc6455.IsPoll(r) || int64(n-size) < r.ContentLength || k.i.srv.hijackable(r.URL.RawQuery) {
		k.giveBack()
		return
	}
	size += int(r.ContentLength)
	if got, err := readSome(uintptr(k.fd), buffer[:size]); err != nil || got != size {
		k.end()
		return
	}
	if n > size || n == rfc6455.MaxRequest { // the kernel does not tell it again
		k.mu.Lock()
		k.more = true
		k.mu.Unlock()
	}
	if r.ContentLength > 0 {
		r.Body = &keptBody{left: append([]byte(nil), buffer[size-int(r.ContentLength):size]...)}
	}
	if !k.i.srv.begin(&k.i.srv.polls, func() { k.serve(r) }) {
		k.end()
	}
}

// serve does for a request what an http.Server does.
func (k *kept) serve(r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			k.i.srv.cfg.Logger.Error("panic in a request", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			k.response.release()
			k.end()
		}
	}()
	k.i.srv.ServeHTTP(&k.response, r)
	k.known = k.known || k.i.srv.ofUser(r)
	switch status, alive := k.response.finish(); {
	case !alive:
		k.end()
	case status != http.StatusOK:
		k.giveBack()
	default:
		k.goOn()
	}
}

// ofUser reports whether a request belongs to the session of a user.
func (srv *Server) ofUser(r *http.Request) bool {
	s := srv.session(Parameter(r, "sid"))
	return s != nil && !s.stranger()
}

// goOn waits for the next request, or looks at what has come of it already.
func (k *kept) goOn() {
	k.mu.Lock()
	more := k.more
	k.more = false
	k.mu.Unlock()
	if !more {
		k.rest()
		return
	}
	b := k.i.srv.buffers.Get().(*[readBytes]byte)
	defer k.i.srv.buffers.Put(b)
	k.look(b[:])
}

// rest ends a look that has found nothing.
func (k *kept) rest() {
	k.mu.Lock()
	switch {
	case k.ending:
		k.mu.Unlock()
		k.end()
	case k.more:
		k.mu.Unlock()
		k.goOn()
	default:
		listed := k.i.silence.add(k)
		k.busy = !listed
		k.mu.Unlock()
		if !listed {
			k.end()
		}
	}
}

// leave takes the connection off its loop. busy is the caller's.
func (k *kept) leave() {
	k.gone()
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.loop.forget(k.fd, k)
}

// end closes the connection.
func (k *kept) end() {
	k.leave()
	_ = unix.Close(int(k.fd))
}

// giveBack has net/http go on with what is in the socket.
func (k *kept) giveBack() {
	k.leave()
	k.i.handOver(int(k.fd), k.known)
}

// dismiss gives back a connection that says nothing.
func (k *kept) dismiss() {
	if k.begin() {
		k.giveBack()
	}
}

// close implements pollable: nothing more is read. An answer that is under way has
// Config.CloseTimeout left.
func (k *kept) close() {
	if k.begin() {
		k.end()
		return
	}
	k.mu.Lock()
	k.ending = true
	k.mu.Unlock()
	k.response.hurry(time.Now().Add(k.i.srv.limits().CloseTimeout))
}

// keptBody is the body of a request, which is there.
type keptBody struct{ left []byte }

// Read implements io.Reader.
func (b *keptBody) Read(p []byte) (int, error) {
	n := copy(p, b.left)
	if b.left = b.left[n:]; len(b.left) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (b *keptBody) Close() error { return nil }
