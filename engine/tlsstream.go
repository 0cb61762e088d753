package engine

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"gatehouse/internal/budget"
)

// tlsStream is a stream whose bytes cross the network under TLS (RFC 8446). It stands
// between a session and the stream of the socket, which it owns. crypto/tls does all
// that TLS asks for, over memory: the loop hands in what it has read, and what
// crypto/tls writes goes to the socket at once.
type tlsStream struct {
	owner   streamOwner
	inner   stream // of the socket
	conn    *tls.Conn
	budget  *sendBudget
	buffers *sync.Pool

	// Guarded by the right to hand up, see streamOwner.enter.
	in     []byte // borrowed: read, and not yet taken by crypto/tls
	failed error  // if set, reported after the right is given back

	mu     sync.Mutex // guards what follows; a leaf
	sealed []byte     // the records that a flusher is about to write, or nil
	lent   bool       // it is writing
	out    []byte     // records that the socket had no room for
	unread bool       // out is full
	closed bool
}

// maxUnsent limits what waits for the socket beneath TLS: the records of one turn of
// writing, and answers to requests for new keys. A client that asks for keys and does
// not read is cut.
const maxUnsent = 2 * flushBytes

// errUnread says that a client does not read what TLS itself has to answer.
var errUnread = errors.New("tls: the peer does not read its answers")

// takeTLS makes a stream of a connection under TLS whose handshake is done. take
// makes the stream of its socket.
func (srv *Server) takeTLS(conn *tls.Conn, owner streamOwner) (stream, bool) {
	link, ok := conn.NetConn().(*tlsLink)
	if !ok {
		return nil, false
	}
	s := &tlsStream{owner: owner, conn: conn, budget: &srv.budget, buffers: &srv.buffers}
	inner, ok := srv.epoll.take(link.Conn, s)
	if !ok {
		return nil, false
	}
	s.inner = inner
	link.over.Store(s)
	return s, true
}

// start hands up what crypto/tls has read already, and begins to read.
func (s *tlsStream) start() {
	s.enter()
	s.readable(nil)
	s.leave()
	s.inner.start()
}

// enter implements streamOwner, as do the following.
func (s *tlsStream) enter()         { s.owner.enter() }
func (s *tlsStream) tryEnter() bool { return s.owner.tryEnter() }

func (s *tlsStream) account() budget.Owner { return s.owner.account() }

// leave reports a failure that readable has found. Only now may the owner, which is
// told that its stream has ended, take its locks.
func (s *tlsStream) leave() {
	failed := s.failed
	s.owner.leave()
	if failed != nil {
		s.owner.streamFailed(failed)
	}
}

// readable has crypto/tls decrypt the records that b completes.
func (s *tlsStream) readable(b []byte) {
	if s.failed != nil {
		return
	}
	s.in = b
	plain := s.buffers.Get().(*[readBytes]byte)
	defer s.buffers.Put(plain)
	for {
		n, err := s.conn.Read(plain[:])
		if n > 0 {
			s.owner.readable(plain[:n])
		}
		if err != nil {
			s.in = nil
			s.failed = s.failure(err)
			return
		}
	}
}

// failure returns the error that ends the stream, or nil, when reading stopped with
// err. crypto/tls reports a failed answer of its own only to the next write.
func (s *tlsStream) failure(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.unread:
		return errUnread
	case errors.Is(err, errNothingArrived{}):
		return nil
	}
	return err
}

// arrived gives crypto/tls the bytes that the loop has read.
func (s *tlsStream) arrived(b []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, errNothingArrived{}
	}
	n := copy(b, s.in)
	s.in = s.in[n:]
	return n, nil
}

// send writes records. Records for which there is no room wait: crypto/tls considers a
// record sent once it has been written, and an error would end the connection.
func (s *tlsStream) send(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, net.ErrClosed
	case len(s.out)+len(b) > maxUnsent:
		s.unread = true
		return 0, errUnread
	}
	if s.sealed != nil {
		s.sealed = append(s.sealed, b...)
		return len(b), nil
	}
	n := 0
	if len(s.out) == 0 && !s.lent {
		var err error
		if n, err = s.inner.tryWrite(b); err != nil {
			return n, err
		}
	}
	if n < len(b) {
		s.out = append(s.out, b[n:]...)
		s.budget.add(int64(len(b) - n))
		s.inner.awaitWritable()
	}
	return len(b), nil
}

// lend implements jointSocket: it lends records.
func (s *tlsStream) lend(b, room []byte) (fd int, wire []byte, ok bool) {
	inner, ok := s.inner.(jointSocket)
	if !ok {
		return 0, nil, false
	}
	s.mu.Lock()
	s.sealed = room[:0]
	s.mu.Unlock()
	_, err := s.conn.Write(b[:min(len(b), flushBytes)])
	s.mu.Lock()
	defer s.mu.Unlock()
	wire, s.sealed = s.sealed, nil
	if err != nil || s.closed {
		return 0, nil, false
	}
	if len(s.out) > 0 { // an answer of TLS itself came in between, and goes first
		s.out = append(s.out, wire...)
		s.budget.add(int64(len(wire)))
		wire = wire[:0]
	}
	fd, wire, s.lent = inner.lend(wire, nil)
	return fd, wire, s.lent
}

// conclude implements jointSocket. Sealed records count as written: the rest of them
// waits.
func (s *tlsStream) conclude(b int, wire []byte, result int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = false
	n, err = s.inner.(jointSocket).conclude(len(wire), wire, result)
	if err != nil || s.closed {
		return 0, err
	}
	if rest := wire[n:]; len(rest) > 0 {
		s.out = append(append(make([]byte, 0, len(rest)+len(s.out)), rest...), s.out...)
		s.budget.add(int64(len(rest)))
	}
	if len(s.out) > 0 {
		s.inner.awaitWritable()
	}
	return min(b, flushBytes), nil
}

// tryWrite takes a turn's share at most, and nothing while records wait.
func (s *tlsStream) tryWrite(b []byte) (int, error) {
	if s.pending() {
		return 0, nil
	}
	return s.conn.Write(b[:min(len(b), flushBytes)])
}

func (s *tlsStream) pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out) > 0
}

// writable implements streamOwner: the socket has room.
func (s *tlsStream) writable() {
	sent, err := s.sendRest()
	switch {
	case err != nil:
		s.owner.streamFailed(err)
	case sent:
		s.owner.writable()
	}
}

// sendRest reports whether nothing waits for the socket any more.
func (s *tlsStream) sendRest() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed || len(s.out) == 0:
		return true, nil
	case s.lent: // the flusher's records come first; conclude goes on
		return false, nil
	}
	n, err := s.inner.tryWrite(s.out)
	s.budget.add(-int64(n))
	s.out = s.out[n:]
	if err != nil || len(s.out) > 0 {
		s.inner.awaitWritable()
		return false, err
	}
	s.out = nil
	return true, nil
}

func (s *tlsStream) awaitWritable() { s.inner.awaitWritable() }

func (s *tlsStream) queued() int {
	n := s.inner.queued()
	if n < 0 {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return n + len(s.out)
}

func (s *tlsStream) pause()  { s.inner.pause() }
func (s *tlsStream) resume() { s.inner.resume() }

// closeWrite says good-bye to TLS (RFC 8446, section 6.1); the peer ends the
// connection when it has read that.
func (s *tlsStream) closeWrite() { _ = s.conn.CloseWrite() }

// streamFailed implements streamOwner.
func (s *tlsStream) streamFailed(err error) { s.owner.streamFailed(err) }

func (s *tlsStream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.budget.add(-int64(len(s.out)))
	s.out = nil
	s.inner.close()
}
