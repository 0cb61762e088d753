package engine

import (
	"net/http"
	"time"
)

// upgrade is a probe under way: a WebSocket that wants to take over from
// long-polling.
//
//	client                         server
//	GET ...&transport=websocket ──►   101
//	2probe                      ──►
//	                            ◄──   3probe; from now on a NOOP frees the pending GET
//	(the client stops polling)
//	5                           ──►   the WebSocket is the transport
type upgrade struct {
	conn  *websocket
	timer *time.Timer // ends the probe after Config.UpgradeTimeout
	noop  *time.Timer // the next NOOP
	pong  *Frame      // the answer to the last PING; nil when no PING has come
	began time.Time
}

// probeStep is what a probing connection waits for. Session.in guards it.
type probeStep uint8

const (
	notProbing probeStep = iota
	awaitsProbe
	awaitsUpgrade
)

// The pending GET is freed soon after the probe has been answered, when most clients
// wait for it, and then again and again.
const (
	firstNoop    = 8 * time.Millisecond
	noopInterval = 100 * time.Millisecond
)

// serveUpgrade takes a WebSocket that carries the id of a polling session.
func (srv *Server) serveUpgrade(w http.ResponseWriter, r *http.Request, s *Session) {
	up := &upgrade{began: time.Now()}
	if !s.reserveProbe(up) {
		srv.closeAtOnce(w, r, s)
		return
	}
	t, err := srv.hijack(w, r)
	if err != nil {
		s.releaseProbe(up)
		return
	}
	c := srv.attach(s, t)
	c.probing, c.hop = awaitsProbe, hopOf(r)
	if !s.startProbe(up, c) {
		c.stream.close()
		return
	}
	if c.respond(t.answer) != nil {
		s.abandonProbe(c)
		return
	}
	c.begin(t.early)
}

// closeAtOnce opens a WebSocket that the session has no use for, and closes it, as
// Node's server does: a page sees a close code, but would not see an HTTP error.
func (srv *Server) closeAtOnce(w http.ResponseWriter, r *http.Request, s *Session) {
	t, err := srv.hijack(w, r)
	if err != nil {
		return
	}
	c := srv.attach(s, t)
	c.probing = awaitsProbe
	_ = c.respond(append(t.answer, closeFrame(CodePolicy, "").websocket()...))
	c.stream.close()
}

// reserveProbe takes the session's one place for a probe; a session that has
// upgraded has none.
func (s *Session) reserveProbe(up *upgrade) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv.cfg.NoUpgrades || s.current() != stateOpen || s.longPollLocked() == nil || s.probe != nil {
		return false
	}
	s.probe = up
	return true
}

func (s *Session) releaseProbe(up *upgrade) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == up {
		s.probe = nil
	}
}

// startProbe begins the time limit, unless the session ended meanwhile.
func (s *Session) startProbe(up *upgrade, c *websocket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != up {
		return false
	}
	if leaving(c.hop) { // Leave may have passed by
		s.probe = nil
		return false
	}
	up.conn = c
	up.timer = time.AfterFunc(s.srv.limits().UpgradeTimeout, func() { s.abandonProbe(c) })
	return true
}

// abandonLocked closes the probing connection. Session.mu is held.
func (up *upgrade) abandonLocked() {
	up.stopTimers()
	if up.conn != nil {
		up.conn.stream.close()
	}
}

func (up *upgrade) stopTimers() {
	if up.timer != nil {
		up.timer.Stop()
	}
	if up.noop != nil {
		up.noop.Stop()
	}
}

// dropProbeLocked gives up the upgrade, if there is one.
func (s *Session) dropProbeLocked() {
	if s.probe != nil {
		s.probe.abandonLocked()
		s.probe = nil
	}
}

// abandonProbe gives up the upgrade by c, if it is under way; the session stays
// with its transport.
func (s *Session) abandonProbe(c *websocket) bool {
	s.mu.Lock()
	up := s.probe
	if up == nil || up.conn != c {
		defer s.mu.Unlock()
		return s.link != c
	}
	s.dropProbeLocked()
	s.mu.Unlock()
	s.tellUpgrade(up.began, false)
	return true
}

// tellUpgrade calls Config.Upgraded with the result of an upgrade.
func (s *Session) tellUpgrade(began time.Time, done bool) {
	if f := s.srv.cfg.Upgraded; f != nil {
		f(s.handler, time.Since(began), done)
	}
}

// probed handles a message on the probing connection c. in is held.
func (s *Session) probed(c *websocket, binary bool, payload []byte) error {
	switch {
	case c.probing == awaitsProbe && !binary && string(payload) == "2probe":
		c.probing = awaitsUpgrade
		return s.answerProbe(c)
	case c.probing == awaitsUpgrade && !binary && string(payload) == "5":
		c.probing = notProbing
		began, err := s.switchTo(c)
		if err == nil {
			s.tellUpgrade(began, true)
		}
		return err
	default:
		return errUpgradeOrder
	}
}

var probeAnswer = control(typePong, "probe").websocket()

// answerProbe writes to the connection directly: it is not the session's
// transport, so nobody else does.
func (s *Session) answerProbe(c *websocket) error {
	n, err := c.stream.tryWrite(probeAnswer)
	if err != nil || n < len(probeAnswer) {
		return errUpgradeOrder
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != nil && s.probe.conn == c {
		s.probe.noop = time.AfterFunc(firstNoop, func() { s.freeGET(c) })
	}
	return nil
}

// pingedEarly notes a PING of the WebSocket protocol on a probing connection. It is
// answered when that becomes the transport; one answer, to the last PING, will do
// (RFC 6455, section 5.5.3).
func (s *Session) pingedEarly(c *websocket, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != nil && s.probe.conn == c {
		s.probe.pong = pongFrame(payload)
	}
}

var noopFrame = control(typeNoop, "")

// freeGET answers the pending GET with a NOOP: a client that stops polling waits
// for it.
func (s *Session) freeGET(c *websocket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == nil || s.probe.conn != c {
		return
	}
	if s.out.empty() && s.link.flow() == flowPoll {
		s.pushLocked(noopFrame)
	}
	s.probe.noop.Reset(noopInterval)
}

// switchTo makes c the transport: what waits goes out over it, in order. A GET
// that is still pending gets its NOOP first, so that the two never write at
// once. A session that is closing still switches: its client may have stopped
// polling already, and frames sent before the close could not reach it
// otherwise. It returns when the upgrade began.
func (s *Session) switchTo(c *websocket) (began time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == nil || s.probe.conn != c {
		return began, errUpgradeOrder
	}
	s.probe.stopTimers()
	pong, began := s.probe.pong, s.probe.began
	s.probe = nil
	s.longPollLocked().retire()
	s.link = c
	s.out.uncount() // the frames may not count any more, or in another form
	s.stall.since = 0
	if s.behindLocked() {
		s.countOutboxLocked()
	}
	if s.paused.Load() {
		c.stream.pause()
	}
	if pong != nil {
		s.pushLocked(pong)
	}
	if s.current() == stateClosing {
		c.reader.Discards = true
		s.queueCloseFrameLocked()
	}
	if !s.out.empty() {
		s.wakeLocked()
	}
	return began, nil
}
