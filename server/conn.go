package server

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// conn shows one Engine.IO session to the namespaces, and the other way round:
// it is the session's Handler and the client's Conn.
type conn struct {
	// Fixed once open.
	srv     *Server
	session *engine.Session
	id      string // the register's
	client  *namespaces.Client
	began   time.Time

	used    usage
	in, out traffic
}

// traffic counts one direction, for the log.
type traffic struct{ messages, bytes atomic.Int64 }

func (t *traffic) count(bytes int) {
	t.messages.Add(1)
	t.bytes.Add(int64(bytes))
}

// open is what the engine calls for every new session.
func (s *Server) open(session *engine.Session) engine.Handler {
	c := &conn{srv: s, session: session, began: time.Now()}
	s.conns.add(c)
	c.client = s.hub.Connect(c)
	return reader{c}
}

// reader is the conn as the engine's Handler.
type reader struct{ *conn }

// Message implements engine.Handler.
func (r reader) Message(binary bool, data []byte) {
	r.in.count(len(data))
	r.client.Message(binary, data)
}

// Close implements engine.Handler.
func (r reader) Close(why engine.Close) {
	r.client.Closed(disconnectReason(why.Reason))
	r.srv.conns.remove(r.conn)
	r.srv.gate.SessionClosed(r.id)
	r.srv.log.Info("connection closed", r.fields(why)...)
}

// Send implements namespaces.Conn.
func (c *conn) Send(f *packet.Frame) error {
	c.out.count(size(f))
	return c.session.Send(rendered(f))
}

// SendVolatile implements namespaces.Conn.
func (c *conn) SendVolatile(f *packet.Frame) bool {
	sent := c.session.SendVolatile(rendered(f))
	if sent {
		c.out.count(size(f))
	}
	return sent
}

// rendered gives the engine's form of a packet, made once for all receivers.
func rendered(f *packet.Frame) *engine.Frame {
	return f.Rendering(func(f *packet.Frame) any {
		return engine.NewFrame(f.Text, f.Attachments)
	}).(*engine.Frame)
}

func size(f *packet.Frame) int {
	n := len(f.Text)
	for _, a := range f.Attachments {
		n += len(a)
	}
	return n
}

// Admitted implements namespaces.Conn: the limits before admission end.
func (c *conn) Admitted() { c.session.SetMaxMessage(c.srv.cfg.Engine.MaxPayload) }

// Request implements namespaces.Conn.
func (c *conn) Request() *handshake.Request { return c.srv.request(c.session.Peer(), c.id) }

// Close implements namespaces.Conn.
func (c *conn) Close(code int, reason string) { c.session.Close(code, reason) }

// Pause implements namespaces.Conn.
func (c *conn) Pause() { c.session.Pause() }

// Resume implements namespaces.Conn.
func (c *conn) Resume() { c.session.Resume() }

// fields is the life of the connection for the log: nothing that a client could
// sign in with, the Engine.IO session id among it.
func (c *conn) fields(why engine.Close) []zap.Field {
	c.used.mu.Lock()
	defer c.used.mu.Unlock()
	r := c.Request()
	return []zap.Field{
		zap.Stringer("peer", r.RemoteAddr),
		zap.String("opened", r.Transport),
		zap.String("transport", c.session.Transport()),
		zap.String("user", c.used.user),
		zap.Strings("namespaces", c.used.namespaces),
		zap.Strings("sockets", c.used.sockets),
		zap.Duration("duration", time.Since(c.began)),
		zap.String("reason", string(why.Reason)),
		zap.NamedError("cause", why.Err),
		zap.Int64("messagesIn", c.in.messages.Load()),
		zap.Int64("bytesIn", c.in.bytes.Load()),
		zap.Int64("messagesOut", c.out.messages.Load()),
		zap.Int64("bytesOut", c.out.bytes.Load()),
	}
}
