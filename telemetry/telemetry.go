// Package telemetry sends the spans of a server to a collector, by OTLP over HTTP. It is apart from package server, so
// that a program which embeds that links none of it unless it wants to; such a program may as well give the server a
// provider of its own.
//
// A collector that is away or slow delays nothing: spans wait in a bounded queue, and are lost when it is full.
package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Config says which traces are kept and where they are sent. The zero value works.
type Config struct {
	// Endpoint is the collector's address, without /v1/traces: http://127.0.0.1:4318. Empty means what
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT says, else that address.
	Endpoint string
	// Ratio is the share of traces that are kept, above 0 up to 1. Zero means what OTEL_TRACES_SAMPLER says, else 1.
	Ratio float64
	// Version is the program's. Default none.
	Version string
	// Logger gets one line when the collector takes no spans, and one when it does again; nil means slog.Default().
	Logger *slog.Logger
}

// Traces sends spans. Its methods are safe for concurrent use.
type Traces struct {
	provider *sdk.TracerProvider
	exporter *exporter
}

// New begins to send the spans of [Traces.Provider]. Attributes of the service, headers, timeouts, certificates, limits
// and the sizes of batches are what the variables OTEL_… of the environment say, see
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. [Traces.Close] ends it.
func New(ctx context.Context, cfg Config) (*Traces, error) {
	var to []otlptracehttp.Option
	if cfg.Endpoint != "" {
		to = append(to, otlptracehttp.WithEndpointURL(strings.TrimSuffix(cfg.Endpoint, "/")+"/v1/traces"))
	}
	sends, err := otlptracehttp.New(ctx, to...)
	if err != nil {
		return nil, fmt.Errorf("make the exporter: %w", err)
	}
	service, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "gatehouse"), attribute.String("service.version", cfg.Version),
	), resource.WithFromEnv()) // the later ones win
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	e := &exporter{SpanExporter: sends, log: cmp.Or(cfg.Logger, slog.Default())}
	e.ending, e.end = context.WithCancel(context.Background())
	options := []sdk.TracerProviderOption{sdk.WithResource(service), sdk.WithBatcher(e)}
	if ratio := cfg.Ratio; ratio > 0 || os.Getenv("OTEL_TRACES_SAMPLER") == "" {
		options = append(options, sdk.WithSampler(sampler(cmp.Or(ratio, 1))))
	}
	return &Traces{sdk.NewTracerProvider(options...), e}, nil
}

// Provider makes the tracers. Its ForceFlush sends waiting spans.
func (t *Traces) Provider() trace.TracerProvider { return t.provider }

// Close ends at once: spans that have not been flushed are lost, and requests under way are cut.
func (t *Traces) Close() {
	t.exporter.end()
	_ = t.provider.Shutdown(context.Background()) // nothing is left that could take time
}

// sampler keeps a share of the traces, each whole. A traceparent of a client can have its trace dropped, but cannot have it kept:
// otherwise a stranger would choose what the collector gets.
func sampler(ratio float64) sdk.Sampler {
	share := share(ratio)
	return sdk.ParentBased(share, sdk.WithRemoteParentSampled(share))
}

// share samples by chance, not by the trace id, which may be the client's.
type share float64

// ShouldSample implements sdk.Sampler.
func (s share) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	result := sdk.SamplingResult{Decision: sdk.Drop, Tracestate: trace.SpanContextFromContext(p.ParentContext).TraceState()}
	if rand.Float64() < float64(s) { //nolint:gosec // no secret
		result.Decision = sdk.RecordAndSample
	}
	return result
}

// Description implements sdk.Sampler.
func (s share) Description() string { return fmt.Sprintf("Share{%g}", float64(s)) }

// exporter logs whether the collector takes spans, and ends with its context.
type exporter struct {
	sdk.SpanExporter
	log    *slog.Logger
	ending context.Context // the context of requests under way, which end with it
	end    context.CancelFunc
	failed atomic.Bool
}

// ExportSpans implements sdk.SpanExporter. It never fails: errors are in the log.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ending, cancel)()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case e.ending.Err() != nil:
	case err != nil && !e.failed.Swap(true):
		e.log.Warn("the collector takes no traces; they are lost until it does", slog.Any("error", err))
	case err == nil && e.failed.Swap(false):
		e.log.Info("the collector takes traces again")
	}
	return nil
}
