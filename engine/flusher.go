package engine

import (
	"slices"
	"sync"

	"gatehouse/engine/internal/rfc6455"
)

// flusher writes for a share of the sessions: whoever sends puts the session in
// its list, and one goroutine joins all that waits for a connection into one
// write. Nothing else writes to those connections.
type flusher struct {
	wakeup chan struct{}
	stop   chan struct{}

	mu     sync.Mutex // guards what follows
	dirty  []*Session // they have something to write
	direct []*Session // those whose frame is for them alone

	// Owned by run.
	shared  []*Session          // from dirty, and not written yet
	bulk    turns[*Session]     // with more to write than one turn's share
	deflate *rfc6455.Compressor // nil until needed
	scratch []byte              // what join makes; none of it is in use but for jointWrites
	batch   []*Frame
	joint   *jointWrites // nil where every write is a call of its own
}

// Sizes of one write: frames are joined up to flushBytes; a longer frame goes
// out by itself without being copied.
const (
	flushBytes  = 64 << 10
	flushFrames = 512
)

func newFlusher(joint *jointWrites) *flusher {
	size := flushBytes
	if joint != nil {
		size = jointBytes
	}
	return &flusher{
		wakeup:  make(chan struct{}, 1),
		stop:    make(chan struct{}),
		scratch: make([]byte, 0, size),
		batch:   make([]*Frame, 0, flushFrames),
		joint:   joint,
	}
}

// add lists s; its caller has marked it.
func (f *flusher) add(s *Session, direct bool) {
	f.mu.Lock()
	first := len(f.dirty)+len(f.direct) == 0
	if direct {
		f.direct = append(f.direct, s)
	} else {
		f.dirty = append(f.dirty, s)
	}
	f.mu.Unlock()
	if first {
		select {
		case f.wakeup <- struct{}{}:
		default:
		}
	}
}

// sharedTurns is how many receivers of broadcasts get a turn in one pass, and
// bulkTurns how many sessions of the bulk.
const (
	sharedTurns = 16
	bulkTurns   = 16
)

// run writes in passes. In each of them every session that was sent something for
// itself alone gets a turn, such as for an acknowledgement, but only a few receivers
// of broadcasts and a few of the bulk: nobody's answer waits for somebody else's room.
func (f *flusher) run() {
	defer f.endJoint()
	var direct, listed []*Session
	for f.wait() {
		f.mu.Lock()
		direct, f.direct = f.direct, direct[:0]
		if len(f.shared) == 0 {
			listed, f.dirty = f.dirty, listed[:0]
			f.shared = listed
		}
		f.mu.Unlock()
		for some := range slices.Chunk(direct, sharedTurns) {
			f.flushAll(some)
		}
		f.flushShared()
		f.flushBulk()
	}
}

// wait returns when there is something to do, and false when all is over.
func (f *flusher) wait() bool {
	if f.bulk.length > 0 || len(f.shared) > 0 {
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

// flushShared gives the next receivers of broadcasts their turns.
func (f *flusher) flushShared() {
	n := min(len(f.shared), sharedTurns)
	f.flushAll(f.shared[:n])
	f.shared = f.shared[n:]
}

// flushAll gives each of sessions a turn, together if it can, and clears the list.
func (f *flusher) flushAll(sessions []*Session) {
	if f.joint != nil && len(sessions) > 1 {
		f.flushJointly(sessions)
	} else {
		for _, s := range sessions {
			f.flush(s)
		}
	}
	clear(sessions)
}

// flushBulk gives some of the bulk a turn.
func (f *flusher) flushBulk() {
	for range min(f.bulk.length, bulkTurns) {
		f.flush(f.bulk.pop()) // may put it behind the others
	}
}

// flush writes what waits for s until nothing does or the stream is full. One
// turn ends after flushBytes; the session then has another one among the bulk, so
// that a long backlog does not keep the others waiting.
func (f *flusher) flush(s *Session) {
	for sent := 0; sent < flushBytes; {
		b, whole, conn := f.gather(s)
		if len(b) == 0 {
			return
		}
		n, ok := f.write(s, conn, b, whole)
		if !ok {
			return
		}
		sent += n
	}
	f.bulk.push(s.incoming.Owner(), s)
}

// write writes b, which completes whole frames, and reports whether s may go on.
func (f *flusher) write(s *Session, conn *websocket, b []byte, whole int) (n int, ok bool) {
	n, err := conn.stream.tryWrite(b)
	return n, f.concluded(s, whole, n, len(b), err)
}

// concluded notes what became of a write, and reports whether s may go on.
func (f *flusher) concluded(s *Session, whole, n, want int, err error) bool {
	if err != nil {
		s.streamFailed(err)
		return false
	}
	return f.written(s, whole, n, want)
}

// gather joins waiting frames into one run of bytes, and says how many frames they
// complete. When nothing waits it clears the dirty mark and, for a closing
// session, ends the writing side.
func (f *flusher) gather(s *Session) (b []byte, whole int, conn *websocket) {
	s.mu.Lock()
	conn = s.ws
	if s.blocked || s.out.empty() && conn.context.unsentBytes() == 0 {
		done := s.unlist()
		s.mu.Unlock()
		if done {
			s.closeSent()
		}
		return nil, 0, nil
	}
	if conn.context.unsentBytes() > 0 {
		b = conn.context.unsent
		s.mu.Unlock()
		return b, 0, conn
	}
	frames, offset := s.out.peek(f.batch[:0], flushFrames)
	s.mu.Unlock()
	switch {
	case conn.context == nil:
		b, whole = f.join(frames, offset, conn.form, f.compressorFor(conn))
	default:
		b = f.compressNext(s, conn.context, frames)
	}
	clear(frames)
	return b, whole, conn
}

// unlist takes a session with nothing to write for now off the list, and reports
// whether its close frame is with the kernel. mu is held.
func (s *Session) unlist() (done bool) {
	s.listed = unlisted
	if !s.out.empty() || s.ws.context.unsentBytes() > 0 {
		return false
	}
	s.stall.since = 0
	return s.closing.said() && !s.ws.stream.pending()
}

// compressorFor is nil for a connection that needs none.
func (f *flusher) compressorFor(c *websocket) *rfc6455.Compressor {
	if c.form != formDeflated {
		return nil
	}
	return f.compressor(c.s.srv)
}

// compressor returns what compresses for all connections of f.
func (f *flusher) compressor(srv *Server) *rfc6455.Compressor {
	if f.deflate == nil {
		f.deflate = rfc6455.NewCompressor(srv.cfg.Deflate.Level, srv.cfg.Deflate.Threshold)
	}
	return f.deflate
}

// join returns the bytes of frames from offset of the first on, and of how many:
// of as many as fit into flushBytes, or of the first alone.
func (f *flusher) join(frames []*Frame, offset int, form forms, z *rfc6455.Compressor) ([]byte, int) {
	first := frames[0].wire(form, z)[offset:]
	if len(frames) == 1 || len(first) >= flushBytes/2 {
		return first, 1
	}
	b := append(f.scratch[len(f.scratch):], first...) // behind what is enlisted
	n := 1
	for _, frame := range frames[1:] {
		next := frame.wire(form, z)
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
	default:
		s.out.advance(n, s.ws.form, f.compressorFor(s.ws), &s.srv.budget)
	}
	if n > 0 {
		s.stall.since = 0
	}
	if n == want {
		return true
	}
	s.blocked = true
	s.listed = unlisted
	s.stalled()
	s.countOutbox()
	s.ws.stream.awaitWritable()
	return false
}
