package bridge

import (
	"crypto/rand"
	"sync"
	"sync/atomic"

	zengine "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"

	"gatehouse/engine"
	"gatehouse/packet"
)

// conn is one session of package engine, which implements the library's
// engine.Socket. Of the events of such a socket it emits "data" and "close",
// which the library listens to.
type conn struct {
	events.EventEmitter

	// Fixed.
	srv     *Server
	session *engine.Session
	id      string
	request *types.HttpContext

	state atomic.Pointer[string] // readyState, in the library's words

	// Owned by the engine's reader.
	packets packet.Decoder
	size    int // bytes of the packet in progress

	// feeding keeps the parts of a packet with attachments together in the
	// library's decoder: text packets lock it shared, such a packet locks it
	// alone.
	feeding sync.RWMutex

	outMu   sync.Mutex // guards outgoing
	partial *partial   // a packet whose attachments follow

	transport struct {
		once  sync.Once
		value transports.Transport
	}

	done chan struct{} // closed when no goroutine may wait any more

	mu      sync.Mutex // guards what follows; no callback runs under it
	lanes   map[string]*lane
	seats   map[string]*seat
	packed  int // packets that wait in lanes
	bytes   int
	asked   []question // oldest first
	paused  bool
	dropped bool // waiting packets are not handled any more
	why     string
	ended   bool
	idle    chan struct{} // closed when the session has ended and no lane is busy
}

// The library's ready states.
var (
	stateOpen    = "open"
	stateClosing = "closing"
	stateClosed  = "closed"
)

func newConn(srv *Server, session *engine.Session) *conn {
	c := &conn{
		EventEmitter: events.New(),
		srv:          srv,
		session:      session,
		id:           rand.Text(), // the session's own id is a secret that the engine keeps
		request:      newRequest(session.Peer(), srv.path),
		packets:      packet.NewDecoder(srv.cfg.Limits),
		done:         make(chan struct{}),
		idle:         make(chan struct{}),
		lanes:        make(map[string]*lane),
		seats:        make(map[string]*seat),
	}
	c.state.Store(&stateOpen)
	return c
}

// reader is the conn as the engine's Handler.
type reader struct{ *conn }

// Message implements engine.Handler. An invalid packet ends the connection and
// does not reach the library.
func (r reader) Message(binary bool, data []byte) {
	c := r.conn
	decode := c.packets.Text
	if binary {
		decode = c.packets.Binary
	}
	p, complete, err := decode(data)
	if err != nil {
		c.end(engine.CodeInvalidPayload, string(engine.ReasonParseError))
		return
	}
	c.size += len(data)
	if complete {
		c.enqueue(p, c.size)
		c.size = 0
	}
}

// Close implements engine.Handler: when the listeners are done with earlier
// packets, the library is told.
func (r reader) Close(why engine.Close) {
	c := r.conn
	idle, reason := c.over(string(why.Reason))
	c.srv.workers.Go(func() {
		wait(idle, c.srv.cfg.CloseWait)
		c.finish(reason, why.Err)
	})
}

// finish ends the connection: no goroutine waits any more, and the library is
// told.
func (c *conn) finish(reason string, err error) {
	defer c.srv.recovered(c, "disconnect")
	close(c.done)
	c.state.Store(&stateClosed)
	c.srv.front.Clients().Delete(c.id)
	c.Emit("close", reason, err)
}

// end closes the session from this side and drops waiting packets.
func (c *conn) end(code int, reason string) {
	c.drop(reason)
	c.session.Close(code, reason)
}

// Close implements engine.Socket: the library wants the connection closed.
// Earlier packets still go out.
func (c *conn) Close(bool) {
	if c.state.CompareAndSwap(&stateOpen, &stateClosing) {
		c.end(engine.CodeNormal, string(engine.ReasonForcedClose))
	}
}

// The methods below implement the rest of engine.Socket.

func (c *conn) Id() string                  { return c.id }
func (c *conn) Protocol() int               { return 4 }
func (c *conn) Request() *types.HttpContext { return c.request }
func (c *conn) RemoteAddress() string       { return c.session.Peer().RemoteAddr.String() }
func (c *conn) ReadyState() string          { return *c.state.Load() }
func (c *conn) SetReadyState(state string)  { c.state.Store(&state) }
func (c *conn) Upgrading() bool             { return false }

func (c *conn) Upgraded() bool { return c.session.Transport() != c.session.Peer().Transport }

// Construct does nothing: a conn is made by newConn.
func (c *conn) Construct(string, zengine.BaseServer, transports.Transport, *types.HttpContext, int) {
}

// MaybeUpgrade does nothing: our engine upgrades by itself.
func (c *conn) MaybeUpgrade(transports.Transport) {}
