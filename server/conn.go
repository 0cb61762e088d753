package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/server/glimpse"
)

// conn connects one Engine.IO session with the namespaces: it is the session's Handler and the client's Conn.
type conn struct {
	// Fixed once open.
	srv     *Server
	session *engine.Session
	id      string // the server's own secret: neither the engine's id nor a socket's
	client  *namespaces.Client
	gate    *handshake.Gate // the gate in force when the session opened, which compares later requests
	began   time.Time
	digest  *[32]byte // digest of the credentials that the transport came with; nil without any

	origin  atomic.Pointer[string] // origin of the last request that brought messages; nil: the opening one
	waiting atomic.Bool            // counts as pending at its address
	polls   atomic.Bool            // counts as one that polls

	used    connUsers
	in, out traffic
	views   glimpse.Views // of operators
}

// traffic counts the messages of one direction, for the log.
type traffic struct{ messages, bytes atomic.Int64 }

func (t *traffic) count(bytes int) {
	t.messages.Add(1)
	t.bytes.Add(int64(bytes))
}

// open is called by the engine for every new session.
func (s *Server) open(session *engine.Session) engine.Handler {
	c := &conn{srv: s, session: session, id: rand.Text(), began: time.Now(), gate: s.gate()}
	p := session.Peer()
	if p.Header != nil || p.Query != nil || p.TLS != nil { // else there are no credentials
		if digest := c.gate.Digest(c.Request()); digest != ([32]byte{}) {
			c.digest = &digest
		}
	}
	c.waiting.Store(true)
	s.pending.add(handshake.AddressKey(c.address()))
	if p.Transport == "polling" {
		c.polls.Store(true)
		s.polling.Add(1)
	}
	s.traffic.Opened()
	s.traces.opened(c)
	c.client = s.hub.Connect(c)
	return reader{c}
}

// address is the client's address, after trusted proxies.
func (c *conn) address() netip.Addr {
	p := c.session.Peer()
	return handshake.ClientAddr(p.RemoteAddr.Addr(), p.Header, c.srv.proxies)
}

// opened returns the digest of the credentials that the session was opened with.
func (c *conn) opened() [32]byte {
	if c.digest == nil {
		return [32]byte{}
	}
	return *c.digest
}

// unpend takes a stranger off the count: a namespace has admitted the client, or the client has gone.
func (c *conn) unpend() {
	if c.waiting.Swap(false) {
		c.srv.pending.remove(handshake.AddressKey(c.address()))
	}
}

// upgraded is called by the engine when an upgrade is done or given up.
func (s *Server) upgraded(h engine.Handler, took time.Duration, done bool) {
	r, ok := h.(reader)
	if !ok {
		return
	}
	s.traces.upgraded(r.conn, took, done)
	if done {
		r.unpoll()
		if s.adminUI != nil {
			s.adminUI.Upgraded(r.client)
		}
	}
}

// unpoll takes a polling session off the count: it has a WebSocket, or has ended.
func (c *conn) unpoll() {
	if c.polls.Swap(false) {
		c.srv.polling.Add(-1)
	}
}

// reader is a conn as the engine's Handler.
type reader struct{ *conn }

// Message implements engine.Handler.
func (r reader) Message(binary bool, data []byte) {
	r.in.count(len(data))
	r.srv.traffic.Received(len(data))
	r.views.Received(binary, data)
	r.client.Message(binary, data)
}

// Close implements engine.Handler.
func (r reader) Close(why engine.Close) {
	r.client.Closed(endOf(why.Reason))
	r.unpend()
	r.unpoll()
	r.srv.guard.closed(r.id)
	r.srv.traffic.Closed(string(why.Reason))
	r.srv.metrics.connectionClosed(why.Reason)
	r.srv.lately.cut(r.conn, why)
	r.logClosed(why)
}

// Send implements namespaces.Conn.
func (c *conn) Send(f *packet.Frame) error {
	c.sent(f)
	return c.session.Send(f.Rendering(c.srv.render).(*engine.Frame))
}

// sent counts a frame, and shows it to operators who watch.
func (c *conn) sent(f *packet.Frame) {
	n := size(f)
	c.out.count(n)
	c.srv.traffic.Sent(n)
	c.views.Sent(f)
}

// SendVolatile implements namespaces.Conn.
func (c *conn) SendVolatile(f *packet.Frame) bool {
	sent := c.session.SendVolatile(f.Rendering(c.srv.render).(*engine.Frame))
	if sent {
		c.sent(f)
	}
	return sent
}

// renderer returns a function that makes the engine's form of a packet, once for all receivers. Server.render
// keeps the function, so that a send allocates no closure.
func renderer(m *metrics) func(*packet.Frame) any {
	return func(f *packet.Frame) any {
		var frame *engine.Frame
		switch memory := f.Memory(); {
		case f.Text == nil:
			frame = engine.NewBinaryFrame(f.Attachments[0])
		case memory != nil:
			frame = engine.NewFrameIn(memory, packet.Lead, f.Attachments)
		default:
			frame = engine.NewFrame(f.Text, f.Attachments)
		}
		if f.Uncompressed {
			frame.Uncompressed()
		}
		if f.Sent != nil {
			frame.Notify(f.Sent)
		} else if sent := m.delivery(); sent != nil {
			frame.Notify(sent)
		}
		return frame
	}
}

func size(f *packet.Frame) int {
	n := len(f.Text)
	for _, a := range f.Attachments {
		n += len(a)
	}
	return n
}

// Backlog implements namespaces.Backlogged.
func (c *conn) Backlog() int { return c.session.Backlog() }

// Hold implements namespaces.Conn: it counts n more bytes that are kept of what the client sent; a negative n
// takes bytes off. It reports false when there is no room for them: the connection then ends.
func (c *conn) Hold(n int) bool { return c.session.Hold(n) }

// Admitted implements namespaces.Conn: the limits before admission end.
func (c *conn) Admitted() { c.unpend() }

// Identified implements namespaces.Conn: from here on later requests are checked against the identity, and the
// log's line about the connection names the socket. It is called before the reply, so that no request with
// another user's credentials can overtake it (security requirement 5), and no socket is missing in the log.
func (c *conn) Identified(s *namespaces.Socket) {
	c.used.addSocket(s)
	id := s.Identity()
	subject := id.Subject
	if id.Method == handshake.MethodAnonymous {
		subject = "" // an address that was made up for this connection
	}
	c.session.Admit(id.Issuer, subject)
}

// Request implements namespaces.Conn.
func (c *conn) Request() *handshake.Request {
	r := c.srv.request(c.session.Peer(), c.id)
	r.Opened = c.began
	if origin := c.origin.Load(); origin != nil {
		withOrigin(r, *origin)
	}
	return r
}

// withOrigin sets the origin of a request in place of that of the session.
func withOrigin(r *handshake.Request, origin string) {
	r.Origin = origin
	if origin == "" && r.Header["Origin"] != nil {
		r.Header = r.Header.Clone() // the session's own header stays as it is
		r.Header.Del("Origin")
	}
}

// Transport implements namespaces.Conn.
func (c *conn) Transport() string { return c.session.Transport() }

// ID implements namespaces.Conn. It is not derived from secret ids.
func (c *conn) ID() string {
	sum := sha256.Sum256([]byte("connection " + c.id))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// Context implements namespaces.Conn.
func (c *conn) Context() context.Context { return c.session.Peer().Context }

// Close implements namespaces.Conn.
func (c *conn) Close(code int, reason string) { c.session.Close(code, reason) }

// Pause implements namespaces.Conn.
func (c *conn) Pause() { c.session.Pause() }

// Resume implements namespaces.Conn.
func (c *conn) Resume() { c.session.Resume() }

// logClosed writes one line about the connection. Those of strangers and of
// anonymous guests, who can come and go as often as they like, are sampled.
func (c *conn) logClosed(why engine.Close) {
	log, ctx := c.srv.log, context.Background()
	if c.used.unnamed() {
		log = c.srv.refusals
	}
	if log.Enabled(ctx, slog.LevelInfo) {
		log.LogAttrs(ctx, slog.LevelInfo, "connection closed", c.fields(why)...)
	}
}

// fields describes the life of the connection for the log. It contains nothing that a client could sign in
// with, such as the Engine.IO session id.
func (c *conn) fields(why engine.Close) []slog.Attr {
	c.used.mu.Lock()
	defer c.used.mu.Unlock()
	return []slog.Attr{
		slog.Any("peer", c.address()),
		slog.String("opened", c.session.Peer().Transport),
		slog.String("transport", c.session.Transport()),
		slog.String("user", c.used.user),
		slog.Any("namespaces", c.used.namespaces),
		slog.Any("sockets", c.used.sockets),
		slog.Duration("duration", time.Since(c.began)),
		slog.String("reason", string(why.Reason)),
		errorAttr("cause", why.Err),
		slog.Int64("messagesIn", c.in.messages.Load()),
		slog.Int64("bytesIn", c.in.bytes.Load()),
		slog.Int64("messagesOut", c.out.messages.Load()),
		slog.Int64("bytesOut", c.out.bytes.Load()),
	}
}
