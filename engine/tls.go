package engine

import (
	"crypto/tls"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ListenTLS puts TLS on ln. It returns a listener for the http.Server that the Server
// is mounted in, and takes over ln. cfg is used as [tls.NewListener] uses it; a
// configuration that its GetConfigForClient returns should have
// DynamicRecordSizingDisabled set.
//
// A WebSocket that comes through it is read by a loop after its TLS handshake,
// as one without TLS is, so that an idle connection holds no goroutine. With any
// other TLS listener it has a goroutine and a buffer. TLS handshakes take turns: at
// most half of the processors compute for them, so that a storm of new connections
// does not slow down those that exist.
func (srv *Server) ListenTLS(ln net.Listener, cfg *tls.Config) net.Listener {
	cfg = cfg.Clone()
	cfg.DynamicRecordSizingDisabled = true // all that waits goes out in one record
	choose := cfg.GetConfigForClient
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if l, ok := hello.Conn.(*tlsLink); ok {
			if err := l.beginHandshake(); err != nil {
				return nil, err
			}
		}
		if choose == nil {
			return nil, nil // cfg
		}
		return choose(hello)
	}
	return tls.NewListener(srv.beneathTLS(ln), cfg)
}

// beneathTLS has the connections of ln ready to be read by a loop.
func (srv *Server) beneathTLS(ln net.Listener) net.Listener {
	return &tlsLinks{Listener: ln, turns: srv.handshakes}
}

type tlsLinks struct {
	net.Listener
	turns chan struct{}
}

// Accept implements net.Listener.
func (l *tlsLinks) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsLink{Conn: conn, turns: l.turns, gone: make(chan struct{})}, nil
}

// handshakeTurns is how many TLS handshakes compute at the same time.
func handshakeTurns() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// tlsLink is the connection under a tls.Conn. At first it is a socket. Once its
// WebSocket has been taken over, crypto/tls reads from it the bytes that a loop has
// read, and its writes go to the loop's stream.
type tlsLink struct {
	net.Conn // the socket, until over is set
	turns    chan struct{}
	gone     chan struct{} // closed when the connection is

	mu     sync.Mutex // guards what follows
	turn   handshakeTurn
	closed bool

	over atomic.Pointer[tlsStream]
}

// handshakeTurn is the step of a connection's handshake.
type handshakeTurn uint8

const (
	noTurn    handshakeTurn = iota
	computing               // it holds one of the turns
	asked                   // the server has asked the client once more, and computes when the answer has come
)

// beginHandshake waits for a turn to compute in, unless the connection has ended. The
// client's message is complete, so the client cannot prolong the turn: it ends before
// the answer is written, or with the connection.
func (l *tlsLink) beginHandshake() error {
	select {
	case l.turns <- struct{}{}:
	case <-l.gone:
		return net.ErrClosed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		<-l.turns
		return net.ErrClosed
	}
	l.turn = computing
	return nil
}

// endHandshake gives the turn back; next is the step that follows.
func (l *tlsLink) endHandshake(next handshakeTurn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turn == computing {
		l.turn = next
		<-l.turns
	}
}

// Read implements net.Conn.
func (l *tlsLink) Read(b []byte) (int, error) {
	if s := l.over.Load(); s != nil {
		return s.arrived(b)
	}
	l.endHandshake(asked) // a turn does not include waiting for the client
	n, err := l.Conn.Read(b)
	if n > 0 && l.takeAsked() {
		if err := l.beginHandshake(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// takeAsked reports whether the client was asked once more.
func (l *tlsLink) takeAsked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.turn == asked
	if was {
		l.turn = noTurn
	}
	return was
}

// Write implements net.Conn.
func (l *tlsLink) Write(b []byte) (int, error) {
	if s := l.over.Load(); s != nil {
		return s.send(b)
	}
	if isRetry(b) {
		l.endHandshake(asked)
	} else {
		l.endHandshake(noTurn)
	}
	return l.Conn.Write(b)
}

// isRetry reports whether b is a HelloRetryRequest (RFC 8446, section 4.1.4), before
// which nothing has been computed: a ServerHello with a certain random.
func isRetry(b []byte) bool {
	const before = 5 + 4 + 2 // heads of the record and of the message, version
	return len(b) >= before+len(retryRandom) && b[0] == 22 && b[5] == 2 && string(b[before:before+len(retryRandom)]) == retryRandom
}

const retryRandom = "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91" +
	"\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c"

// Close implements net.Conn.
func (l *tlsLink) Close() error {
	l.endHandshake(noTurn)
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.gone)
	}
	l.mu.Unlock()
	if s := l.over.Load(); s != nil {
		s.close()
		return nil
	}
	return l.Conn.Close()
}

// SetDeadline implements net.Conn. A stream that a loop reads has no deadlines, as
// none of its calls waits.
func (l *tlsLink) SetDeadline(t time.Time) error {
	if l.over.Load() != nil {
		return nil
	}
	return l.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (l *tlsLink) SetReadDeadline(t time.Time) error {
	if l.over.Load() != nil {
		return nil
	}
	return l.Conn.SetReadDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (l *tlsLink) SetWriteDeadline(t time.Time) error {
	if l.over.Load() != nil {
		return nil
	}
	return l.Conn.SetWriteDeadline(t)
}

// SyscallConn implements syscall.Conn, for code that asks the kernel about the
// socket.
func (l *tlsLink) SyscallConn() (syscall.RawConn, error) {
	if c, ok := l.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, syscall.EINVAL
}

// errNothingArrived says that crypto/tls has used up all that the loop has
// read. It is temporary: crypto/tls goes on where it stopped when it is
// called again.
type errNothingArrived struct{}

// Error implements error.
func (errNothingArrived) Error() string { return "would block" }

// Timeout implements net.Error.
func (errNothingArrived) Timeout() bool { return false }

// Temporary implements net.Error.
func (errNothingArrived) Temporary() bool { return true }
