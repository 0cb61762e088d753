package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
)

// logQueue is how many bytes of log lines wait for their writer at most.
const logQueue = 1 << 20

// logPause is how long lines are collected for the next batch, unless they come fast.
// Each client that goes causes a line, and writing single lines would cost a wake-up
// and a system call for each.
const logPause = 10 * time.Millisecond

// logSpare is how much of a batch's memory is kept for the next one.
const logSpare = 64 << 10

// LogWriter writes log lines in a goroutine of its own, so that the server goes on when
// the reader of the log has stopped reading or is gone. It is safe for concurrent use.
type LogWriter struct {
	out  io.Writer
	note func(dropped uint64) []byte // the line that says so
	done chan struct{}               // closed when the goroutine has ended

	level zap.AtomicLevel // the level of the logger that writes these lines

	mu      sync.Mutex
	more    sync.Cond // signals that there is something to write, or that the writer is closed
	idle    sync.Cond // all is written
	writing bool
	queue   []byte
	spare   []byte // the last batch's memory
	unsaid  uint64 // lines dropped since the last line that said so
	dropped uint64
	closed  bool
}

func newLogWriter(out io.Writer, note func(dropped uint64) []byte) *LogWriter {
	w := &LogWriter{out: out, note: note, done: make(chan struct{})}
	w.more.L, w.idle.L = &w.mu, &w.mu
	go w.run()
	return w
}

// Write queues one line. It never waits and never fails; a line that finds the
// queue full, or the writer closed, is dropped and counted.
func (w *LogWriter) Write(line []byte) (int, error) {
	text := printable(string(line), "\n\t")
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.queue)+len(text) > logQueue {
		w.dropLocked(1)
		return len(line), nil
	}
	w.queue = append(w.queue, text...)
	w.more.Signal()
	return len(line), nil
}

// Sync implements zapcore.WriteSyncer. It does not wait; see Close.
func (*LogWriter) Sync() error { return nil }

// Dropped is how many lines have not reached the log.
func (w *LogWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// Flush waits until the queue has been written, or until ctx ends.
func (w *LogWriter) Flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.idle.Broadcast()
	})
	defer stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for (w.writing || len(w.queue) > 0 || w.unsaid > 0) && ctx.Err() == nil {
		w.idle.Wait()
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	return nil
}

// Close writes what is queued and ends the goroutine that writes. It waits
// until ctx ends: a write that hangs then is left to itself.
func (w *LogWriter) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closed = true
	w.more.Signal()
	w.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return errors.New("log: its reader does not read, so the last lines are lost")
	}
}

func (w *LogWriter) dropLocked(lines uint64) {
	w.unsaid += lines
	w.dropped += lines
}

// run writes what is queued, a batch at a time, with pauses between them.
func (w *LogWriter) run() {
	defer close(w.done)
	for {
		batch := w.next()
		if batch == nil {
			return
		}
		_, err := w.out.Write(batch)
		if w.written(batch, err) && len(batch) < logQueue/4 {
			time.Sleep(logPause)
		}
	}
}

// next waits for a batch; nil means that there will be none.
func (w *LogWriter) next() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && w.unsaid == 0 && !w.closed {
		w.more.Wait()
	}
	batch := w.queue
	w.writing = true
	if w.unsaid > 0 {
		batch = append(batch, w.note(w.unsaid)...)
		w.unsaid = 0
	}
	w.queue, w.spare = w.spare[:0], nil
	if len(batch) == 0 {
		return nil
	}
	return batch
}

// written counts a batch that could not be written and keeps its memory. It reports
// whether there may be others.
func (w *LogWriter) written(batch []byte, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing = false
	w.idle.Broadcast()
	if cap(batch) <= logSpare {
		w.spare = batch
	}
	if err != nil { // only the metrics show it
		for _, b := range batch {
			if b == '\n' {
				w.dropped++
			}
		}
	}
	return !w.closed
}

// SetLevel makes the logger write lines of this level (debug, info, warn, error) and
// above from now on. It is safe for concurrent use.
func (w *LogWriter) SetLevel(level string) error {
	if err := w.level.UnmarshalText([]byte(level)); err != nil {
		return fmt.Errorf("log.level: %w", err)
	}
	return nil
}
