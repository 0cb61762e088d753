package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
)

// NewLogger returns a logger that writes whole lines to w: JSON objects or, for
// people, console lines. A zero Log means its defaults.
//
// Writing a line never waits for w: a goroutine of the returned [LogWriter]
// writes, and lines that do not fit into its queue are dropped and counted.
// Characters that are not printable, such as a terminal's control characters
// or a mark that turns the direction of text, are escaped, so that no client
// can write to somebody's console. [LogWriter.Close] writes the queue and ends
// the goroutine.
func NewLogger(cfg Log, w io.Writer) (*slog.Logger, *LogWriter, error) {
	setDefault(&cfg.Level, "info")
	setDefault(&cfg.Format, "json")
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, nil, fmt.Errorf("log.level: %w", err)
	}
	e := zap.NewProductionEncoderConfig()
	e.TimeKey = "time"
	e.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	e.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(e)
	if cfg.Format == "console" {
		encoder = zapcore.NewConsoleEncoder(e)
	}
	out := newLogWriter(w, func(dropped uint64) []byte { return droppedLine(encoder, dropped) })
	out.level = level
	core := zapcore.NewCore(encoder, out, level)
	const never = slog.Level(math.MaxInt) // a panic brings its own stack
	return slog.New(logHandler{zapslog.NewHandler(core, zapslog.AddStacktraceAt(never)), out}), out, nil
}

// droppedLine is the line that says how many lines are missing.
func droppedLine(encoder zapcore.Encoder, dropped uint64) []byte {
	line, err := encoder.EncodeEntry(zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(),
		Message: "log lines dropped: they came faster than they were read"}, []zapcore.Field{zap.Uint64("number", dropped)})
	if err != nil {
		return nil // never for these fields
	}
	defer line.Free()
	return bytes.Clone(line.Bytes())
}

// logHandler keeps the message of a line on one line, and knows the writer.
type logHandler struct {
	slog.Handler
	out *LogWriter
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Message = printable(strings.TrimRight(r.Message, "\n"), "")
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.out}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.out}
}

// printable escapes characters that are not printable, except those of keep,
// as JSON does: inside a JSON string the meaning stays the same.
func printable(s, keep string) string {
	escaped := func(r rune) bool {
		return (r < ' ' || r > '~') && !unicode.IsGraphic(r) && !strings.ContainsRune(keep, r)
	}
	first := strings.IndexFunc(s, escaped)
	if first < 0 {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	b = append(b, s[:first]...)
	for _, r := range s[first:] {
		if !escaped(r) {
			b = append(b, string(r)...)
			continue
		}
		if r > 0xFFFF { // as a pair of surrogates
			r -= 0x10000
			b = hexEscape(b, 0xD800+r>>10)
			r = 0xDC00 + r&0x3FF
		}
		b = hexEscape(b, r)
	}
	return string(b)
}

func hexEscape(b []byte, r rune) []byte {
	b = append(b, `\u`...)
	digits := strconv.FormatInt(int64(r), 16)
	for range 4 - len(digits) {
		b = append(b, '0')
	}
	return append(b, digits...)
}

// errorAttr is an attribute for an error that need not be there.
func errorAttr(key string, err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.Any(key, err)
}
