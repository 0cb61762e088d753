package server

import (
	"errors"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// metrics counts what operators watch. A nil one counts nothing, so that a
// server without the operators' surfaces pays nothing for them. No label holds
// anything that a client can make up.
type metrics struct {
	socketsOpened counters // namespace
	socketsClosed counters // namespace, reason
	refused       counters // namespace, code: CONNECT_ERROR
	handshakes    counters // code: refused Engine.IO requests
	requests      counters // code: refused requests under /auth/ and /api/
	events        counters // namespace, event, result
	broadcasts    counters // namespace
	deliveries    counters // namespace
	closed        counters // reason: connections
	tickets       counters
	revocations   counters // kind
	eventSeconds  counters // namespace, in nanoseconds: what handlers took
}

func newMetrics(cfg Admin) *metrics {
	if !cfg.enabled() {
		return nil
	}
	return &metrics{}
}

func (m *metrics) socketOpened(s *namespaces.Socket) {
	m.socketsOpened.add(1, s.Namespace().Label())
}

func (m *metrics) socketClosed(s *namespaces.Socket, reason string) {
	m.socketsClosed.add(1, s.Namespace().Label(), reason)
}

func (m *metrics) refusedConnect(namespace, code string) {
	m.refused.add(1, namespace, code)
}

func (m *metrics) refusedHandshake(code handshake.Code) {
	if m != nil {
		m.handshakes.add(1, string(code))
	}
}

func (m *metrics) refusedHTTP(code handshake.Code) {
	if m != nil {
		m.requests.add(1, string(code))
	}
}

func (m *metrics) eventHandled(s *namespaces.Socket, h namespaces.Handled) {
	m.events.add(1, s.Namespace().Label(), h.Event, resultOf(h.Err))
	m.eventSeconds.add(uint64(h.Took), s.Namespace().Label())
}

// resultOf tells a handler that said no from one that failed, and both from an
// event that has no handler.
func resultOf(err error) string {
	var e *namespaces.Error
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &e) && e.Code == namespaces.CodeUnknownEvent:
		return "unknown"
	case namespaces.Failed(err):
		return "failed"
	}
	return "refused"
}

func (m *metrics) emitted(ns *namespaces.Namespace, e namespaces.Emitted) {
	m.broadcasts.add(1, ns.Label())
	m.deliveries.add(uint64(e.Receivers), ns.Label())
}

func (m *metrics) connectionClosed(reason engine.Reason) {
	if m != nil {
		m.closed.add(1, string(reason))
	}
}

func (m *metrics) ticketMinted() {
	if m != nil {
		m.tickets.add(1)
	}
}

func (m *metrics) revoked(kind handshake.MarkKind) {
	if m != nil {
		m.revocations.add(1, string(kind))
	}
}
