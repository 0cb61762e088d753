package history

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func add(t *testing.T, m *Memory, topic string, limits Limits, n int) Position {
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

func read(t *testing.T, m *Memory, topic string, limits Limits, q Query) Page {
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
	m := NewMemory(0)
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
	m := NewMemory(0)
	if p := read(t, m, "r", Limits{}, Query{}); len(p.Entries) != 0 || !p.Complete {
		t.Errorf("page %+v", p)
	}
	if p := read(t, m, "r", Limits{}, Query{Since: &Position{3, "x"}}); p.Complete {
		t.Error("somebody has seen what is not there, and is told that nothing is missing")
	}
}

func TestLimitsForgetTheOldest(t *testing.T) {
	m := NewMemory(0)
	now := time.Unix(0, 0)
	m.clock = func() time.Time { return now }
	add(t, m, "old", Limits{}, 3)
	now = now.Add(time.Hour)
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

func TestTheLargestTopicShedsFirst(t *testing.T) {
	m := NewMemory(20_000)
	small := add(t, m, "small", Limits{}, 2)
	for range 100 {
		if _, err := m.Append(t.Context(), "large", Limits{}, Entry{Data: json.RawMessage(strings.Repeat("1", 1000))}); err != nil {
			t.Fatal(err)
		}
	}
	if m.Held() > 20_000 {
		t.Errorf("%d bytes are held", m.Held())
	}
	if p := read(t, m, "small", Limits{}, Query{}); span(p) != "1-2" || p.Position != small {
		t.Errorf("the small topic lost: %s", span(p))
	}
}

func TestAReaderInPiecesMissesNothing(t *testing.T) {
	m := NewMemory(0)
	random := rand.New(rand.NewPCG(1, 2))
	at := Position{}
	var seen []uint64
	for range 200 {
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
