package server

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// metrics counts what operators watch. A nil one counts nothing, so that a
// server without the operators' surfaces pays nothing for them. No label holds
// anything that a client can make up.
type metrics struct {
	vectors []prometheus.Collector // all of the following
	frames  atomic.Uint64          // that were rendered

	closed        *bounded[prometheus.Counter] // connections
	handshakes    *bounded[prometheus.Counter] // refused Engine.IO requests
	refused       *bounded[prometheus.Counter] // CONNECT_ERROR
	slowed        *bounded[prometheus.Counter] // clients that sent too much
	requests      *bounded[prometheus.Counter] // refused requests below /auth/ and /api/
	socketsOpened *bounded[prometheus.Counter]
	socketsClosed *bounded[prometheus.Counter]
	recoveries    *bounded[prometheus.Counter] // clients that came back to their session, and those that could not
	events        *bounded[prometheus.Counter]
	eventSeconds  *bounded[prometheus.Counter]
	broadcasts    *bounded[prometheus.Counter]
	deliveries    *bounded[prometheus.Counter]
	tickets       *bounded[prometheus.Counter]
	revocations   *bounded[prometheus.Counter]
	backEnds      *bounded[prometheus.Counter] // requests to /api/v1/

	eventTook *bounded[prometheus.Observer]
	admitTook *bounded[prometheus.Observer]
	delay     *bounded[prometheus.Observer]
	checkTook *bounded[prometheus.Observer]
	hopTook   *bounded[prometheus.Observer]
	redisTook *bounded[prometheus.Observer]
}

// newMetrics returns nil where no surface shows metrics.
func newMetrics(cfg Config) *metrics {
	if !cfg.Admin.enabled() && cfg.Registry == nil {
		return nil
	}
	m := &metrics{}
	m.closed = m.counter("gatehouse_connections_closed_total", "Ended sessions by reason; slow consumer is a full outbox.", "reason")
	m.handshakes = m.counter("gatehouse_handshakes_refused_total", "Engine.IO requests refused with HTTP.", "code")
	m.refused = m.counter("gatehouse_connects_refused_total", "CONNECTs answered with CONNECT_ERROR.", "namespace", "code")
	m.slowed = m.counter("gatehouse_slowed_total", "Times that reading from a client, or its next event, had to wait because of too much that came.", "cause")
	m.requests = m.counter("gatehouse_requests_refused_total", "HTTP requests refused outside the protocol.", "code")
	m.socketsOpened = m.counter("gatehouse_sockets_opened_total", "Admitted sockets.", "namespace")
	m.socketsClosed = m.counter("gatehouse_sockets_closed_total", "Ended sockets.", "namespace", "reason")
	m.recoveries = m.counter("gatehouse_recoveries_total", "Clients that came back: recovered, or why not; and sessions that lapsed.", "namespace", "result")
	m.events = m.counter("gatehouse_events_total", "Events of clients that were handled.", "namespace", "event", "result")
	m.eventSeconds = m.counter("gatehouse_event_seconds_total", "Time that the handlers of events took.", "namespace")
	m.broadcasts = m.counter("gatehouse_broadcasts_total", "Broadcasts.", "namespace")
	m.deliveries = m.counter("gatehouse_deliveries_total", "Sockets that broadcasts were queued for.", "namespace")
	m.tickets = m.counter("gatehouse_tickets_minted_total", "Tickets given out.")
	m.revocations = m.counter("gatehouse_revocations_total", "Revocations made.", "kind")
	m.backEnds = m.counter("gatehouse_api_requests_total", "Requests of back ends and operators to /api/v1/.", "key", "request", "code")
	m.eventTook = m.histogram("gatehouse_event_duration_seconds", "Time that the handler of an event took.", "namespace")
	m.admitTook = m.histogram("gatehouse_admission_duration_seconds", "Time that it took to decide about a client, credentials included.", "namespace", "result")
	m.delay = m.histogram("gatehouse_delivery_delay_seconds", "Time from an emit until it was written for a client, of one frame in 64.")
	m.checkTook = m.histogram("gatehouse_credential_check_duration_seconds", "Time that it took to find out who a client is.", "result")
	m.hopTook = m.histogram("gatehouse_cluster_forward_duration_seconds", "Time until a forwarded request was answered whole; polls wait for what they are to carry.", "kind")
	m.redisTook = m.histogram("gatehouse_redis_duration_seconds", "Time until Redis answered a command of this node.", "result")
	return m
}

// counter makes a counter, which is 0 from the start where it has no labels.
func (m *metrics) counter(name, help string, labels ...string) *bounded[prometheus.Counter] {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.vectors = append(m.vectors, vec)
	b := newBounded(vec.WithLabelValues, labels...)
	if len(labels) == 0 {
		b.of()
	}
	return b
}

// histogram makes a histogram in both forms, of which a scraper that knows native
// histograms takes those. Buckets are in seconds.
func (m *metrics) histogram(name, help string, labels ...string) *bounded[prometheus.Observer] {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help,
		Buckets:                         []float64{.0001, .0005, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, labels)
	m.vectors = append(m.vectors, vec)
	return newBounded(vec.WithLabelValues, labels...)
}

func (m *metrics) socketOpened(s *namespaces.Socket) {
	m.socketsOpened.of(s.Namespace().Label()).Inc()
	if s.Recovered() {
		m.recoveries.of(s.Namespace().Label(), "recovered").Inc()
	}
}

func (m *metrics) sessionLapsed(s *namespaces.Socket) {
	m.recoveries.of(s.Namespace().Label(), "lapsed").Inc()
}

func (m *metrics) recoveryFailed(s *namespaces.Socket, why namespaces.RecoveryFailure) {
	m.recoveries.of(s.Namespace().Label(), string(why)).Inc()
}

func (m *metrics) socketClosed(s *namespaces.Socket, reason string) {
	m.socketsClosed.of(s.Namespace().Label(), reason).Inc()
}

func (m *metrics) refusedConnect(namespace, code string) {
	m.refused.of(namespace, code).Inc()
}

func (m *metrics) clientSlowed(cause string) {
	if m != nil {
		m.slowed.of(cause).Inc()
	}
}

func (m *metrics) refusedHandshake(code handshake.Code) {
	if m != nil {
		m.handshakes.of(string(code)).Inc()
	}
}

func (m *metrics) refusedHTTP(code handshake.Code) {
	if m != nil {
		m.requests.of(string(code)).Inc()
	}
}

func (m *metrics) backEndAsked(key, request, code string) {
	if m != nil {
		m.backEnds.of(key, request, code).Inc()
	}
}

func (m *metrics) eventHandled(s *namespaces.Socket, h namespaces.Handled) {
	label := s.Namespace().Label()
	m.events.of(label, h.Event, resultOf(h.Err)).Inc()
	m.eventSeconds.of(label).Add(h.Took.Seconds())
	m.eventTook.of(label).Observe(h.Took.Seconds())
}

// admission measures how long a namespace takes to decide about a client.
func (m *metrics) admission(ctx context.Context, s *namespaces.Socket) (context.Context, func(error)) {
	began := time.Now()
	return ctx, func(err error) {
		m.admitTook.of(s.Namespace().Label(), resultOf(err)).Observe(time.Since(began).Seconds())
	}
}

// oneFrameOf says that the delay of one frame in so many is measured: reading the
// clock for each would cost more than the rest of a small frame.
const oneFrameOf = 64

// delivery measures one frame out of many, and returns nil for the others. The
// returned function is called for each client that the frame is for.
func (m *metrics) delivery() func(written bool) {
	if m == nil || m.frames.Add(1)%oneFrameOf != 1 {
		return nil
	}
	began, delay := time.Now(), m.delay.of()
	return func(written bool) {
		if written {
			delay.Observe(time.Since(began).Seconds())
		}
	}
}

// resultOf tells a refusal by a handler from a failure, and both from an event
// that has no handler.
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
	if e.Socket != nil {
		return // no broadcast
	}
	m.broadcasts.of(ns.Label()).Inc()
	m.deliveries.of(ns.Label()).Add(float64(e.Receivers))
}

func (m *metrics) connectionClosed(reason engine.Reason) {
	if m != nil {
		m.closed.of(string(reason)).Inc()
	}
}

func (m *metrics) ticketMinted() {
	if m != nil {
		m.tickets.of().Inc()
	}
}

func (m *metrics) revoked(kind handshake.RevocationKind) {
	if m != nil {
		m.revocations.of(string(kind)).Inc()
	}
}

// checked notes how long it took to judge a client's credentials.
func (m *metrics) checked(began time.Time, err error) {
	if m == nil {
		return
	}
	result := "ok"
	if err != nil {
		result = string(handshake.AsRefusal(err).Code)
	}
	m.checkTook.of(result).Observe(time.Since(began).Seconds())
}

// forwarded notes how long another node took to answer for one of its sessions.
func (m *metrics) forwarded(began time.Time, kind string) {
	if m != nil {
		m.hopTook.of(kind).Observe(time.Since(began).Seconds())
	}
}

// askedRedis returns the function that is told about each command to Redis; nil
// without metrics.
func (m *metrics) askedRedis() func(took time.Duration, err error) {
	if m == nil {
		return nil
	}
	return func(took time.Duration, err error) {
		result := "ok"
		if err != nil {
			result = "unanswered"
		}
		m.redisTook.of(result).Observe(took.Seconds())
	}
}
