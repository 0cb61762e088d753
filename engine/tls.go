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

// ListenTLS puts TLS on ln. It returns a listener for the http.Server that the
// Server is mounted in, and takes over ln; cfg is used as [tls.NewListener] uses it;
// what its GetConfigForClient returns should have DynamicRecordSizingDisabled set.
//
// A WebSocket that comes through it is read by a loop once its handshake is through,
// as one without TLS is, so that an idle connection holds no goroutine. With any
// other TLS listener it has a goroutine and a buffer. What handshakes compute takes
// turns: at most half of the processors work for them, so that a storm of new
// connections leaves who is connected alone.
func (srv *Server) ListenTLS(ln net.Listener, cfg *tls.Config) net.Listener {
	cfg = cfg.Clone()
	cfg.DynamicRecordSizingDisabled = true // what waits goes out in one record
	choose := cfg.GetConfigForClient
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if l, ok := hello.Conn.(*tlsLink); ok {
			if err := l.beginHandshake(hello.Context().Done()); err != nil {
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
	return &tlsLink{Conn: conn, turns: l.turns}, nil
}

// handshakeTurns is how many TLS handshakes compute at the same time.
func handshakeTurns() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// tlsLink is the connection under a tls.Conn. At first that is a socket; when its
// WebSocket has been taken over, crypto/tls reads from it what a loop has read, and
// what it writes goes to the loop's stream.
type tlsLink struct {
	net.Conn // the socket, until over is set
	turns    chan struct{}
	turn     sync.Mutex // guards computing
	// computing says that this connection's handshake holds one of turns.
	computing bool

	over atomic.Pointer[tlsStream]
}

// beginHandshake waits for a turn to compute in. The client's first message is there
// and nothing that it does can prolong the turn: the turn ends before the answer is
// written, or with the connection.
func (l *tlsLink) beginHandshake(done <-chan struct{}) error {
	select {
	case l.turns <- struct{}{}:
	case <-done:
		return net.ErrClosed
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.computing = true
	return nil
}

func (l *tlsLink) endHandshake() {
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.computing {
		l.computing = false
		<-l.turns
	}
}

// Read implements net.Conn.
func (l *tlsLink) Read(b []byte) (int, error) {
	if s := l.over.Load(); s != nil {
		return s.arrived(b)
	}
	return l.Conn.Read(b)
}

// Write implements net.Conn.
func (l *tlsLink) Write(b []byte) (int, error) {
	if s := l.over.Load(); s != nil {
		return s.send(b)
	}
	l.endHandshake()
	return l.Conn.Write(b)
}

// Close implements net.Conn.
func (l *tlsLink) Close() error {
	l.endHandshake()
	if s := l.over.Load(); s != nil {
		s.close()
		return nil
	}
	return l.Conn.Close()
}

// SetDeadline implements net.Conn. A stream that a loop reads has no deadlines:
// nothing waits in it.
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

// SyscallConn implements syscall.Conn, for what asks the kernel about the socket.
func (l *tlsLink) SyscallConn() (syscall.RawConn, error) {
	if c, ok := l.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, syscall.EINVAL
}

// errNothingArrived says that all that the loop has read is used up. It is
// temporary: crypto/tls goes on where it stopped when it is asked again.
type errNothingArrived struct{}

// Error implements error.
func (errNothingArrived) Error() string { return "would block" }

// Timeout implements net.Error.
func (errNothingArrived) Timeout() bool { return false }

// Temporary implements net.Error.
func (errNothingArrived) Temporary() bool { return true }
