package engine

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// keptResponse is the http.ResponseWriter of the requests of a kept connection, with
// what http.ResponseController asks for. A short answer goes out in one write.
type keptResponse struct {
	k *kept // fixed

	// Owned by the handler.
	header http.Header
	status int
	body   []byte        // while its length is not known
	headed bool          // the head stands in out, or is sent
	left   int64         // of the body, as Content-Length says
	out    *bytes.Buffer // to be sent; borrowed
	failed error         // of a write

	mu       sync.Mutex // guards what follows
	deadline time.Time  // of writes; zero: none
	last     time.Time  // what no deadline may pass; zero: none
	slow     net.Conn   // of the same socket, since a write had to wait
}

// answers are borrowed for what is to be sent.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Header implements http.ResponseWriter.
func (w *keptResponse) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *keptResponse) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// Write implements http.ResponseWriter. Without a Content-Length the body is kept
// until it is whole: such are the short ones.
func (w *keptResponse) Write(b []byte) (int, error) {
	if !w.headed && w.Header()["Content-Length"] == nil {
		w.body = append(w.body, b...)
		return len(b), nil
	}
	w.begin()
	if w.left -= int64(len(b)); w.left < 0 {
		w.failed = http.ErrContentLength
	}
	w.put(b)
	return len(b), w.failed
}

// begin makes the head of the answer.
func (w *keptResponse) begin() {
	if w.headed {
		return
	}
	h := w.Header()
	if h["Content-Length"] == nil {
		h.Set("Content-Length", strconv.Itoa(len(w.body)))
	}
	if w.k.i.closed() {
		h.Set("Connection", "close")
	}
	w.WriteHeader(http.StatusOK)
	w.headed, w.out = true, answers.Get().(*bytes.Buffer)
	w.left, _ = strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	w.out.Reset()
	_, _ = fmt.Fprintf(w.out, "HTTP/1.1 %03d %s\r\nDate: ", w.status, http.StatusText(w.status))
	_, _ = w.out.Write(time.Now().UTC().AppendFormat(w.out.AvailableBuffer(), http.TimeFormat))
	_, _ = w.out.WriteString("\r\n")
	_ = h.Write(w.out) // line breaks in values become spaces
	_, _ = w.out.WriteString("\r\n")
	if len(w.body) > 0 {
		_, _ = w.Write(w.body)
	}
}

// put has b sent, with what else fits into one write.
func (w *keptResponse) put(b []byte) {
	if w.out.Len()+len(b) > readBytes {
		w.sendOut()
	}
	if len(b) > readBytes {
		w.send(b)
		return
	}
	_, _ = w.out.Write(b)
}

func (w *keptResponse) sendOut() {
	w.send(w.out.Bytes())
	w.out.Reset()
}

// send writes b, and waits until the deadline where the socket is full.
func (w *keptResponse) send(b []byte) {
	if w.failed != nil || len(b) == 0 {
		return
	}
	w.mu.Lock()
	slow, late := w.slow, !w.deadline.IsZero() && !time.Now().Before(w.deadline)
	w.mu.Unlock()
	switch {
	case late:
		w.failed = os.ErrDeadlineExceeded
		return
	case slow == nil:
		var n int
		n, w.failed = writeSome(uintptr(w.k.fd), b)
		if b = b[n:]; !errors.Is(w.failed, errBusy) {
			return
		}
		if slow, w.failed = w.slowDown(); w.failed != nil {
			return
		}
	}
	_, w.failed = slow.Write(b)
}

// slowDown has the Go runtime wait for the socket.
func (w *keptResponse) slowDown() (net.Conn, error) {
	fd, err := unix.FcntlInt(uintptr(w.k.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("wait for a client: %w", err)
	}
	conn, err := netConn(fd)
	if err != nil {
		return nil, fmt.Errorf("wait for a client: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slow = conn
	_ = conn.SetWriteDeadline(w.deadline)
	return conn, nil
}

// FlushError is what http.ResponseController asks for.
func (w *keptResponse) FlushError() error {
	w.begin()
	w.sendOut()
	return w.failed
}

// SetReadDeadline is what http.ResponseController asks for: the whole request is there.
func (w *keptResponse) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is what http.ResponseController asks for. It holds until the
// connection's next request.
func (w *keptResponse) SetWriteDeadline(at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.setDeadlineLocked(at)
	return nil
}

func (w *keptResponse) setDeadlineLocked(at time.Time) {
	if !w.last.IsZero() && (at.IsZero() || at.After(w.last)) {
		at = w.last
	}
	w.deadline = at
	if w.slow != nil {
		_ = w.slow.SetWriteDeadline(at)
	}
}

// hurry gives all writes until then.
func (w *keptResponse) hurry(last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = last
	w.setDeadlineLocked(w.deadline)
}

// finish sends the rest of the answer and makes ready for the next one. It reports
// whether the connection may carry another request.
func (w *keptResponse) finish() (alive bool) {
	w.begin()
	w.sendOut()
	alive = w.failed == nil && w.left == 0 && w.header["Connection"] == nil
	w.release()
	return alive
}

// release forgets the answer.
func (w *keptResponse) release() {
	if w.out != nil {
		answers.Put(w.out)
	}
	clear(w.header)
	w.status, w.body, w.headed, w.left, w.out, w.failed = 0, nil, false, 0, nil, nil
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slow != nil {
		_ = w.slow.Close()
		w.slow = nil
	}
	w.setDeadlineLocked(time.Time{})
}
