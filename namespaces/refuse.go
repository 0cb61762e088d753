package namespaces

import (
	"encoding/json"
	"errors"
	"log/slog"

	"gatehouse/handshake"
	"gatehouse/packet"
)

// refuse answers an admission with CONNECT_ERROR. It returns false when there is no admission any more: the client has
// gone meanwhile, or has been admitted.
func (s *Socket) refuse(err error) bool {
	if !s.withdraw() {
		return false
	}
	s.report(err) // before the answer, so that the refusal has been counted when the client has the answer
	payload := refusalOf(refusalFor(err))
	c := s.client
	c.mu.Lock()
	s.done = true
	s.lapseRestLocked()
	c.endLeaseLocked(s)
	c.removeLocked(s)
	c.discardLocked(s)
	c.departed = append(c.departed, s.ns.name)
	tooMany := c.rejectLocked(s.ns.name, payload)
	c.throttleLocked()
	c.startDeadlineLocked()
	c.mu.Unlock()

	s.ns.letGo()
	if tooMany != nil {
		c.shut(closePolicy, tooMany.Error(), ReasonForcedServer)
	}
	return true
}

// withdraw ends an admission, and returns false when there is none.
func (s *Socket) withdraw() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != connecting {
		return false
	}
	s.admission.stop(s.conn)
	s.phase, s.admission = ended, nil
	return true
}

// report tells the log and the hooks of a refusal.
func (s *Socket) report(err error) {
	v := refusalFor(err)
	s.logRefusal(err, v)
	s.countRefusal(err, v)
}

// logRefusal logs why a client was refused. A failure of the server is a warning, or an error when it is no refusal; a
// client's fault is logged at level debug.
func (s *Socket) logRefusal(err error, v verdict) {
	level := slog.LevelDebug
	_, meant := publicError(err)
	switch {
	case errors.Is(err, errPanic) || cancelled(err):
	case !meant:
		level = slog.LevelError
	case Failed(err):
		level = slog.LevelWarn
	}
	s.sample(level, "socket refused", slog.String("code", string(v.Code)), slog.Any("error", err), causeAttr(err))
}

// countRefusal tells the hooks of a refusal.
func (s *Socket) countRefusal(err error, v verdict) {
	s.ns.hooks.connectRefused(s.ns.Label(), string(v.Code))
	s.ns.hooks.socketRefused(s, err)
}

// refuseUnknown answers a CONNECT to an unknown namespace, as Node does.
func (c *Client) refuseUnknown(namespace string) {
	c.hub.hooks.connectRefused("", "invalid_namespace")
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	tooMany := c.rejectLocked(namespace, refusalOf(verdict{Message: "Invalid namespace"}))
	c.mu.Unlock()
	if tooMany != nil {
		c.shut(closePolicy, tooMany.Error(), ReasonForcedServer)
	}
}

// refusalPayload is the payload of CONNECT_ERROR.
type refusalPayload struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

type refusalData struct {
	Code         handshake.Code `json:"code"`
	RetryAfterMs int64          `json:"retryAfterMs,omitempty"`
}

// refusalOf encodes the payload of CONNECT_ERROR.
func refusalOf(v verdict) []byte {
	payload := refusalPayload{Message: v.Message}
	switch data := dataOf(v); {
	case data != nil:
		payload.Data = data
	case v.Code != "":
		payload.Data = refusalData{Code: v.Code, RetryAfterMs: v.RetryAfter.Milliseconds()}
	}
	raw, _ := json.Marshal(payload) // strings, numbers and JSON: cannot fail
	return raw
}

// rejectLocked queues CONNECT_ERROR and counts it. It returns errRefused when there were too many in a row.
func (c *Client) rejectLocked(namespace string, raw []byte) error {
	c.refusals++
	_ = c.conn.Send(packet.Encode(&packet.Packet{Type: packet.ConnectError, Namespace: namespace, Payload: raw}, c.wire))
	if int(c.refusals) > c.hub.limits().MaxRefusals {
		return errRefused
	}
	return nil
}
