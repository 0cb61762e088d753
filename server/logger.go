package server

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
)

// NewLogger gives a logger that writes whole lines to w: JSON objects or, for
// people, console lines. w need not be safe for concurrent use. A zero Log
// means its defaults.
func NewLogger(cfg Log, w io.Writer) (*zap.Logger, error) {
	setDefault(&cfg.Level, "info")
	setDefault(&cfg.Format, "json")
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	e := zap.NewProductionEncoderConfig()
	e.TimeKey = "time"
	e.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	e.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(e)
	if cfg.Format == "console" {
		encoder = zapcore.NewConsoleEncoder(e)
	}
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)
	return zap.New(core, zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(w)))), nil
}

// slogOver gives the parts that log through slog the server's own log.
func slogOver(log *zap.Logger) *slog.Logger { return slog.New(zapslog.NewHandler(log.Core())) }

// sampled gives a logger for what anybody can cause as often as they like: of
// equal messages the first ten of a minute are written.
func sampled(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Minute, 10, 0)
	}))
}
