package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zaptest/observer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func send(t *testing.T, spans int, traces *Traces) {
	t.Helper()
	for range spans {
		_, span := traces.Provider().Tracer("test").Start(t.Context(), "x")
		span.End()
	}
}

// A collector that takes a request and never answers delays nothing: neither spans, more than are kept, nor the end.
func TestACollectorThatHangsHoldsNobodyUp(t *testing.T) {
	asked := make(chan struct{}, 100)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the end of the connection noticed
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer hangs.Close()
	traces, err := New(t.Context(), Config{Endpoint: hangs.URL, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	send(t, 5000, traces) // a queue has 2048
	<-asked
	send(t, 5000, traces)
	over, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := traces.provider.ForceFlush(over); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("flushed: %v", err)
	}
	traces.Close()
}

func TestACollectorIsSaidOnceToBeAwayAndOnceToBeBack(t *testing.T) {
	away, got := true, make(chan string, 10)
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		got <- r.URL.Path
	}))
	defer to.Close()
	core, log := observer.New(zap.InfoLevel)
	traces, err := New(t.Context(), Config{Endpoint: to.URL + "/", Logger: slog.New(zapslog.NewHandler(core))})
	if err != nil {
		t.Fatal(err)
	}
	defer traces.Close()
	flush := func() {
		send(t, 1, traces)
		if err := traces.provider.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
	}
	flush()
	flush()
	if n := log.FilterMessageSnippet("takes no traces").Len(); n != 1 {
		t.Errorf("said %d times", n)
	}
	away = false
	flush()
	if path := <-got; path != "/v1/traces" || log.FilterMessageSnippet("takes traces again").Len() != 1 {
		t.Errorf("%s, %v", path, log.All())
	}
}

// A client may have its trace dropped; whether it is kept is decided here.
func TestAStrangerDoesNotChooseWhatIsKept(t *testing.T) {
	const none = 1e-12 // the share of nothing: 0 is the default
	for name, c := range map[string]struct {
		ratio  float64
		flags  trace.TraceFlags
		remote bool
		kept   int
	}{
		"a client's trace":                     {1, trace.FlagsSampled, true, 1},
		"a client's trace, little is kept":     {none, trace.FlagsSampled, true, 0},
		"a client that wants nothing kept":     {1, 0, true, 0},
		"below a span of ours":                 {none, trace.FlagsSampled, false, 1},
		"below a span of ours that is dropped": {1, 0, false, 0},
	} {
		spans := tracetest.NewSpanRecorder()
		provider := sdk.NewTracerProvider(sdk.WithSampler(sampler(c.ratio)), sdk.WithSpanProcessor(spans))
		above := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: c.flags, Remote: c.remote})
		_, span := provider.Tracer("test").Start(trace.ContextWithSpanContext(t.Context(), above), "x")
		span.End()
		if n := len(spans.Ended()); n != c.kept {
			t.Errorf("%s: %d kept, want %d", name, n, c.kept)
		}
	}
}
