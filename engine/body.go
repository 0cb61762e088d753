package engine

import (
	"errors"
	"io"
	"math"
	"net/http"
	"time"
)

// bodyReader reads the body of a POST.
type bodyReader struct {
	s     *Session
	post  *pendingPOST
	began time.Time
	rc    *http.ResponseController
	body  io.Reader
	limit int // in bytes
	got   []byte
	held  int // counts for the session
}

// firstRead is how much memory a body gets before any of it is there, in bytes.
const firstRead = 512

// read reads to the end of the body. Its memory grows with what has come.
func (b *bodyReader) read() error {
	b.got = make([]byte, 0, min(firstRead, b.limit+1))
	for {
		if len(b.got) == cap(b.got) && !b.grow() {
			return errIncoming
		}
		n, err := b.body.Read(b.got[len(b.got):cap(b.got)])
		b.got = b.got[:len(b.got)+n]
		switch {
		case len(b.got) > b.limit:
			return errTooBig
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		b.extend()
	}
}

// grow makes room for more bytes, if the session may hold them.
func (b *bodyReader) grow() bool {
	room := min(max(2*cap(b.got), readBytes), b.limit+1)
	if !b.s.Hold(room - b.held) {
		b.held = room
		return false
	}
	b.held = room
	b.got = append(make([]byte, 0, room), b.got...)
	return true
}

// extend gives the rest of the body more time for the bytes that have come. A body
// that was given up gets none: its deadline stays in the past.
func (b *bodyReader) extend() {
	b.post.came.Store(uint32(min(uint64(len(b.got)), math.MaxUint32)))
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if !b.post.cut {
		_ = b.rc.SetReadDeadline(b.began.Add(b.s.srv.limits().MessageTimeout + allowance(len(b.got))))
	}
}

// release takes the body off what the session holds.
func (b *bodyReader) release() { b.s.Hold(-b.held) }
