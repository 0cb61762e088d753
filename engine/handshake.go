package engine

import (
	"fmt"
	"io"
	"net/http"
	"strconv"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
)

// sessionIDBytes is the randomness of a session id.
const sessionIDBytes = 16

// serveHandshake opens a session over the transport of r.
func (srv *Server) serveHandshake(w http.ResponseWriter, r *http.Request, transport string) {
	switch {
	case r.Method != http.MethodGet:
		srv.refuse(w, r, codeBadMethod)
		return
	case (transport == "websocket") != rfc6455.IsUpgrade(r):
		srv.refuse(w, r, codeBadRequest)
		return
	case Parameter(r, "EIO") != "4":
		srv.refuse(w, r, codeVersion)
		return
	}
	peer := srv.newPeer(r, transport)
	owner := budget.Stranger(srv.clientAddr(r, peer))
	refusal := srv.beginWork(r, owner)
	if refusal == nil {
		refusal = srv.check(r)
	}
	if refusal != nil {
		srv.refuseWith(w, r, refusal)
		return
	}
	s, err := srv.newSession(peer)
	if err != nil {
		srv.refuseWith(w, r, &Refusal{Status: http.StatusServiceUnavailable, Code: codeForbidden, Message: "No session id"})
		return
	}
	s.incoming.Init(owner)
	if transport == "websocket" {
		srv.openWebSocket(w, r, s)
		return
	}
	srv.openPolling(w, r, s)
}

// check asks whether a handshake may go on.
func (srv *Server) check(r *http.Request) *Refusal {
	if srv.draining.Load() {
		return &Refusal{Status: http.StatusServiceUnavailable, Code: codeForbidden,
			Message: "Server is shutting down", RetryAfter: srv.limits().CloseTimeout}
	}
	if srv.cfg.Check == nil {
		return nil
	}
	return srv.cfg.Check(r)
}

func (srv *Server) newSession(peer *Peer) (*Session, error) {
	var raw [sessionIDBytes]byte
	if _, err := io.ReadFull(srv.cfg.Random, raw[:]); err != nil {
		return nil, fmt.Errorf("make a session id: %w", err)
	}
	s := &Session{srv: srv, id: srv.sessionID(raw[:]), peer: peer}
	s.flusher = srv.flushers[int(raw[0])%len(srv.flushers)]
	s.maxMessage.Store(int64(srv.limits().earlyMessage))
	return s, nil
}

// admit makes s known and asks for its handler. By then the open packet has been
// sent or is first in the send queue, so that nothing the handler sends comes
// before it.
func (srv *Server) admit(s *Session, r *http.Request) bool {
	s.in.Lock() // an early end waits until there is a handler to tell
	defer s.in.Unlock()
	if !srv.remember(s) {
		return false
	}
	s.startBeat()
	s.handler = srv.handlerOf(s, r)
	return true
}

// handlerOf asks for the handler of s. A panic there ends s alone.
func (srv *Server) handlerOf(s *Session, r *http.Request) (h Handler) {
	defer func() {
		if h == nil { // accept panicked
			h = noHandler{}
		}
	}()
	defer s.recovered("open")
	if srv.cfg.Context != nil {
		s.peer.Context = srv.cfg.Context(r) // called only now: it may begin work that the handler has to end
	}
	return srv.accept(s)
}

// noHandler stands in for the handler of a session that has none.
type noHandler struct{}

func (noHandler) Message(bool, []byte) {}
func (noHandler) Close(Close)          {}

// openBytes is room enough for an open packet, in bytes.
const openBytes = 128

// openFrame is the first packet of a session.
func (s *Session) openFrame() *Frame {
	cfg := &s.srv.cfg
	upgrades := ""
	if s.peer.Transport == "polling" && !cfg.NoUpgrades && !cfg.NoWebSocket {
		upgrades = `"websocket"`
	}
	text := make([]byte, 0, openBytes)
	text = append(append(text, `{"sid":"`...), s.id...) // an id has nothing to escape
	text = append(append(text, `","upgrades":[`...), upgrades...)
	text = strconv.AppendInt(append(text, `],"pingInterval":`...), cfg.PingInterval.Milliseconds(), 10)
	text = strconv.AppendInt(append(text, `,"pingTimeout":`...), cfg.PingTimeout.Milliseconds(), 10)
	text = strconv.AppendInt(append(text, `,"maxPayload":`...), int64(s.srv.limits().MaxPayload), 10)
	return &Frame{kind: typeOpen, text: append(text, '}')}
}

func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request, s *Session) {
	s.link = &longPoll{s: s}
	s.mu.Lock()
	s.out.push(s.openFrame(), &srv.budget)
	s.mu.Unlock()
	if !srv.admit(s, r) {
		srv.refuseWith(w, r, srv.check(r))
		return
	}
	s.serveGET(w, r)
}

func (srv *Server) openWebSocket(w http.ResponseWriter, r *http.Request, s *Session) {
	t, err := srv.hijack(w, r)
	if err != nil {
		return
	}
	c := srv.attach(s, t)
	s.link = c
	c.listed = listedDirect // no flusher writes before the answer is out
	if !srv.admit(s, r) {
		_ = c.respond([]byte(lateRefusal))
		c.stream.close()
		return
	}
	if err := c.respondOpen(t.answer, s.openFrame().websocket()); err != nil {
		s.streamFailed(err)
		return
	}
	s.mu.Lock()
	c.listed = unlisted
	if !s.out.empty() {
		s.wakeLocked()
	}
	s.mu.Unlock()
	c.begin(t.early)
}

// respondOpen writes the answer to the handshake and the open packet: together, for
// connecting is mostly writes, unless Config.OpenApart asks for two.
func (c *websocket) respondOpen(answer, open []byte) error {
	if !c.s.srv.cfg.OpenApart {
		return c.respond(append(answer, open...))
	}
	if err := c.respond(answer); err != nil {
		return err
	}
	return c.respond(open)
}

// lateRefusal answers a handshake whose connection was taken over when the
// server closed.
const lateRefusal = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
