package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/internal/spans"
	"gatehouse/namespaces"
)

// The attributes of spans. Those of a socket are public ids; docs/operating.md lists them all.
const (
	attrConnection = attribute.Key("gatehouse.connection")
	attrNamespace  = attribute.Key("gatehouse.namespace")
	attrSocket     = attribute.Key("gatehouse.socket")
	attrEvent      = attribute.Key("gatehouse.event")
	attrRooms      = attribute.Key("gatehouse.rooms")
	attrTransport  = attribute.Key("gatehouse.transport")
)

// traces makes the spans of this node; nil without a provider.
type traces struct {
	tracer   trace.Tracer
	provider trace.TracerProvider
	served   trace.SpanStartOption // set on a span whose parent comes from a client or another program
	apart    trace.SpanStartOption // of one that begins a trace

	mu    sync.Mutex                   // guards doing
	doing map[*namespaces.Socket]*work // the work under way of each socket, the last begun first
}

// work is an admission or an event that is under way.
type work struct {
	ctx    context.Context // the context for what is sent without one
	before *work           // the work begun before it that is still under way; guarded by traces.mu
}

func newTraces(provider trace.TracerProvider) *traces {
	if provider == nil {
		return nil
	}
	return &traces{
		tracer: provider.Tracer(spans.Scope), provider: provider,
		served: trace.WithSpanKind(trace.SpanKindServer), apart: trace.WithNewRoot(),
		doing: map[*namespaces.Socket]*work{},
	}
}

// flusher is a provider that keeps spans for a while.
type flusher interface {
	ForceFlush(ctx context.Context) error
}

// handshakeTrace is the trace of a connection's handshake.
type handshakeTrace struct {
	span   trace.Span
	joined bool                  // the client brought a trace, to which all its operations belong
	link   trace.SpanStartOption // the context for what does not belong to the client's trace
}

type handshakeTraceKey struct{}

func handshakeTraceOf(ctx context.Context) *handshakeTrace {
	if ctx == nil {
		return nil
	}
	o, _ := ctx.Value(handshakeTraceKey{}).(*handshakeTrace)
	return o
}

// context is Config.Context with the span of the handshake, which begins here.
func (t *traces) context(given func(*http.Request) context.Context) func(*http.Request) context.Context {
	if t == nil {
		return given
	}
	return func(r *http.Request) context.Context {
		ctx := context.Background()
		if given != nil {
			if values := given(r); values != nil {
				ctx = values
			}
		}
		remote := spans.Taken(context.Background(), r.Header)
		o := &handshakeTrace{joined: spans.In(remote)}
		_, o.span = t.tracer.Start(remote, "handshake", trace.WithSpanKind(trace.SpanKindServer))
		o.link = trace.WithLinks(trace.Link{SpanContext: o.span.SpanContext()})
		ctx = trace.ContextWithSpan(ctx, spans.Over(o.span, t.provider))
		return context.WithValue(ctx, handshakeTraceKey{}, o)
	}
}

// opened ends the span of a handshake: there is a session.
func (t *traces) opened(c *conn) {
	o := handshakeTraceOf(c.Context())
	if t == nil || o == nil {
		return
	}
	o.span.SetAttributes(attrConnection.String(c.ID()), attrTransport.String(c.Transport()))
	o.span.End()
}

// refused makes the span of a refused handshake.
func (t *traces) refused(r *http.Request, what string, code handshake.Code) {
	if t == nil || what != "connection" || engine.Parameter(r, "sid") != "" {
		return
	}
	_, span := t.tracer.Start(spans.Taken(context.Background(), r.Header), "handshake", trace.WithSpanKind(trace.SpanKindServer))
	spans.End(span, string(code))
}

// upgraded makes the span of an upgrade that is over.
func (t *traces) upgraded(c *conn, took time.Duration, done bool) {
	if t == nil {
		return
	}
	end := time.Now()
	_, span := t.tracer.Start(c.Context(), "upgrade", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(end.Add(-took)),
		trace.WithAttributes(attrConnection.String(c.ID())))
	code := ""
	if !done {
		code = "given_up"
	}
	spans.End(span, code)
}

// hooks returns the hooks that make spans of what the namespaces report.
func (t *traces) hooks() namespaces.Hooks {
	return namespaces.Hooks{Admission: t.admission, Event: t.event, Broadcast: t.broadcast}
}

func (t *traces) admission(ctx context.Context, s *namespaces.Socket) (context.Context, func(error)) {
	if spans.Dropped(ctx) {
		if o := handshakeTraceOf(ctx); o == nil || o.joined {
			return ctx, nil
		}
		w := t.begun(ctx, s) // events sent meanwhile belong to the dropped span
		return ctx, func(error) { t.ended(s, w) }
	}
	return t.begin(ctx, s, "admission", trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(
		attrNamespace.String(s.Namespace().Name()), attrSocket.String(s.ID())))
}

// event begins the span of one event's handler. The span belongs to the trace that the client brought. Without one it
// begins a trace of its own, linked to the handshake: nobody could read a single trace of a connection that lasts for
// days.
func (t *traces) event(ctx context.Context, s *namespaces.Socket, e namespaces.Event) (context.Context, func(error)) {
	o := handshakeTraceOf(ctx)
	apart := o != nil && !o.joined
	if !apart && spans.Dropped(ctx) {
		return ctx, nil
	}
	about := trace.WithAttributes(attrNamespace.String(s.Namespace().Name()), attrSocket.String(s.ID()), attrEvent.String(e.Name))
	if apart {
		return t.begin(ctx, s, "event", t.served, about, t.apart, o.link)
	}
	return t.begin(ctx, s, "event", t.served, about)
}

// begin begins a span of a socket, and notes it for events that are sent meanwhile without a context.
func (t *traces) begin(ctx context.Context, s *namespaces.Socket, name string, options ...trace.SpanStartOption) (context.Context, func(error)) {
	ctx, span := t.tracer.Start(ctx, name, options...)
	w := t.begun(ctx, s)
	return ctx, func(err error) {
		t.ended(s, w)
		spans.End(span, codeOf(err))
	}
}

// begun notes the span that a socket is in from now on.
func (t *traces) begun(ctx context.Context, s *namespaces.Socket) *work {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &work{ctx: ctx, before: t.doing[s]}
	t.doing[s] = w
	return w
}

// ended forgets what a socket has done.
func (t *traces) ended(s *namespaces.Socket, w *work) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.doing[s]
	switch {
	case last == w && w.before == nil:
		delete(t.doing, s)
	case last == w:
		t.doing[s] = w.before
	default:
		for last.before != w {
			last = last.before
		}
		last.before = w.before
	}
}

// meanwhile returns the context of the handler that a socket is in, if there is only one. When the trace of the client is
// dropped it returns the context of the connection, below which no spans are made.
func (t *traces) meanwhile(s *namespaces.Socket) context.Context {
	if s == nil {
		return context.Background()
	}
	if of := s.Conn().Context(); of != nil && handshakeTraceOf(of) != nil && handshakeTraceOf(of).joined && spans.Dropped(of) {
		return of
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.doing[s]; w != nil && w.before == nil {
		return w.ctx
	}
	return context.Background()
}

func (t *traces) broadcast(ctx context.Context, ns *namespaces.Namespace, b namespaces.Broadcasting) (context.Context, func(error)) {
	if ctx == nil {
		ctx = t.meanwhile(b.By)
	}
	if spans.Dropped(ctx) {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, "broadcast", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attrNamespace.String(ns.Name()), attrEvent.String(b.Event), attrRooms.Int(len(b.Rooms))))
	return ctx, func(err error) { spans.End(span, codeOf(err)) }
}

// request begins the span of an HTTP request that opens no connection, below the span that its header names.
func (t *traces) request(r *http.Request, name string) (*http.Request, func(code string)) {
	if t == nil {
		return r, func(string) {}
	}
	ctx, span := t.tracer.Start(spans.Taken(r.Context(), r.Header), name, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), func(code string) { spans.End(span, code) }
}

// begins is request as a function for the interface for back ends; nil without a provider.
func (t *traces) begins() func(*http.Request, string) (*http.Request, func(string)) {
	if t == nil {
		return nil
	}
	return t.request
}

// codeOf returns the code of an error for a span: the one that the client is told, too.
func codeOf(err error) string {
	if err == nil {
		return ""
	}
	var failed *namespaces.Error
	var refused *handshake.Refusal
	switch {
	case errors.As(err, &failed):
		return string(failed.Code)
	case errors.As(err, &refused):
		return string(refused.Code)
	}
	return string(namespaces.CodeInternal)
}

// flushTime is how long the end of a server waits for a collector.
const flushTime = 2 * time.Second

// flush sends the spans that wait, within the time of a drain.
func (t *traces) flush(ctx context.Context) {
	if t == nil {
		return
	}
	keeps, ok := t.provider.(flusher)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	_ = keeps.ForceFlush(ctx) // the sender itself logs its failures
}
