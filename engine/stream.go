package engine

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
)

// stream is the connection under a WebSocket: bytes in both directions. Its
// methods are safe for concurrent use, but for tryWrite, which one goroutine at
// a time may call.
type stream interface {
	// start begins reading.
	start()
	// tryWrite writes what fits without waiting. n < len(b) without an error
	// means that the stream is full. It does not keep b.
	tryWrite(b []byte) (n int, err error)
	// pending reports whether bytes that tryWrite took are still on their way;
	// streamOwner.writable follows when they are not.
	pending() bool
	// awaitWritable asks for one call of streamOwner.writable, when there is room.
	awaitWritable()
	// queued is how many bytes the kernel holds that the peer has not taken, or -1
	// where that cannot be known.
	queued() int
	// pause stops reading after what is being handed up; resume goes on.
	pause()
	resume()
	// closeWrite ends the writing side, with nothing pending; reading goes on.
	closeWrite()
	// close ends both sides. Bytes whose handing up has not begun are not handed up
	// any more.
	close()
}

// streamOwner is the owner of a stream.
type streamOwner interface {
	// enter waits for the right to hand bytes up, which leave gives back. tryEnter
	// does not wait: it reports false when somebody else has it, and then the owner
	// pauses the stream until that is over.
	enter()
	tryEnter() bool
	leave()
	// readable hands up bytes, between enter and leave; they are borrowed, and may
	// be changed, during the call.
	readable(b []byte)
	// account returns the user or the address whose turns the owner takes.
	account() budget.Owner
	// writable says that a full stream has room.
	writable()
	// streamFailed says that the connection is of no more use: io.EOF when the
	// peer closed. It may be called more than once.
	streamFailed(err error)
}

// readBytes is the size of a borrowed read buffer.
const readBytes = rfc6455.ReadBytes

// errBusy says that a socket would block.
var errBusy = errors.New("would block")

// goStream is a stream with a goroutine that reads: for systems on which this
// package has no epoll loops, and for connections that hide their socket, such as
// those of a TLS listener that is not ListenTLS.
type goStream struct {
	owner   streamOwner
	conn    net.Conn
	raw     syscall.RawConn // nil when the socket is hidden, as under TLS
	spawn   func(func()) bool
	buffers *sync.Pool
	budget  *sendBudget

	mu      sync.Mutex // guards what follows
	resumed *sync.Cond
	paused  bool
	closed  bool
	writing bool // hidden socket: a goroutine writes
}

func newGoStream(conn net.Conn, owner streamOwner, srv *Server) *goStream {
	s := &goStream{owner: owner, conn: conn, spawn: srv.spawn, buffers: &srv.buffers, budget: &srv.budget}
	s.resumed = sync.NewCond(&s.mu)
	s.raw = rawConn(conn)
	return s
}

func (s *goStream) start() { s.spawn(s.read) }

// read hands up what comes in, until the connection ends.
func (s *goStream) read() {
	for s.mayRead() {
		if err := s.readOnce(); err != nil {
			s.owner.streamFailed(err)
			return
		}
	}
	s.owner.streamFailed(net.ErrClosed)
}

func (s *goStream) mayRead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.paused && !s.closed {
		s.resumed.Wait()
	}
	return !s.closed
}

// readOnce reads into a borrowed buffer and hands up what came.
func (s *goStream) readOnce() error {
	b, n, err := s.fill()
	if b != nil {
		if n > 0 {
			s.owner.enter()
			s.owner.readable(b[:n])
			s.owner.leave()
		}
		s.buffers.Put(b)
	}
	return err
}

// fill waits for bytes, without a buffer where the socket shows itself.
func (s *goStream) fill() (b *[readBytes]byte, n int, err error) {
	if s.raw == nil {
		b = s.buffers.Get().(*[readBytes]byte)
		n, err = s.conn.Read(b[:])
		return b, n, err
	}
	waitErr := s.raw.Read(func(fd uintptr) bool {
		b = s.buffers.Get().(*[readBytes]byte)
		n, err = readSome(fd, b[:])
		if errors.Is(err, errBusy) {
			s.buffers.Put(b)
			b, err = nil, nil
			return false
		}
		return true
	})
	return b, n, errors.Join(err, waitErr)
}

func (s *goStream) tryWrite(b []byte) (int, error) {
	if s.raw == nil {
		return s.writeBehind(b)
	}
	var n int
	var failed error
	err := s.raw.Write(func(fd uintptr) bool {
		n, failed = writeSome(fd, b)
		return true
	})
	if err == nil {
		err = failed
	}
	if errors.Is(err, errBusy) {
		err = nil
	}
	return n, err
}

// writeBehind gives a copy of b to a goroutine, when none is writing. It takes no
// more than one turn's share: the copy is memory beside the send queue.
func (s *goStream) writeBehind(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if s.writing {
		return 0, nil
	}
	s.writing = true
	own := append([]byte(nil), b[:min(len(b), flushBytes)]...)
	s.budget.add(int64(len(own)))
	s.spawn(func() {
		_, err := s.conn.Write(own)
		s.budget.add(-int64(len(own)))
		s.mu.Lock()
		s.writing = false
		s.mu.Unlock()
		if err != nil {
			s.owner.streamFailed(err)
			return
		}
		s.owner.writable()
	})
	return len(own), nil
}

func (s *goStream) queued() (n int) {
	n = -1
	if raw := rawConn(socket(s.conn)); raw != nil {
		_ = raw.Control(func(fd uintptr) { n = queuedBytes(fd) }) // closed: not known
	}
	return n
}

func (s *goStream) pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writing
}

// awaitWritable needs no goroutine of its own when one is writing already.
func (s *goStream) awaitWritable() {
	if s.raw == nil {
		s.mu.Lock()
		idle := !s.writing
		s.mu.Unlock()
		if idle { // it ended between tryWrite and here
			s.spawn(s.owner.writable)
		}
		return
	}
	s.spawn(func() {
		if err := s.raw.Write(canWrite); err == nil {
			s.owner.writable()
		}
	})
}

func (s *goStream) pause() { s.setPaused(true) }

func (s *goStream) resume() { s.setPaused(false) }

func (s *goStream) setPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paused = paused
	s.resumed.Broadcast()
}

func (s *goStream) closeWrite() {
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		s.spawn(func() { _ = c.CloseWrite() }) // TLS may wait for room for its alert
		return
	}
	s.close()
}

func (s *goStream) close() {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	s.resumed.Broadcast()
	s.mu.Unlock()
	if !already {
		_ = socket(s.conn).Close()
	}
}

// socket returns the connection under TLS: closing TLS itself would wait seconds
// for a peer that does not read.
func socket(conn net.Conn) net.Conn {
	if c, ok := conn.(interface{ NetConn() net.Conn }); ok {
		return c.NetConn()
	}
	return conn
}
