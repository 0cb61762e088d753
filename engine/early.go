package engine

import (
	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
)

// admitted is the value of Session.early from Session.Admit on: nothing is counted
// any more.
const admitted = -1 << 30

// earlyBytes is how many bytes of a stranger count as one packet.
const earlyBytes = 512

// stranger reports whether Session.Admit has not been called yet.
func (s *Session) stranger() bool { return s.early.Load() >= 0 }

// spend counts n more packets of a stranger. It fails when they are too many.
func (s *Session) spend(n int) error {
	if n > 0 {
		s.countWork(n)
	}
	limits := s.srv.limits().Early
	if limits == nil || n == 0 || !s.stranger() {
		return nil
	}
	if int(s.early.Add(int32(n))) > limits.MaxPackets {
		return errEarly
	}
	return nil
}

// roomLocked returns how many bytes may wait for the client.
func (s *Session) roomLocked() int {
	limits := s.srv.limits()
	if limits.Early == nil || limits.Early.OutboxBytes == limits.OutboxBytes || !s.stranger() {
		return limits.OutboxBytes
	}
	room := limits.Early.OutboxBytes
	if s.sending != nil {
		room -= s.sending.bytes
	}
	return room
}

// early returns the limits of one session before it is admitted.
func (c *Config) early() EarlyLimits {
	if c.Early == nil {
		return EarlyLimits{MaxPayload: c.MaxPayload, OutboxBytes: c.OutboxBytes}
	}
	return c.Early.EarlyLimits
}

// earlyIncoming returns how many bytes of a stranger's messages may be held: one
// message that is not complete, the bytes read with its end, and one message that a
// handler keeps. Without limits of their own strangers have those of users.
func (c *Config) earlyIncoming() int {
	most := c.early().MaxPayload
	if most >= c.MaxPayload {
		return c.IncomingShare
	}
	message := partly(most + rfc6455.MaxClientHeader + readBytes)
	return message.memory() + most
}

// sessionBytes is what a session holds beside what it receives and is sent: the
// session itself, its connection and, where it polls, the goroutines and buffers of
// two requests.
const sessionBytes = 40 << 10

// StrangerBytes returns how much memory a client can make the server hold before it
// is admitted, at most, in bytes: for messages that are not handled yet, for its
// send queue, and for its session. The head of a request that is under way comes on
// top, and the buffers of TLS.
func (c Config) StrangerBytes() int {
	c = c.withDefaults()
	return c.earlyIncoming() + budget.Granule + c.early().OutboxBytes + sessionBytes
}

// pong answers a PING of the WebSocket protocol. Only the last PING needs an answer
// (RFC 6455, section 5.5.3), so a PONG that still waits is replaced.
func (s *Session) pong(f *Frame) {
	s.mu.Lock()
	replaced := s.current() == stateOpen && s.out.replacePong(f)
	s.mu.Unlock()
	if !replaced {
		_ = s.Send(f)
	}
}
