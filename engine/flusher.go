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

func (f *flusher) run() {
	var work []*Session
	for {
		select {
		case <-f.stop:
			return
		case <-f.wakeup:
		}
		f.mu.Lock()
		work, f.dirty = f.dirty, work[:0]
		f.mu.Unlock()
		for i, s := range work {
			f.flush(s)
			work[i] = nil
		}
	}
}

// flush writes what waits for s until nothing does or the stream is full. After
// flushRounds writes the session goes to the end of the list, so that one busy
// client does not keep the others waiting.
func (f *flusher) flush(s *Session) {
	for range flushRounds {
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
	}
	f.add(s)
}

const flushRounds = 4

// gather joins waiting frames into one run of bytes. When nothing waits it
// clears the dirty mark and, for a closing session, ends the writing side.
func (f *flusher) gather(s *Session) (b []byte, conn *websocket, more bool) {
	s.mu.Lock()
	if s.out.empty() || s.blocked {
		s.dirty = false
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
	s.out.advance(n)
	if n == want {
		return true
	}
	s.blocked = true
	s.dirty = false
	s.ws.stream.awaitWritable()
	return false
}
