package bridge

import (
	"encoding/json"
	"sync"
	"sync/atomic"

	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/socket.io/v2/socket"
)

// seat is the place of one connection in one namespace: the library's socket,
// and its packet that is being handled.
type seat struct {
	c    *conn
	name string
	turn atomic.Pointer[turn]

	ready sync.Once // the connection listeners have run

	socket *socket.Socket // nil until the CONNECT reply; guarded by conn.mu
	gone   bool           // the server disconnected it; guarded by conn.mu
}

// maxGone is how many seats are remembered whose socket the server has
// disconnected. Events that the client has sent before it knew are dropped, and
// do not count as a fault of the client.
const maxGone = 64

func (c *conn) seat(name string) (s *seat, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s = c.seats[name]
	return s, s != nil && s.gone
}

// take makes a new seat.
func (c *conn) take(name string) *seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &seat{c: c, name: name}
	c.seats[name] = s
	return s
}

// leave gives a seat up, unless another has taken its place.
func (c *conn) leave(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seats[s.name] == s {
		delete(c.seats, s.name)
	}
}

// admitted is called when the library sends a CONNECT reply, in the goroutine
// that calls the connection listeners next: the last moment at which a listener
// of ours comes behind all of theirs.
func (c *conn) admitted(reply []byte) {
	var sent struct {
		SID socket.SocketId `json:"sid"`
	}
	if err := json.Unmarshal(body(reply), &sent); err != nil {
		return
	}
	name := namespaceOf(reply)
	namespace := c.srv.io.Of(name, nil) // the library is admitting a socket
	sock, ok := namespace.Sockets().Load(sent.SID)
	if !ok {
		return
	}
	s, gone := c.seat(name)
	if s == nil || gone {
		s = c.take(name) // a middleware has called next after all
	}
	c.mu.Lock()
	s.socket = sock
	c.mu.Unlock()
	sock.Use(s.first)
	_ = sock.On("error", s.failed)
	_ = sock.On("disconnect", s.left)
	_ = namespace.On("connection", c.srv.connected)
}

// refused is called when the library has sent a CONNECT_ERROR.
func (c *conn) refused(name string) {
	if s, _ := c.seat(name); s != nil {
		s.turn.Load().finish()
	}
}

// connected is the last listener of "connection" while sockets are connecting.
// There is one for each such socket, all alike, and each socket removes the
// oldest one. So the newest, which stands behind all listeners of the
// application, stays until its own socket has come.
func (s *Server) connected(args ...any) {
	sock, ok := args[0].(*socket.Socket)
	if !ok {
		return
	}
	c, ok := sock.Conn().(*conn)
	if !ok {
		return
	}
	if seat, _ := c.seat(sock.Nsp().Name()); seat != nil && seat.holds(sock) {
		seat.ready.Do(func() {
			sock.Use(seat.last)
			sock.Nsp().EventEmitter().RemoveListener("connection", s.connected)
			seat.turn.Load().finish()
		})
	}
}

func (s *seat) holds(sock *socket.Socket) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.socket == sock
}

// first is the first middleware of the socket's events. When it returns, those
// of the application have run, or wait for something themselves.
func (s *seat) first(_ []any, next func(error)) {
	t := s.turn.Load()
	next(nil)
	t.passed()
}

// last is the last middleware of the socket's events: the library calls the
// listeners next. It adds a last listener, but only where there are others,
// because the client chooses the names.
func (s *seat) last(event []any, next func(error)) {
	t := s.turn.Load()
	name, _ := event[0].(string)
	heard := s.socketNow().ListenerCount(events.EventName(name)) > 0
	if heard {
		t.listen(s.socketNow(), name)
	}
	next(nil)
	if !heard {
		t.finish()
	}
}

func (s *seat) socketNow() *socket.Socket {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.socket
}

// failed is called when a middleware has refused the event.
func (s *seat) failed(...any) {
	if t := s.turn.Load(); t != nil && t.event != "error" {
		t.finish()
	}
}

// left is called when the socket has gone and the library has forgotten it.
func (s *seat) left(args ...any) {
	reason, _ := args[0].(string)
	if reason == "server namespace disconnect" {
		s.c.vacate(s)
	} else {
		s.c.leave(s)
	}
	s.turn.Load().finish()
}

// vacate notes that the server disconnected the socket.
func (c *conn) vacate(s *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.gone = true
	gone := 0
	for _, other := range c.seats {
		if other.gone {
			gone++
		}
	}
	if gone > maxGone {
		delete(c.seats, s.name)
	}
}
