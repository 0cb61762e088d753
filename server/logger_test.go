package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/server"
)

// stuck is a log whose reader has stopped reading, until it is told to go on.
type stuck struct {
	bytes.Buffer
	read chan struct{}
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.read
	return s.Buffer.Write(p)
}

func TestWhoStopsReadingTheLogStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stuck{read: make(chan struct{})}
		log, out, err := server.NewLogger(server.Log{}, reader)
		if err != nil {
			t.Fatal(err)
		}
		const lines = 20_000
		for range lines { // in this goroutine: a write that waits would hang the test
			log.Info(strings.Repeat("x", 200))
		}
		dropped := out.Dropped()
		if dropped < lines/2 || dropped >= lines {
			t.Errorf("%d of %d lines dropped", dropped, lines)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := out.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Flush says %v", err)
		}
		close(reader.read)
		if err := out.Close(t.Context()); err != nil {
			t.Error(err)
		}
		text := reader.String()
		written := strings.Count(text, "xxx\"")
		if uint64(written)+dropped != lines || !strings.Contains(text, "log lines dropped") {
			t.Errorf("%d lines written and %d dropped of %d; the log says so: %v", written, dropped, lines, strings.Contains(text, "log lines dropped"))
		}
	})
}

func TestTheEndDoesNotWaitForTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader := &stuck{read: make(chan struct{})}
		log, out, err := server.NewLogger(server.Log{}, reader)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("the last words")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := out.Close(ctx); err == nil {
			t.Error("Close says nothing of the lost lines")
		}
		log.Info("afterwards") // dropped
		if n := out.Dropped(); n != 1 {
			t.Errorf("%d dropped", n)
		}
		close(reader.read)
	})
}

// batches is a log that keeps each write apart.
type batches []string

func (b *batches) Write(p []byte) (int, error) {
	*b = append(*b, string(p))
	return len(p), nil
}

func TestLinesThatComeTogetherAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got batches
		log, out, err := server.NewLogger(server.Log{}, &got)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{"first", "second", "third", "last"} {
			log.Info(line)
			synctest.Wait()
		}
		if len(got) != 1 || !strings.Contains(got[0], "first") {
			t.Errorf("at once %q were written", got)
		}
		if err := out.Flush(t.Context()); err != nil || len(got) != 2 || strings.Count(got[1], "\n") != 3 {
			t.Errorf("%v; later %q were written", err, got)
		}
		if err := out.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// broken is a log whose writes fail.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	log, out, err := server.NewLogger(server.Log{}, broken{})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("one")
	log.Info("two")
	if err := out.Close(t.Context()); err != nil || out.Dropped() != 2 {
		t.Errorf("%v, %d dropped", err, out.Dropped())
	}
}

// Text of a stranger could reverse a line, move the cursor or begin a new line.
func TestWhatATerminalObeysNeverReachesTheLog(t *testing.T) {
	const hostile = "a\u202eb\u009b31mc\x1b[2Jd\re\nf\u2028g\U000e0001h\x7fi"
	for _, format := range []string{"json", "console"} {
		t.Run(format, func(t *testing.T) {
			var text bytes.Buffer
			log, out, err := server.NewLogger(server.Log{Format: format}, &text)
			if err != nil {
				t.Fatal(err)
			}
			log.With(slog.String("with", hostile)).Warn("message "+hostile, slog.String("text", hostile), slog.Any("list", []string{hostile}),
				slog.Any("error", errors.New(hostile)), slog.String(hostile, "key"))
			if err := out.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(text.String(), "\u202e\u009b\x1b\r\u2028\U000e0001\x7f") || strings.Count(text.String(), "\n") != 1 {
				t.Errorf("%q", text.String())
			}
			if format != "json" {
				return
			}
			var line struct{ With, Text, Error string }
			if err := json.Unmarshal(text.Bytes(), &line); err != nil {
				t.Fatal(err)
			}
			if line.With != hostile || line.Text != hostile || line.Error != hostile {
				t.Errorf("a reader of JSON does not get what came: %+q", line)
			}
		})
	}
}
