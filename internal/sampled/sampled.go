// Package sampled limits log lines that strangers can cause, so that they
// cannot flood the log and fill the disk.
package sampled

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// In each Window, First lines with the same message are written.
const (
	First  = 10
	Window = time.Minute
)

// maxMessages bounds how many messages are counted apart. Messages are
// constants of the program, so that it is not reached; beyond it they share one
// count.
const maxMessages = 256

// Logger gives a logger that writes the first ten lines of a minute of each
// message and drops the rest. The next line of that message that is written
// says in the attribute "suppressed" how many were dropped before it. It uses
// the monotonic clock, so setting the clock back does not silence the log. It
// is safe for concurrent use, and so are the loggers of With, which share the
// counts.
func Logger(log *slog.Logger) *slog.Logger {
	return slog.New(handler{log.Handler(), &counts{began: time.Now(), of: make(map[string]*count)}})
}

type handler struct {
	slog.Handler
	counts *counts
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	suppressed, ok := h.counts.take(r.Message)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.counts}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.counts}
}

// counts holds how many lines of each message its current window has.
type counts struct {
	began time.Time // the start of the first window; monotonic

	mu sync.Mutex
	of map[string]*count
}

type count struct {
	window     time.Duration // start of the window, since began
	written    int
	suppressed int
}

// take counts a line. It reports whether to write the line, and how many lines
// with its message were left out since the last written one.
func (c *counts) take(message string) (suppressed int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Since(c.began)
	n := c.of[message]
	if n == nil {
		if len(c.of) >= maxMessages {
			message = ""
		}
		if n = c.of[message]; n == nil {
			n = &count{window: now}
			c.of[message] = n
		}
	}
	if now-n.window >= Window {
		n.window, n.written = now, 0
	}
	if n.written == First {
		n.suppressed++
		return 0, false
	}
	n.written++
	suppressed, n.suppressed = n.suppressed, 0
	return suppressed, true
}
