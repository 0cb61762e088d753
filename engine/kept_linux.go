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
// in part stays here, so that there are no deadlines for it. A connection that says
// nothing waits in a silence.
type kept struct {
	i    *interceptor
	loop *epollLoop
	fd   int32
	form *http.Request // what its requests begin as
	gone context.CancelFunc

	// Owned by who serves, which is one at a time.
	fields   rfc6455.Fields // of the last request
	known    bool           // a user's requests have come by it
	posted   bool           // the last request was a POST
	response keptResponse

	mu     sync.Mutex // guards what follows; after it those of silence and of the loop
	busy   bool       // somebody looks, or serves a request
	more   bool       // the loop has been told something meanwhile
	ending bool       // it closes when the request is answered
	closed bool       // it is nobody's, or net/http's

	silence *silence // that it is in, or was last; guarded by mu

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
	if err := k.loop.watch(k.fd, k, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
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
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		k.response.writable()
	}
	if events&^unix.EPOLLOUT != 0 && k.begin() {
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
	if k.silence != nil {
		k.silence.remove(k)
	}
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
	if k.posted && (buffer[0] == '\r' || buffer[0] == '\n') {
		k.passLineBreak(buffer[:n])
		return
	}
	r, size := rfc6455.ParseRequest(buffer[:n], k.i.path, k.form, &k.fields)
	if r == nil || !rfc6455.IsPoll(r) || int64(n-size) < r.ContentLength || k.i.srv.hijackable(r.URL.RawQuery) {
		k.giveBack()
		return
	}
	if k.form.Context().Err() != nil { // the client sends nothing more, and nothing may wait for its turn any more
		k.giveBack()
		return
	}
	k.posted = r.Method == http.MethodPost
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

// passLineBreak takes the line break that old clients send behind the body of a POST, as
// an http.Server does.
func (k *kept) passLineBreak(b []byte) {
	n := 0
	for n < min(len(b), 4) && (b[n] == '\r' || b[n] == '\n') {
		n++
	}
	if got, err := readSome(uintptr(k.fd), b[:n]); err != nil || got != n {
		k.end()
		return
	}
	k.posted = false
	k.mu.Lock()
	k.more = true // the kernel does not tell again what stands behind it
	k.mu.Unlock()
	k.rest()
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
	if k.response.finish() {
		k.goOn()
	} else {
		k.end()
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
		k.silence = &k.i.silence
		if k.known {
			k.silence = &k.i.silentUsers
		}
		listed := k.silence.add(k)
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

// dismiss closes a connection that says nothing; one whose next request has just come is
// served.
func (k *kept) dismiss() {
	switch {
	case !k.begin():
	case saysNow(k.fd, unix.POLLIN):
		k.mu.Lock()
		k.more = true
		k.mu.Unlock()
		k.rest()
	default:
		k.end()
	}
}

// close implements pollable: nothing more is read. An answer that is under way has
// Config.CloseTimeout left.
func (k *kept) close() {
	k.mu.Lock()
	k.ending = true // before begin: else it could rest in between, and nobody would close it
	k.mu.Unlock()
	if k.begin() {
		k.end()
		return
	}
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
