// Package history keeps the events of rooms, so that a client that comes later,
// or comes back, can read what it missed.
//
// A [Position] says how far a reader has read: an offset, which grows by one with
// each entry of a topic, and the epoch in which the offset was given. When requested
// entries are gone, or the epoch has changed because the log was lost, the answer
// says that it is not complete: there is never a silent gap.
//
// [Memory] keeps entries in this process, [Disk] in a file.
package history

import (
	"context"
	"encoding/json"
	"time"
)

// Position is a place in a topic: after the entry that has this offset. The zero
// value is before all entries, in no epoch.
type Position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

// Entry is what was sent once.
type Entry struct {
	Offset      uint64          `json:"offset"` // filled in by Append
	At          time.Time       `json:"-"`      // filled in by Append when it is zero
	Event       string          `json:"event"`
	Data        json.RawMessage `json:"data"` // its placeholders stand for Attachments
	Attachments [][]byte        `json:"attachments,omitempty"`
	Meta        json.RawMessage `json:"meta,omitempty"` // the sender, as the receivers saw it
}

// size is how many bytes an entry counts for.
func (e *Entry) size() int {
	const overhead = 160 // of the fields themselves
	n := overhead + len(e.Event) + len(e.Data) + len(e.Meta)
	for _, a := range e.Attachments {
		n += len(a)
	}
	return n
}

// Limits of one topic. Zero is no limit.
type Limits struct {
	Messages int
	Bytes    int
	Age      time.Duration
}

// and returns the tighter ones of two limits.
func (l Limits) and(other Limits) Limits {
	return Limits{Messages: tighter(l.Messages, other.Messages), Bytes: tighter(l.Bytes, other.Bytes), Age: tighter(l.Age, other.Age)}
}

func tighter[T int | time.Duration](a, b T) T {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// Query asks for entries. Without Since and Before it asks for the newest ones.
type Query struct {
	Since  *Position // asks for entries after this position, beginning with the oldest
	Before uint64    // asks for entries before this offset, beginning with the newest; zero means no bound
	Limit  int       // at most so many; zero is 100
}

// Page is an answer, in the order in which the entries were sent.
type Page struct {
	Entries  []Entry
	Position Position // after the topic's newest entry; after the last of Entries when there are more entries after Since
	// Complete says that no entry is missing between Since and the first of Entries;
	// without Since, that Entries begin with the topic's first entry ever.
	Complete bool
}

// Log keeps entries. Its methods are safe for concurrent use. An error means that the
// log cannot be reached, and that no entry was appended.
type Log interface {
	// Append adds an entry to a topic and returns the position after it. Entries above
	// the limits are forgotten.
	Append(ctx context.Context, topic string, limits Limits, e Entry) (Position, error)
	// Read returns entries of a topic. An unknown topic is empty.
	Read(ctx context.Context, topic string, limits Limits, q Query) (Page, error)
	// Close releases the resources of the log.
	Close() error
}

// mostEntries is how many entries one query returns at most.
const mostEntries = 1000

func (q Query) limit() uint64 {
	if q.Limit <= 0 {
		return 100
	}
	return uint64(min(q.Limit, mostEntries)) // positive
}
