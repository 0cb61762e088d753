package backend

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"gatehouse/internal/spans"
)

// An event of Tell has a span until it is sent; a request with several events is below the first span and links to the
// others.
func TestWhatIsToldIsTraced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := tracetest.NewSpanRecorder()
		tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(kept)).Tracer("test")
		f := &fakeTransport{err: errors.New("away")}
		c := fake(t, Config{Batch: true}, f)
		var parents []string
		for range 3 {
			ctx, above := tracer.Start(t.Context(), "event")
			above.End()
			parents = append(parents, spans.Parent(above))
			c.Tell(ctx, Event{Type: Disconnect, Socket: "s"}, nil)
		}
		c.Tell(t.Context(), Event{Type: Disconnect, Socket: "s"}, nil) // untraced
		time.Sleep(5 * time.Second)
		f.set(nil)
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		told := map[string]int{}
		for _, s := range kept.Ended() {
			told[s.Name()+" "+s.Status().Description]++
			if s.Name() == "POST" && s.Status().Description == "" && len(s.Links()) != 2 {
				t.Errorf("the request links to %d others", len(s.Links()))
			}
		}
		if told["tell back end "] != 3 || told["POST "] != 1 || told["POST no_answer"] == 0 || len(kept.Started()) != len(kept.Ended()) {
			t.Errorf("spans %v, %d of %d have ended", told, len(kept.Ended()), len(kept.Started()))
		}
		for i, e := range f.delivered() {
			if traced := i < 3; traced != (e.Traceparent != "") || traced && e.Traceparent[:35] != parents[i][:35] {
				t.Errorf("event %d has the traceparent %q", i, e.Traceparent)
			}
		}
	})
}
