package sampled_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/internal/sampled"
)

// lines gives the objects that a JSON handler has written.
func lines(t *testing.T, out *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for d := json.NewDecoder(out); d.More(); {
		var line map[string]any
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

func TestTheFirstLinesOfAMinuteAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := sampled.Logger(slog.New(slog.NewJSONHandler(&out, nil)))
		for range 3 * sampled.First {
			log.Warn("refused")
			log.With("peer", "x").Warn("refused")
		}
		log.Warn("another")
		got := lines(t, &out)
		if len(got) != sampled.First+1 {
			t.Fatalf("%d lines, want %d of one message and 1 of another", len(got), sampled.First)
		}

		time.Sleep(sampled.Window)
		log.Warn("refused")
		log.Warn("refused")
		got = lines(t, &out)
		if len(got) != 2 || got[0]["suppressed"] != float64(5*sampled.First) || got[1]["suppressed"] != nil {
			t.Errorf("after the window: %v; want the number of suppressed lines on the first only", got)
		}
	})
}

func TestASampledLoggerBoundsWhatItCounts(t *testing.T) {
	var out bytes.Buffer
	log := sampled.Logger(slog.New(slog.NewJSONHandler(&out, nil)))
	for i := range 10_000 {
		log.Warn(fmt.Sprint("message ", i))
	}
	if n := len(lines(t, &out)); n > 300 {
		t.Errorf("%d different messages were written; past the limit they share one count", n)
	}
}

func TestALevelThatIsOffIsNotCounted(t *testing.T) {
	var out bytes.Buffer
	log := sampled.Logger(slog.New(slog.NewJSONHandler(&out, nil)))
	for range 100 {
		log.Debug("refused")
	}
	log.Warn("refused")
	if got := lines(t, &out); len(got) != 1 || got[0]["suppressed"] != nil {
		t.Errorf("%v; want one line", got)
	}
}
