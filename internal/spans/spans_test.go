package spans

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

func TestWhatIsNotTracedAllocatesNothing(t *testing.T) {
	ctx, h := context.Background(), http.Header{}
	n := testing.AllocsPerRun(100, func() {
		ctx, span := Under(ctx, "x", trace.SpanKindClient)
		Give(ctx, h)
		Status(ctx, http.StatusOK)
		if Parent(span) != "" || len(h) != 0 {
			t.Error("a span out of nothing")
		}
		End(span, "")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestATraceIsTakenAndGiven(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ctx := Taken(t.Context(), http.Header{"Traceparent": {parent}, "Tracestate": {strings.Repeat("a", 250) + "=" + strings.Repeat("b", 250)}})
	h := http.Header{}
	if Give(ctx, h); h.Get("traceparent") != parent || h.Get("tracestate") != "" {
		t.Errorf("given %v", h)
	}
	for _, wrong := range []string{"", "x", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", parent + "-1"} {
		if In(Taken(t.Context(), http.Header{"Traceparent": {wrong}})) {
			t.Errorf("%q is a trace", wrong)
		}
	}
}
