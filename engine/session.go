package engine

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/budget"
)

// Handler takes what one session receives. Its calls come one at a time and must not
// block: work that takes time belongs into a queue of the handler's own, with
// Session.Pause to slow the client down.
type Handler interface {
	// Message hands over one message. The bytes are borrowed for the call.
	Message(binary bool, data []byte)
	// Close is called once, after the last Message.
	Close(Close)
}

// state is where a session stands in its life. It only grows.
type state int32

const (
	stateOpen    state = iota
	stateClosing       // no more messages; the send queue and the close packet go out
	stateClosed        // gone from the server
)

// Session is one Engine.IO session: a client, whatever transport it uses. Its
// methods are safe for concurrent use and never block on the client.
type Session struct {
	// Fixed once open.
	srv     *Server
	id      string // a secret: whoever knows it can speak for the client
	peer    *Peer
	handler Handler
	flusher *flusher

	// The fields stand in an order without gaps, to save memory: a server has many
	// sessions.
	maxMessage atomic.Int64
	incoming   budget.Meter // the bytes held of what the client has sent
	state      atomic.Int32
	paused     atomic.Bool // changed under mu

	in sync.Mutex // held while messages are handed up; before mu

	mu      sync.Mutex // guards what follows
	out     sendQueue
	stall   stall
	link    link         // fixed but for an upgrade
	sending *pendingGET  // the polling response that is being written
	probe   *upgrade     // an upgrade under way
	closing *closePacket // nil while open
	known   bool         // some user's
	early   atomic.Int32 // what a stranger has spent; see spend

	beat heartbeat

	slot wheelSlot // guarded by the wheel
}

// closePacket is how a closing session says good-bye.
type closePacket struct {
	code     int
	text     string
	deadline int64 // when the session ends however far it came
	queued   bool  // the close frame is in the send queue
	dropped  bool  // what waited was dropped
	left     bool  // a polling client has said good-bye: its GET is freed with a NOOP
	owed     bool  // that GET has not come yet, as the good-bye has overtaken it
}

// overtaken is how long a GET may come after the good-bye of its own client, which
// took another connection.
const overtaken = time.Second

// said reports whether the close frame is in the send queue or has been sent. p is
// nil while the session is open.
func (p *closePacket) said() bool { return p != nil && p.queued }

// Peer returns what is known of the client. It is never nil and must not be
// changed.
func (s *Session) Peer() *Peer { return s.peer }

// Transport returns "polling" or "websocket": what the session uses now.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link.transport()
}

// Admit says that the client is no stranger any more but a user, known by a subject
// and its issuer; an empty subject means that nobody knows who it is. From now on the
// limits before admission (Config.Early) no longer hold, and the memory of the
// session counts for that user, or for its address when nobody knows who it is. After
// several calls with users, the first user counts.
func (s *Session) Admit(issuer, subject string) {
	s.early.Store(admitted)
	s.setMaxMessage(s.srv.limits().MaxPayload)
	s.belongTo(issuer, subject)
}

// setMaxMessage changes the limit of one incoming message or POST body, in
// bytes, within Config.MaxPayload.
func (s *Session) setMaxMessage(bytes int) {
	s.maxMessage.Store(int64(min(bytes, s.srv.limits().MaxPayload)))
}

// Send queues f behind all that was sent before. It returns ErrClosed when the
// session has ended. A client whose send queue is full is closed with ReasonSlow, and
// so is one that is behind when all send queues together are at their limit.
func (s *Session) Send(f *Frame) error {
	s.mu.Lock()
	if s.current() != stateOpen {
		s.mu.Unlock()
		return ErrClosed
	}
	if s.out.bytes+f.size() > s.roomLocked() {
		s.mu.Unlock()
		s.cut(errOutboxFull)
		return ErrClosed
	}
	s.pushLocked(f)
	over := s.out.counted > 0 && s.lateLocked() && s.srv.budget.over()
	s.mu.Unlock()
	if over {
		s.cut(errOutboxTotal)
		return ErrClosed
	}
	return nil
}

// SendVolatile queues f unless the client is behind, and says whether it did.
func (s *Session) SendVolatile(f *Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.keepsUpLocked() {
		return false
	}
	s.pushLocked(f)
	return true
}

// pushLocked queues f and sees that it goes out.
func (s *Session) pushLocked(f *Frame) {
	s.out.push(f, &s.srv.budget)
	if s.behindLocked() {
		s.countOutboxLocked()
	}
	s.link.wake(f.firstPush())
}

// countOutboxLocked adds all frames that wait to the budget.
func (s *Session) countOutboxLocked() {
	if s.link.flow() == flowAway {
		s.stalledLocked()
	}
	s.out.count(&s.srv.budget, s.link.framing())
}

// Pause stops reading from the client, and with it the deadline of its next
// PONG, until Resume. PINGs go on, so that the client stays.
func (s *Session) Pause() { s.setPaused(true) }

// Resume goes on reading after Pause.
func (s *Session) Resume() { s.setPaused(false) }

func (s *Session) setPaused(paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused.Load() == paused || s.current() != stateOpen {
		return
	}
	s.pauseBeatLocked(paused)
	s.readLocked(!paused)
}

// readLocked switches the reading of the transport in use.
func (s *Session) readLocked(on bool) {
	s.paused.Store(!on)
	s.link.read(on)
}

func (s *Session) current() state { return state(s.state.Load()) }

// Close ends the session from this side: what was sent before still goes out,
// then the transport closes with a WebSocket code (RFC 6455, section 7.4) and a
// reason of at most 123 bytes, which a polling client does not see. It does not
// wait.
func (s *Session) Close(code int, reason string) {
	s.closeWith(Close{Reason: ReasonForcedClose}, closePacket{code: code, text: reason}, false)
}

// fail ends the session for a fault of the client: what waits is dropped.
func (s *Session) fail(err error) {
	pe := faultOf(err)
	s.closeWith(Close{Reason: pe.reason, Err: err}, closePacket{code: pe.code, text: string(pe.reason)}, true)
	if s.over() {
		s.srv.spawn(s.destroy) // in a goroutine, so that the sender of a broadcast does not wait for a list of sessions
	}
}

// closeWith starts the end of the session; only its first call counts.
func (s *Session) closeWith(why Close, p closePacket, drop bool) {
	s.mu.Lock()
	if s.current() != stateOpen {
		s.mu.Unlock()
		return
	}
	s.state.Store(int32(stateClosing))
	p.dropped = drop
	p.deadline = s.srv.now() + int64(s.srv.limits().CloseTimeout)
	if errors.Is(why.Err, errPeerClosed) {
		s.link.left(&p)
	}
	s.closing = &p
	s.srv.cuts.note(why.Err)
	if drop {
		s.out.drop(&s.srv.budget)
		s.dropProbeLocked()
	}
	if s.paused.Load() {
		s.readLocked(true) // to see the peer's answer to the close frame
	}
	s.srv.wheel.schedule(s, p.deadline)
	s.link.sayGoodbye()
	s.srv.open.Add(-1)
	// This is done under mu, so that Server.Close, which gets here too, finds the end
	// under way.
	s.srv.spawn(func() {
		s.srv.closes(s)
		s.tellClosed(why)
	})
	s.mu.Unlock()
}

// over is overLocked for a caller without mu.
func (s *Session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overLocked()
}

// overLocked reports whether a polling session that ended for a fault has nobody to
// tell: its next request learns that there is no such session, as from Node's server.
func (s *Session) overLocked() bool {
	return s.closing != nil && s.closing.dropped && !s.closing.owed && !s.link.reaches()
}

// queueCloseFrameLocked puts the WebSocket close frame behind what waits.
func (s *Session) queueCloseFrameLocked() {
	if !s.closing.queued {
		s.closing.queued = true
		s.out.push(closeFrame(s.closing.code, s.closing.text), &s.srv.budget)
	}
}

// tellClosed tells the handler that the session has ended, after the message that it
// may be handling now.
func (s *Session) tellClosed(why Close) {
	s.in.Lock()
	defer s.in.Unlock()
	s.mu.Lock()
	l := s.link
	s.mu.Unlock()
	l.discard()
	defer s.recovered("close")
	s.handler.Close(why)
}

// destroy is the last step: nothing more goes to the client.
func (s *Session) destroy() {
	s.mu.Lock()
	if s.current() == stateClosed {
		s.mu.Unlock()
		return
	}
	s.state.Store(int32(stateClosed))
	s.out.forget(&s.srv.budget)
	s.abortGETLocked()
	s.dropProbeLocked()
	l := s.link
	l.release()
	s.mu.Unlock()
	s.srv.wheel.remove(s)
	s.srv.closings.remove(s)
	s.srv.forget(s)
	l.close()
}

// now is nanoseconds since the server began, on the monotonic clock.
func (srv *Server) now() int64 { return int64(time.Since(srv.began)) }
