package history

import (
	"cmp"
	"context"
	"crypto/rand"
	"sync"
	"time"
)

// Memory is a [Log] in this process. The size of all topics together is bounded: the
// largest topic forgets first.
type Memory struct {
	most  int
	clock func() time.Time

	mu     sync.Mutex // guards what follows; a leaf
	topics map[string]*topic
	held   int // bytes of all entries
	epochs string
	made   uint64 // topics so far
}

// topic holds the remembered entries of one room.
type topic struct {
	epoch   string
	entries []Entry // a window: the first offset is next - len
	next    uint64  // offset of the next entry
	bytes   int
}

// DefaultBytes is how many bytes a [Memory] holds by default.
const DefaultBytes = 256 << 20

// NewMemory returns an empty log that holds at most the given number of bytes; zero
// means [DefaultBytes].
func NewMemory(bytes int) *Memory {
	return &Memory{most: cmp.Or(bytes, DefaultBytes), clock: time.Now, topics: map[string]*topic{}, epochs: rand.Text()}
}

// Append implements Log. It never fails.
func (m *Memory) Append(_ context.Context, name string, limits Limits, e Entry) (Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		m.made++
		t = &topic{epoch: m.epochs[:12] + encode(m.made), next: 1}
		m.topics[name] = t
	}
	now := m.clock()
	if e.At.IsZero() {
		e.At = now
	}
	e.Offset = t.next
	t.next++
	t.entries = append(t.entries, e)
	t.bytes += e.size()
	m.held += e.size()
	m.trim(name, t, limits, now)
	for m.held > m.most {
		m.shed()
	}
	return Position{e.Offset, t.epoch}, nil
}

// encode writes a number in few characters.
func encode(n uint64) string {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	text := ""
	for ; n > 0; n /= uint64(len(digits)) {
		text = string(digits[n%uint64(len(digits))]) + text
	}
	return text
}

// trim forgets the entries of a topic above its limits.
func (m *Memory) trim(name string, t *topic, limits Limits, now time.Time) {
	for len(t.entries) > 0 {
		tooMany := limits.Messages > 0 && len(t.entries) > limits.Messages
		tooLarge := limits.Bytes > 0 && t.bytes > limits.Bytes
		tooOld := limits.Age > 0 && now.Sub(t.entries[0].At) > limits.Age
		if !tooMany && !tooLarge && !tooOld {
			return
		}
		m.forget(name, t)
	}
}

// shed forgets the oldest entry of the largest topic.
func (m *Memory) shed() {
	var largest *topic
	var name string
	for n, t := range m.topics {
		if largest == nil || t.bytes > largest.bytes {
			largest, name = t, n
		}
	}
	m.forget(name, largest)
}

// forget forgets the oldest entry of a topic. The topic itself stays: its offsets go
// on, so that a position in it keeps its meaning. Only when there are very many
// empty topics are they dropped, with their epochs.
func (m *Memory) forget(name string, t *topic) {
	size := t.entries[0].size()
	t.entries[0] = Entry{}
	t.entries = t.entries[1:]
	t.bytes -= size
	m.held -= size
	if len(t.entries) == 0 {
		t.entries = nil
		if len(m.topics) > mostTopics {
			delete(m.topics, name)
		}
	}
}

// mostTopics is how many empty topics are kept.
const mostTopics = 100_000

// Read implements Log. It never fails.
func (m *Memory) Read(_ context.Context, name string, limits Limits, q Query) (Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.topics[name]
	if t == nil {
		return Nothing(q), nil
	}
	m.trim(name, t, limits, m.clock())
	first := t.next - uint64(len(t.entries))
	from, to, page := Window{first, t.next, t.epoch}.Plan(q)
	page.Entries = append(page.Entries, t.entries[from-first:to-first]...)
	return page, nil
}

// bytes returns how many bytes are remembered.
func (m *Memory) bytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

// Close implements Log.
func (m *Memory) Close() error { return nil }
