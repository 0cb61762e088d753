package engine

import (
	"encoding/binary"
	"sync/atomic"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
)

// websocket is a WebSocket connection of a session: its transport, or the probe
// of an upgrade until that is through.
type websocket struct {
	s      *Session
	stream stream

	context *deflateContext // fixed; compression of outgoing messages, nil without
	hop     Hop             // fixed; the hop that it came through, or nil

	// Guarded by Session.in.
	reader rfc6455.Reader

	incomplete atomic.Uint64 // a partly, changed under Session.in

	peerClosed atomic.Bool // a close frame came
	frames     framing     // fixed: of what goes out

	// Guarded by Session.in.
	probing probeStep
	spoiled bool // a protocol error: what follows cannot be read
	arrived bool // a message has been completed since settle
	waits   bool // reading is slowed down; see slowed

	// Guarded by Session.mu.
	listed  listing // in the flusher's list
	blocked bool    // the stream is full

	enlisted bool // owned by the flusher: its jointWrites have a turn of it
}

// attach puts a WebSocket connection under s. It does not read yet.
func (srv *Server) attach(s *Session, t *hijacked) *websocket {
	c := &websocket{s: s, frames: t.framing()}
	if t.deflate.serverTakeover {
		c.context = &deflateContext{history: rfc6455.NewHistory(1 << srv.cfg.Deflate.Window)}
	}
	c.reader.Inflater = srv.newInflater(t.deflate)
	c.stream = srv.newStream(t, c)
	return c
}

// begin reads the bytes that came with the handshake, and then starts reading.
func (c *websocket) begin(early []byte) {
	if len(early) > 0 {
		c.enter()
		c.readable(early)
		c.leave()
	}
	c.stream.start()
}

// enter implements streamOwner.
func (c *websocket) enter() {
	c.s.in.Lock()
	c.reader.Deferral = rfc6455.DeferNothing
}

// tryEnter implements streamOwner.
func (c *websocket) tryEnter() bool {
	if !c.s.in.TryLock() {
		c.later()
		return false
	}
	c.reader.Deferral = rfc6455.DeferLong
	return true
}

// leave implements streamOwner.
func (c *websocket) leave() {
	due := c.reader.Deferral == rfc6455.Deferred
	c.s.in.Unlock()
	if due {
		c.later()
	}
}

// later starts a goroutine for work that would hold up a loop. Nothing is read until
// that work is done.
func (c *websocket) later() {
	c.stream.pause()
	c.s.srv.spawn(c.resume)
}

// account implements streamOwner.
func (c *websocket) account() budget.Owner { return c.s.incoming.Owner() }

// readable implements streamOwner.
func (c *websocket) readable(b []byte) {
	if err := c.s.spend(len(b) / earlyBytes); err != nil && !c.spoiled {
		c.spoiled = true
		c.failed(err)
		return
	}
	c.feed(b)
}

// feed reads b. Session.in is held.
func (c *websocket) feed(b []byte) {
	if c.spoiled {
		return
	}
	err := c.reader.Feed(b, int(c.s.maxMessage.Load()), c)
	waits := c.reader.Deferral == rfc6455.Deferred // and packets that come after the probe may stand behind it
	if err == nil && c.probing != notProbing && !waits && c.reader.Pending() > probeBytes {
		err = errUpgradeOrder
	}
	if c.probing == notProbing {
		c.settle()
	}
	if err != nil {
		c.spoiled = true
		c.failed(err)
	}
}

// probeBytes is more than a probe needs: nothing else may come before it is through.
const probeBytes = 1 << 10

// resume handles the bytes that were kept while reading was paused, and then goes on
// reading.
func (c *websocket) resume() {
	c.enter()
	defer c.s.in.Unlock()
	c.arrived = true // the server has held up the message that has begun: its time starts anew
	c.feed(nil)
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.s.paused.Load() && !c.waits {
		c.stream.resume()
	}
}

// Stopped implements rfc6455.Sink. A probe is read while the session is paused: it
// carries no messages, and its bytes would have to be kept otherwise.
func (c *websocket) Stopped() bool {
	return c.probing == notProbing && (c.s.paused.Load() || c.slowed())
}

// Message implements rfc6455.Sink.
func (c *websocket) Message(binary bool, payload []byte) error {
	c.arrived = true
	if c.reader.Inflater != nil {
		if err := c.s.spend(len(payload) / earlyBytes); err != nil {
			return err
		}
	}
	switch {
	case c.probing != notProbing:
		return c.s.probed(c, binary, payload)
	case binary:
		return c.s.receive(typeBinary, payload)
	case len(payload) == 0:
		return errEmpty
	case payload[0] == typeBinary: // of a client that asked for base64
		_, data, err := readPacket(payload)
		if err != nil {
			return err
		}
		return c.s.receive(typeBinary, data)
	default:
		return c.s.receive(payload[0], payload[1:])
	}
}

// Control implements rfc6455.Sink.
func (c *websocket) Control(op ws.OpCode, payload []byte) error {
	if err := c.s.spend(1); err != nil {
		return err
	}
	switch op {
	case ws.OpPing:
		if c.probing != notProbing {
			c.s.pingedEarly(c, payload)
			return nil
		}
		c.s.pong(pongFrame(payload))
		return nil
	case ws.OpClose:
		code, err := rfc6455.CloseCode(payload)
		if err != nil {
			return err
		}
		c.peerClosed.Store(true)
		return &protocolError{code, ReasonTransportClose, errPeerClosed.text}
	default:
		return nil
	}
}

// failed handles a fault of the peer, or its close frame.
func (c *websocket) failed(err error) {
	if c.probing != notProbing {
		c.s.abandonProbe(c)
		return
	}
	if c.s.current() != stateOpen && c.peerClosed.Load() {
		c.s.destroy() // both sides have said good-bye
		return
	}
	c.s.fail(err)
}

// writable implements streamOwner.
func (c *websocket) writable() {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c.blocked = false
	if !s.out.empty() || c.context.unsentBytesLocked() > 0 || s.closing.said() {
		s.wakeLocked()
	}
}

// streamFailed implements streamOwner: the connection is gone.
func (c *websocket) streamFailed(err error) {
	if c.s.abandonProbe(c) {
		return
	}
	c.s.streamFailed(err)
}

func (s *Session) streamFailed(err error) {
	s.closeWith(Close{Reason: ReasonTransportClose, Err: err}, closePacket{}, true)
	s.destroy()
}

// closeSent is called when the close frame is with the kernel. The server closes
// the connection first (RFC 6455, section 7.1.1), but not with the peer's last
// bytes unread: a reset could then overtake the close frame.
func (c *websocket) closeSent() {
	if c.peerClosed.Load() {
		c.s.destroy()
		return
	}
	c.stream.closeWrite()
}

// closeFrame makes the WebSocket close frame (RFC 6455, section 5.5.1).
func closeFrame(code int, reason string) *Frame {
	for len(reason) > maxCloseReason { // at a boundary of characters: it must be UTF-8
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	body := binary.BigEndian.AppendUint16(nil, uint16(code))
	return rawFrame(ws.OpClose, append(body, reason...))
}

// maxCloseReason is what a control frame has room for beside the code.
const maxCloseReason = ws.MaxControlFramePayloadSize - 2

func pongFrame(payload []byte) *Frame { return rawFrame(ws.OpPong, payload) }

func (f *Frame) isPong() bool { return f.kind == kindRaw && ws.OpCode(f.text[0]&0x0f) == ws.OpPong }

// rawFrame makes a frame that exists on WebSockets only. It copies payload.
func rawFrame(op ws.OpCode, payload []byte) *Frame {
	f := &Frame{}
	f.ws = append(rfc6455.AppendHeader(nil, op, len(payload)), payload...)
	f.text = f.ws
	f.wsMade = true
	return f
}
