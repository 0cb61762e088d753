package main

import (
	"context"
	"fmt"
	"net/url"

	"gatehouse/telemetry"
)

// telemetrySettings say which spans are sent, and where.
type telemetrySettings struct {
	Traces tracesSettings `koanf:"traces"`
}

// tracesSettings send traces to a collector.
type tracesSettings struct {
	// Enabled makes spans and sends them. Default false.
	Enabled bool `koanf:"enabled"`
	// Endpoint is the collector's address; empty: that of OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318.
	Endpoint string `koanf:"endpoint"`
	// Ratio is the share of traces that are kept; 0: that of OTEL_TRACES_SAMPLER, else all.
	Ratio float64 `koanf:"ratio"`
}

func (t telemetrySettings) check() error {
	if u, err := url.Parse(t.Traces.Endpoint); t.Traces.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("telemetry.traces.endpoint: %q is no address; write one such as http://127.0.0.1:4318, to which /v1/traces is added", t.Traces.Endpoint)
	}
	if t.Traces.Ratio < 0 || t.Traces.Ratio > 1 {
		return fmt.Errorf("telemetry.traces.ratio: %g is out of range; write a number from 0 to 1, such as 0.1 for a tenth", t.Traces.Ratio)
	}
	return nil
}

// startTraces gives the server a provider of spans, if configured. end is called when the server has ended.
func (s *settings) startTraces(ctx context.Context) (end func(), err error) {
	t := s.Telemetry.Traces
	if !t.Enabled {
		return func() {}, nil
	}
	traces, err := telemetry.New(ctx, telemetry.Config{Endpoint: t.Endpoint, Ratio: t.Ratio, Version: s.Version, Logger: s.Logger})
	if err != nil {
		return nil, fmt.Errorf("telemetry.traces: %w", err)
	}
	s.Traces = traces.Provider()
	return traces.Close, nil
}
