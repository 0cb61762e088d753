package cluster

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/spans"
)

// Codes in spans of operations that did not reach the other nodes as they should.
const (
	alone       = "alone" // the node goes on alone; the others get the operation when Redis is back, unless the backlog is full
	unpublished = "lost"  // it was given up
)

// leave begins the span of an own broadcast that is about to leave for the other nodes, as a child of its
// cause.
func (a *action) leave() {
	ctx := a.operation.Within
	if a.operation.Within = nil; ctx == nil || a.kind != typeBroadcast || !spans.In(ctx) {
		return
	}
	_, a.span = spans.Under(ctx, "cluster publish", trace.SpanKindProducer)
	a.parent = spans.Parent(a.span)
}

// arrive ends the span of an own broadcast: Redis has it, or code says why not.
func (a *action) arrive(code string) {
	if a.span != nil {
		spans.End(a.span, code)
		a.span = nil // the action may be kept for a while
	}
}

// trace begins the span of a broadcast of another node that is carried out here, and returns the function
// that ends it.
func (n *Node) trace(act *action) (end func()) {
	if n.cfg.Traces == nil {
		return func() {}
	}
	_, span := n.cfg.Traces.Tracer(spans.Scope).Start(spans.Named(act.parent), "cluster deliver", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("gatehouse.namespace", act.namespace), attribute.String("gatehouse.event", act.operation.Packet.Event)))
	return func() { span.End() }
}
