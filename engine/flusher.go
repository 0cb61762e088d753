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
	bulk    []*Session // dirty, with more to write than one turn's share
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
		b, conn, more := f.gather(s)
		if !more {
			return
		}
		n, err := conn.stream.tryWrite(b)
		if err != nil {
			s.streamFailed(err)
			return
		}
		if !s.written(n, len(b)) {
			return
		}
		sent += n
	}
	f.bulk = append(f.bulk, s)
}

// gather joins waiting frames into one run of bytes. When nothing waits it
// clears the dirty mark and, for a closing session, ends the writing side.
func (f *flusher) gather(s *Session) (b []byte, conn *websocket, more bool) {
	s.mu.Lock()
	if s.out.empty() || s.blocked {
		s.dirty = false
		if s.out.empty() {
			s.stall.since = 0
		}
		done := s.out.empty() && s.closing.queued && !s.ws.stream.pending()
		s.mu.Unlock()
		if done {
			s.closeSent()
		}
		return nil, nil, false
	}
	conn = s.ws
	frames, offset := s.out.peek(f.batch[:0], flushFrames)
	s.mu.Unlock()
	b = f.join(frames, offset)
	clear(frames)
	return b, conn, true
}

// join returns the bytes of frames from offset of the first on: of as many as
// fit into flushBytes, or of the first alone.
func (f *flusher) join(frames []*Frame, offset int) []byte {
	first := frames[0].websocket()[offset:]
	if len(frames) == 1 || len(first) >= flushBytes/2 {
		return first
	}
	b := append(f.scratch[:0], first...)
	for _, frame := range frames[1:] {
		next := frame.websocket()
		if len(b)+len(next) > flushBytes {
			break
		}
		b = append(b, next...)
	}
	return b
}

// written notes that n of want bytes are with the kernel. It reports false when
// the stream is full; it will call Session.writable when it has room.
func (s *Session) written(n, want int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.advance(n, &s.srv.budget)
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
