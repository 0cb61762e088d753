package history

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// opener makes an empty log that holds at most so many bytes.
type opener func(bytes int, clock func() time.Time) Log

// everyLog runs a test with each kind of log.
func everyLog(t *testing.T, test func(t *testing.T, open opener)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		test(t, func(bytes int, clock func() time.Time) Log {
			m := NewMemory(bytes)
			m.clock = clock
			return m
		})
	})
	for _, fsync := range []string{FsyncAlways, FsyncInterval} {
		t.Run("disk, "+fsync, func(t *testing.T) {
			test(t, func(bytes int, clock func() time.Time) Log {
				return openDisk(t, DiskConfig{
					Path: filepath.Join(t.TempDir(), "history.db"), Fsync: fsync, Interval: time.Millisecond, Bytes: bytes, Clock: clock,
				})
			})
		})
	}
}

func openDisk(t *testing.T, cfg DiskConfig) *Disk {
	t.Helper()
	d, err := OpenDisk(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func held(t *testing.T, l Log) int {
	t.Helper()
	if m, ok := l.(*Memory); ok {
		return m.bytes()
	}
	n, err := l.(*Disk).bytes()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func add(t *testing.T, m Log, topic string, limits Limits, n int) Position {
	t.Helper()
	var p Position
	for range n {
		var err error
		if p, err = m.Append(t.Context(), topic, limits, Entry{Event: "e", Data: json.RawMessage(`1`)}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func read(t *testing.T, m Log, topic string, limits Limits, q Query) Page {
	t.Helper()
	p, err := m.Read(t.Context(), topic, limits, q)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// span writes the offsets of a page: "3-7".
func span(p Page) string {
	if len(p.Entries) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d-%d", p.Entries[0].Offset, p.Entries[len(p.Entries)-1].Offset)
}

func TestAPageSaysWhetherSomethingIsMissing(t *testing.T) {
	everyLog(t, aPageSaysWhetherSomethingIsMissing)
}

func aPageSaysWhetherSomethingIsMissing(t *testing.T, open opener) {
	m := open(0, time.Now)
	limits := Limits{Messages: 10}
	last := add(t, m, "r", limits, 15) // 6 to 15 are left
	since := func(offset uint64) *Position { return &Position{offset, last.Epoch} }
	for _, c := range []struct {
		name     string
		q        Query
		span     string
		position uint64
		complete bool
	}{
		{"the newest", Query{}, "6-15", 15, false},
		{"some of the newest", Query{Limit: 3}, "13-15", 15, false},
		{"before one", Query{Before: 10, Limit: 2}, "8-9", 15, false},
		{"before all", Query{Before: 2}, "none", 15, false},
		{"behind one", Query{Since: since(12)}, "13-15", 15, true},
		{"behind the last", Query{Since: since(15)}, "none", 15, true},
		{"behind the oldest that was forgotten", Query{Since: since(5)}, "6-15", 15, true},
		{"behind one that was forgotten before", Query{Since: since(4)}, "6-15", 15, false},
		{"in pieces", Query{Since: since(7), Limit: 4}, "8-11", 11, true},
		{"between two", Query{Since: since(7), Before: 10}, "8-9", 15, true},
		{"from the future", Query{Since: since(99)}, "6-15", 15, false},
		{"of another epoch", Query{Since: &Position{12, "other"}}, "6-15", 15, false},
		{"from the very beginning", Query{Since: &Position{}}, "6-15", 15, false},
	} {
		p := read(t, m, "r", limits, c.q)
		if span(p) != c.span || p.Complete != c.complete || p.Position != (Position{c.position, last.Epoch}) {
			t.Errorf("%s: %s, complete %v, position %v", c.name, span(p), p.Complete, p.Position)
		}
	}
}

func TestATopicThatNothingWasSentToIsEmpty(t *testing.T) {
	everyLog(t, aTopicThatNothingWasSentToIsEmpty)
}

func aTopicThatNothingWasSentToIsEmpty(t *testing.T, open opener) {
	m := open(0, time.Now)
	if p := read(t, m, "r", Limits{}, Query{}); len(p.Entries) != 0 || !p.Complete {
		t.Errorf("page %+v", p)
	}
	if p := read(t, m, "r", Limits{}, Query{Since: &Position{3, "x"}}); p.Complete {
		t.Error("somebody has seen what is not there, and is told that nothing is missing")
	}
}

func TestLimitsForgetTheOldest(t *testing.T) { everyLog(t, limitsForgetTheOldest) }

func limitsForgetTheOldest(t *testing.T, open opener) {
	var mu sync.Mutex
	now := time.Unix(0, 0)
	m := open(0, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	})
	add(t, m, "old", Limits{}, 3)
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	add(t, m, "old", Limits{}, 1)
	if p := read(t, m, "old", Limits{Age: time.Minute}, Query{}); span(p) != "4-4" {
		t.Errorf("with an age: %s", span(p))
	}
	size := (&Entry{Event: "e", Data: json.RawMessage(`1`)}).size()
	add(t, m, "large", Limits{Bytes: 3 * size}, 10)
	if p := read(t, m, "large", Limits{}, Query{}); span(p) != "8-10" {
		t.Errorf("with so many bytes: %s", span(p))
	}
}

// written waits until all entries are written.
func written(d *Disk) {
	for waits := true; waits; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		waits = len(d.waiting.by) > 0 || len(d.leaving.by) > 0
		d.mu.Unlock()
	}
}

func TestTheLargestTopicShedsFirst(t *testing.T) { everyLog(t, theLargestTopicShedsFirst) }

func theLargestTopicShedsFirst(t *testing.T, open opener) {
	m := open(20_000, time.Now)
	small := add(t, m, "small", Limits{}, 2)
	for range 100 {
		if _, err := m.Append(t.Context(), "large", Limits{}, Entry{Data: json.RawMessage(strings.Repeat("1", 1000))}); err != nil {
			t.Fatal(err)
		}
	}
	if d, ok := m.(*Disk); ok {
		written(d)
	}
	if held(t, m) > 20_000 {
		t.Errorf("%d bytes are held", held(t, m))
	}
	if p := read(t, m, "small", Limits{}, Query{}); span(p) != "1-2" || p.Position != small {
		t.Errorf("the small topic lost: %s", span(p))
	}
}

func TestAReaderInPiecesMissesNothing(t *testing.T) { everyLog(t, aReaderInPiecesMissesNothing) }

func aReaderInPiecesMissesNothing(t *testing.T, open opener) {
	m := open(0, time.Now)
	random := rand.New(rand.NewPCG(1, 2))
	at := Position{}
	var seen []uint64
	for range 60 {
		add(t, m, "r", Limits{}, random.IntN(5))
		p := read(t, m, "r", Limits{}, Query{Since: &at, Limit: 1 + random.IntN(4)})
		if !p.Complete {
			t.Fatalf("incomplete at %v", at)
		}
		for _, e := range p.Entries {
			seen = append(seen, e.Offset)
		}
		if p.Position.Epoch != "" {
			at = p.Position
		}
	}
	for i, offset := range seen {
		if offset != uint64(i+1) {
			t.Fatalf("entry %d has offset %d", i, offset)
		}
	}
}
