package engine

import (
	"runtime"
	"slices"
	"sync"

	"gatehouse/engine/internal/rfc6455"
)

// flusher writes to a share of the WebSockets. A sender puts the connection in its
// list, and one goroutine joins all that waits for the connection into one write.
// Nothing else writes to those connections.
type flusher struct {
	wakeup chan struct{}
	stop   chan struct{}

	mu     sync.Mutex   // guards what follows
	dirty  []*websocket // they have something to write
	direct []*websocket // those whose frame is for them alone

	// Owned by run.
	shared  []*websocket        // from dirty, and not written yet
	bulk    turns[*websocket]   // with more to write than one turn's share
	deflate *rfc6455.Compressor // nil until needed
	scratch []byte              // buffer of join; only jointWrites keep parts of it
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

// listing says in which list of its flusher a connection is.
type listing uint8

const (
	unlisted listing = iota
	listedShared
	listedDirect
)

// add lists c; its caller has marked it.
func (f *flusher) add(c *websocket, direct bool) {
	f.mu.Lock()
	first := len(f.dirty)+len(f.direct) == 0
	if direct {
		f.direct = append(f.direct, c)
	} else {
		f.dirty = append(f.dirty, c)
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
// bulkTurns how many of the bulk.
const (
	sharedTurns = 16
	bulkTurns   = 16
)

// run writes in passes. In each pass a turn goes to every connection with a frame for
// it alone, such as an acknowledgement, and to only a few receivers of broadcasts and
// a few of the bulk: an answer does not wait for somebody else's room.
func (f *flusher) run() {
	defer f.endJoint()
	var direct, listed []*websocket
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
		runtime.Gosched() // a busy flusher never parks, for the same reason as a busy epollLoop
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

// flushAll gives each of conns a turn, together if it can, and clears the list.
func (f *flusher) flushAll(conns []*websocket) {
	if f.joint != nil && len(conns) > 1 {
		f.flushJointly(conns)
	} else {
		for _, c := range conns {
			f.flush(c)
		}
	}
	clear(conns)
}

// flushBulk gives some of the bulk a turn.
func (f *flusher) flushBulk() {
	for range min(f.bulk.length, bulkTurns) {
		f.flush(f.bulk.pop()) // may put it behind the others
	}
}

// flush writes what waits for c until nothing does or the stream is full. One
// turn ends after flushBytes; the connection then has another one among the bulk, so
// that a long backlog does not keep the others waiting.
func (f *flusher) flush(c *websocket) {
	for sent := 0; sent < flushBytes; {
		b, whole := f.gather(c)
		if len(b) == 0 {
			return
		}
		n, ok := f.write(c, b, whole)
		if !ok {
			return
		}
		sent += n
	}
	f.bulk.push(c.account(), c)
}

// write writes b, which completes whole frames, and reports whether c may go on.
func (f *flusher) write(c *websocket, b []byte, whole int) (n int, ok bool) {
	n, err := c.stream.tryWrite(b)
	return n, f.concluded(c, whole, n, len(b), err)
}

// concluded handles the result of a write, and reports whether c may go on.
func (f *flusher) concluded(c *websocket, whole, n, want int, err error) bool {
	if err != nil {
		c.s.streamFailed(err)
		return false
	}
	return f.written(c, whole, n, want)
}

// gather joins waiting frames into one run of bytes, and says how many frames they
// complete. When nothing waits it takes c off the list and, for a closing session,
// ends the writing side.
func (f *flusher) gather(c *websocket) (b []byte, whole int) {
	s := c.s
	s.mu.Lock()
	unsent := c.unsent()
	if c.blocked || s.out.empty() && unsent == 0 {
		done := c.unlistLocked()
		s.mu.Unlock()
		if done {
			c.closeSent()
		}
		return nil, 0
	}
	if unsent > 0 {
		b = c.context.unsent
		s.mu.Unlock()
		return b, 0
	}
	frames, offset := s.out.peek(f.batch[:0], flushFrames)
	s.mu.Unlock()
	if c.context == nil {
		b, whole = f.join(frames, offset, c.frames, f.compressorFor(c))
	} else {
		b = f.compressNext(c, frames)
	}
	clear(frames)
	return b, whole
}

// unlistLocked takes a connection with nothing to write for now off the list, and
// reports whether its close frame is with the kernel. Session.mu is held.
func (c *websocket) unlistLocked() (done bool) {
	s := c.s
	c.listed = unlisted
	if !s.out.empty() || c.unsent() > 0 {
		return false
	}
	s.stall.since = 0
	return s.closing.said() && !c.stream.pending()
}

// compressorFor is nil for a connection that needs none.
func (f *flusher) compressorFor(c *websocket) *rfc6455.Compressor {
	if c.frames != frameDeflated {
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

// join returns the bytes of frames, from offset of the first on, and how many
// frames that are: as many as fit into flushBytes, or the first alone.
func (f *flusher) join(frames []*Frame, offset int, form framing, z *rfc6455.Compressor) ([]byte, int) {
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

// written notes that the kernel has taken n of want bytes; all want bytes together
// complete whole frames. It reports false when the stream is full: the stream calls
// websocket.writable when it has room.
func (f *flusher) written(c *websocket, whole, n, want int) bool {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.context != nil:
		c.context.advanceLocked(n, &s.srv.budget)
	case n == want:
		s.out.shift(whole, &s.srv.budget)
	default:
		s.out.advance(n, c.frames, f.compressorFor(c), &s.srv.budget)
	}
	if n > 0 {
		s.stall.since = 0
	}
	if n == want {
		return true
	}
	c.blocked = true
	c.listed = unlisted
	s.stalledLocked()
	s.countOutboxLocked()
	c.stream.awaitWritable()
	return false
}
