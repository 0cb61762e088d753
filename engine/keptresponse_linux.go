package engine

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
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

	mu       sync.Mutex    // guards what follows
	deadline time.Time     // of writes; zero: none
	last     time.Time     // what no deadline may pass; zero: none
	changed  chan struct{} // tells of room in the socket, or of another deadline; nil until a write has to wait
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
	for w.failed == nil && len(b) > 0 {
		if w.late() {
			w.failed = os.ErrDeadlineExceeded
			return
		}
		n, err := writeSome(uintptr(w.k.fd), b)
		b = b[n:]
		if errors.Is(err, errBusy) {
			w.await()
		} else {
			w.failed = err
		}
	}
}

func (w *keptResponse) late() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.deadline.IsZero() && !time.Now().Before(w.deadline)
}

// await returns when the socket may have room, and when the deadline is over or another.
func (w *keptResponse) await() {
	changed, wait := w.watch()
	if changed == nil {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// withoutLoop is how often a full socket is tried once the loop may have ended, which
// tells of room otherwise.
const withoutLoop = 10 * time.Millisecond

// watch returns what tells of a change, and how long to wait for it at most. It is nil for
// the first time: the socket has to be tried again, because nobody was told before.
func (w *keptResponse) watch() (changed <-chan struct{}, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{}, 1)
		return nil, 0
	}
	switch {
	case !w.last.IsZero():
		return w.changed, withoutLoop
	case w.deadline.IsZero():
		return w.changed, time.Hour
	}
	return w.changed, time.Until(w.deadline)
}

// writable is told by the loop that the socket may have room, or has failed.
func (w *keptResponse) writable() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changeLocked()
}

func (w *keptResponse) changeLocked() {
	select {
	case w.changed <- struct{}{}:
	default: // nobody waits, or it is told already
	}
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
	w.changeLocked()
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
	w.changed = nil
	w.setDeadlineLocked(time.Time{})
}
