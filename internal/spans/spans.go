// Package spans makes OpenTelemetry spans below existing ones, so that the steps of a traced request are seen, and
// others cost nothing: without a span in the context, or below a dropped one, no span is made.
//
// A span never has the text of an error, a credential or a client's data: the text may hold secrets.
package spans

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Scope is the name under which all spans are made.
const Scope = "gatehouse"

// w3c reads and writes traceparent and tracestate (W3C Trace Context).
var w3c propagation.TraceContext

// In reports whether ctx has a span.
func In(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsValid() }

// Dropped reports whether ctx has a dropped span. A trace is kept or dropped as a whole, so no span is made below it;
// requests to others name it, which tells them.
func Dropped(ctx context.Context) bool { return dropped(trace.SpanFromContext(ctx)) }

func dropped(span trace.Span) bool {
	of := span.SpanContext()
	return of.IsValid() && !of.IsSampled() && !span.IsRecording()
}

// Under begins a span below the one of ctx, and returns it with a context that has it. Without a span in ctx it returns
// ctx, and a span that does nothing. When the span of ctx is dropped it returns that span, whose End does nothing.
func Under(ctx context.Context, name string, kind trace.SpanKind, links ...trace.Link) (context.Context, trace.Span) {
	above := trace.SpanFromContext(ctx)
	switch {
	case !above.SpanContext().IsValid():
		return ctx, noop.Span{}
	case dropped(above):
		return ctx, above
	}
	return above.TracerProvider().Tracer(Scope).Start(ctx, name, trace.WithSpanKind(kind), trace.WithLinks(links...))
}

// Over returns a stand-in for a span that has ended, for contexts that live on, so that spans can be made below it.
func Over(span trace.Span, provider trace.TracerProvider) trace.Span {
	return over{of: span.SpanContext(), provider: provider}
}

type over struct {
	noop.Span

	of       trace.SpanContext
	provider trace.TracerProvider
}

// SpanContext implements trace.Span.
func (o over) SpanContext() trace.SpanContext { return o.of }

// TracerProvider implements trace.Span.
func (o over) TracerProvider() trace.TracerProvider { return o.provider }

// End ends a span. The code says why its operation failed; "" means success.
func End(span trace.Span, code string) {
	if code != "" {
		span.SetStatus(codes.Error, code)
	}
	span.End()
}

// Status notes the status of an HTTP answer in the span of ctx.
func Status(ctx context.Context, status int) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
}

// Parent returns the traceparent of a span; "" for one that does nothing.
func Parent(span trace.Span) string {
	if !span.SpanContext().IsValid() {
		return ""
	}
	h := propagation.MapCarrier{}
	w3c.Inject(trace.ContextWithSpan(context.Background(), span), h)
	return h.Get("traceparent")
}

// Give writes the span of ctx into the header of a request, when there is one.
func Give(ctx context.Context, h http.Header) {
	if In(ctx) {
		w3c.Inject(ctx, propagation.HeaderCarrier(h))
	}
}

// Named returns a context with the span of a traceparent, when it is one.
func Named(parent string) context.Context {
	return w3c.Extract(context.Background(), propagation.MapCarrier{"traceparent": parent})
}

// Taken returns ctx with the span that the header of a request names, if any. A
// tracestate is left out, as the W3C's recommendation allows (section 3.3): a
// stranger's may be 16 KiB, which every request to a back end would carry.
func Taken(ctx context.Context, h http.Header) context.Context {
	said := trace.SpanContextFromContext(w3c.Extract(context.Background(), propagation.HeaderCarrier(h)))
	if !said.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, said.WithTraceState(trace.TraceState{}))
}
