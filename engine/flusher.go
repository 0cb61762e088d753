package engine

import "sync"

// flusher writes for a share of the sessions: whoever sends puts the session in
// its list, and one goroutine joins all that waits for a connection into one
// write. Nothing else writes to those connections.
type flusher struct {
	wakeup chan struct{}
	stop   chan struct{}

	mu    sync.Mutex // guards what follows
	dirty []*Session

	// Owned by run.
	bulk    []*Session  // dirty, with more to write than one turn's share
	deflate *compressor // nil until needed
	scratch []byte
	batch   []*Frame
}

// Sizes of one write: frames are joined up to flushBytes; a longer frame goes
// out by itself without being copied.
const (
	flushBytes  = 64 << 10
	flushFrames = 512
)

func newFlusher() *flusher {
	return &flusher{
		wakeup:  make(chan struct{}, 1),
		stop:    make(chan struct{}),
		scratch: make([]byte, 0, flushBytes),
		batch:   make([]*Frame, 0, flushFrames),
	}
}

// add lists s; its caller has marked it dirty.
func (f *flusher) add(s *Session) {
	f.mu.Lock()
	first := len(f.dirty) == 0
	f.dirty = append(f.dirty, s)
	f.mu.Unlock()
	if first {
		select {
		case f.wakeup <- struct{}{}:
		default:
		}
	}
}

// run gives each listed session its turn, and after each pass a few of the bulk:
// one pass is never longer than a turn for every session of this flusher, however
// much waits for some of them.
func (f *flusher) run() {
	var work []*Session
	for f.wait() {
		f.mu.Lock()
		work, f.dirty = f.dirty, work[:0]
		f.mu.Unlock()
		for i, s := range work {
			f.flush(s)
			work[i] = nil
		}
		f.flushBulk()
	}
}

// wait returns when there is something to do, and false when all is over.
func (f *flusher) wait() bool {
	if len(f.bulk) > 0 {
		select {
		case <-f.stop:
			return false
		default:
			return true
		}
	}
	select {
	case <-f.stop:
		return false
	case <-f.wakeup:
		return true
	}
}

// bulkTurns is how many sessions of the bulk get a turn between two passes.
const bulkTurns = 16

// flushBulk gives the oldest of the bulk a turn.
func (f *flusher) flushBulk() {
	n := min(len(f.bulk), bulkTurns)
	for _, s := range f.bulk[:n] {
		f.flush(s) // may put it behind the others
	}
	left := copy(f.bulk, f.bulk[n:])
	clear(f.bulk[left:])
	f.bulk = f.bulk[:left]
}

// flush writes what waits for s until nothing does or the stream is full. One
// turn ends after flushBytes; the session then has another one among the bulk, so
// that a long backlog does not keep the others waiting.
func (f *flusher) flush(s *Session) {
	for sent := 0; sent < flushBytes; {
		b, frames, conn := f.gather(s)
		if len(b) == 0 {
			return
		}
		n, err := conn.stream.tryWrite(b)
		if err != nil {
			s.streamFailed(err)
			return
		}
		if !f.written(s, frames, n, len(b)) {
			return
		}
		sent += n
	}
	f.bulk = append(f.bulk, s)
}

// gather joins waiting frames into one run of bytes, and says how many frames they
// complete. When nothing waits it clears the dirty mark and, for a closing
// session, ends the writing side.
func (f *flusher) gather(s *Session) (b []byte, whole int, conn *websocket) {
	s.mu.Lock()
	conn = s.ws
	if s.blocked || s.out.empty() && conn.context.unsent() == 0 {
		done := s.rest()
		s.mu.Unlock()
		if done {
			s.closeSent()
		}
		return nil, 0, nil
	}
	if conn.context.unsent() > 0 {
		b = conn.context.rest
		s.mu.Unlock()
		return b, 0, conn
	}
	frames, offset := s.out.peek(f.batch[:0], flushFrames)
	s.mu.Unlock()
	switch {
	case !conn.deflates:
		b, whole = f.join(frames, offset, nil)
	case conn.context == nil:
		b, whole = f.join(frames, offset, f.compressor(s.srv))
	default:
		b = f.compressNext(s, conn.context, frames)
	}
	clear(frames)
	return b, whole, conn
}

// rest takes a session with nothing to write for now off the list, and reports
// whether its close frame is with the kernel. mu is held.
func (s *Session) rest() (done bool) {
	s.dirty = false
	if !s.out.empty() || s.ws.context.unsent() > 0 {
		return false
	}
	s.stall.since = 0
	return s.closing.said() && !s.ws.stream.pending()
}

// compressor returns what compresses for all connections of f.
func (f *flusher) compressor(srv *Server) *compressor {
	if f.deflate == nil {
		f.deflate = newCompressor(srv.cfg.Deflate)
	}
	return f.deflate
}

// join returns the bytes of frames from offset of the first on, and of how many:
// of as many as fit into flushBytes, or of the first alone.
func (f *flusher) join(frames []*Frame, offset int, z *compressor) ([]byte, int) {
	first := frames[0].wire(z)[offset:]
	if len(frames) == 1 || len(first) >= flushBytes/2 {
		return first, 1
	}
	b := append(f.scratch[:0], first...)
	n := 1
	for _, frame := range frames[1:] {
		next := frame.wire(z)
		if len(b)+len(next) > flushBytes {
			break
		}
		b = append(b, next...)
		n++
	}
	return b, n
}

// written notes that n of want bytes are with the kernel, which complete whole
// frames if they are all. It reports false when the stream is full; it will call
// websocket.writable when it has room.
func (f *flusher) written(s *Session, whole, n, want int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ws.context != nil:
		s.ws.context.advance(n, &s.srv.budget)
	case n == want:
		s.out.shift(whole, &s.srv.budget)
	case s.ws.deflates:
		s.out.advance(n, f.compressor(s.srv), &s.srv.budget)
	default:
		s.out.advance(n, nil, &s.srv.budget)
	}
	if n > 0 {
		s.stall.since = 0
	}
	if n == want {
		return true
	}
	s.blocked = true
	s.dirty = false
	s.stalled()
	s.countOutbox()
	s.ws.stream.awaitWritable()
	return false
}
