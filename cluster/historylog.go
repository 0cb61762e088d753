package cluster

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/history"
)

// History is a [history.Log] in Redis, one for all nodes. A topic is a list of entries and a hash of facts. It is safe for
// concurrent use.
//
// The offsets of a topic go on as long as something is sent to it at least once a week. When the primary changes, or
// restarts without the name that it had, positions get another epoch, because acknowledged entries may be lost and
// their offsets given out again.
type History struct {
	prefix string
	client func() (rueidis.Client, error)
	note   func(client rueidis.Client, err error) error
}

// NewHistory makes a log whose keys begin with prefix. The client's owner closes it. note may be nil, see [NodeConfig].
func NewHistory(prefix string, client func() (rueidis.Client, error), note func(rueidis.Client, error) error) *History {
	if note == nil {
		note = func(_ rueidis.Client, err error) error { return err }
	}
	return &History{prefix, client, note}
}

const (
	keepTopic  = 7 * 24 * time.Hour
	readTries  = 8 // retries when entries are forgotten between the two steps of a read
	oldestText = "^(%d+) "
)

// settleTopic finds the facts of a topic and removes entries that are too old. KEYS: entries, facts. ARGV[1]: a fresh epoch,
// ARGV[2]: now, in milliseconds, ARGV[3]: the oldest that an entry may be, 0 for no limit.
const settleTopic = `
local server = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local facts = redis.call('HMGET', KEYS[2], 'epoch', 'server', 'next', 'bytes')
local epoch, next, bytes = facts[1], tonumber(facts[3]), tonumber(facts[4])
if epoch and facts[2] ~= server then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'server', server)
end
local function forget()
  local oldest = redis.call('LPOP', KEYS[1])
  bytes = bytes - #oldest
end
if epoch and tonumber(ARGV[3]) > 0 then
  local oldest = redis.call('LINDEX', KEYS[1], 0)
  while oldest and tonumber(string.match(oldest, '` + oldestText + `')) < tonumber(ARGV[2]) - tonumber(ARGV[3]) do
    forget()
    oldest = redis.call('LINDEX', KEYS[1], 0)
  end
  redis.call('HSET', KEYS[2], 'bytes', bytes)
end
`

// appendScript appends. ARGV[4]: the entry, ARGV[5] and ARGV[6]: messages and bytes that are kept, 0 for no limit, ARGV[7]: how
// long a topic is kept.
var appendScript = rueidis.NewLuaScript(settleTopic + `
if not epoch then epoch, next, bytes = ARGV[1], 1, 0 end
local n = redis.call('RPUSH', KEYS[1], ARGV[4])
bytes = bytes + #ARGV[4]
local most, size = tonumber(ARGV[5]), tonumber(ARGV[6])
while n > 0 and (most > 0 and n > most or size > 0 and bytes > size) do
  forget()
  n = n - 1
end
redis.call('HSET', KEYS[2], 'epoch', epoch, 'server', server, 'next', next + 1, 'bytes', bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
return {tostring(next), epoch}`)

// lookScript returns the epoch, the next offset and the number of entries; nothing when there is no topic.
var lookScript = rueidis.NewLuaScript(settleTopic + `
if not epoch then return {} end
return {epoch, tostring(next), tostring(redis.call('LLEN', KEYS[1]))}`)

// rangeScript returns the entries from ARGV[4] to ARGV[5], without the latter, in the epoch ARGV[6]; nothing when some of them
// are not there any more.
var rangeScript = rueidis.NewLuaScript(settleTopic + `
local first = (next or 0) - redis.call('LLEN', KEYS[1])
local from, to = tonumber(ARGV[4]), tonumber(ARGV[5])
if epoch ~= ARGV[6] or from < first then return {} end
return redis.call('LRANGE', KEYS[1], from - first, to - first - 1)`)

// kept is an entry as Redis has it, preceded by its time.
type kept struct {
	Event       string          `json:"e"`
	Data        json.RawMessage `json:"d"`
	Attachments [][]byte        `json:"a,omitempty"`
	Meta        json.RawMessage `json:"m,omitempty"`
}

var errTopic = errors.New("cluster: a topic of the history cannot be read")

// script runs a script on a topic.
func (h *History) script(ctx context.Context, s *rueidis.Lua, topic string, limits history.Limits, args ...string) ([]string, error) {
	client, err := h.client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	tag := h.prefix + "history:{" + url.QueryEscape(topic) + "}:"
	head := []string{rand.Text()[:16], strconv.FormatInt(time.Now().UnixMilli(), 10), strconv.FormatInt(limits.Age.Milliseconds(), 10)}
	got, err := s.Exec(ctx, client, []string{tag + "entries", tag + "facts"}, append(head, args...)).AsStrSlice()
	if err = h.note(client, err); err != nil {
		return nil, fmt.Errorf("history in redis: %w", err)
	}
	return got, nil
}

// Append implements history.Log.
func (h *History) Append(ctx context.Context, topic string, limits history.Limits, e history.Entry) (p history.Position, err error) {
	at := e.At
	if at.IsZero() {
		at = time.Now()
	}
	text, err := json.Marshal(kept{e.Event, e.Data, e.Attachments, e.Meta})
	if err != nil {
		return p, err
	}
	got, err := h.script(ctx, appendScript, topic, limits, fmt.Sprintf("%d %s", at.UnixMilli(), text),
		strconv.Itoa(limits.Messages), strconv.Itoa(limits.Bytes), millis(max(keepTopic, limits.Age)))
	if err != nil {
		return p, err
	}
	if len(got) != 2 {
		return p, errTopic
	}
	p.Epoch = got[1]
	p.Offset, err = strconv.ParseUint(got[0], 10, 64)
	return p, err
}

// Read implements history.Log.
func (h *History) Read(ctx context.Context, topic string, limits history.Limits, q history.Query) (history.Page, error) {
	for range readTries {
		got, err := h.script(ctx, lookScript, topic, limits)
		if err != nil || len(got) == 0 {
			return history.Nothing(q), err
		}
		w, err := windowOf(got)
		if err != nil {
			return history.Page{}, err
		}
		from, to, page := w.Plan(q)
		if from == to {
			return page, nil
		}
		entries, err := h.script(ctx, rangeScript, topic, limits, strconv.FormatUint(from, 10), strconv.FormatUint(to, 10), w.Epoch)
		if err != nil {
			return history.Page{}, err
		}
		if uint64(len(entries)) != to-from {
			continue // entries were forgotten meanwhile
		}
		for i, text := range entries {
			e, err := entryOf(text)
			if err != nil {
				return history.Page{}, err
			}
			e.Offset = from + uint64(i) // an index
			page.Entries = append(page.Entries, e)
		}
		return page, nil
	}
	return history.Page{}, errBusy
}

func windowOf(got []string) (w history.Window, err error) {
	if len(got) != 3 {
		return w, errTopic
	}
	next, err1 := strconv.ParseUint(got[1], 10, 64)
	n, err2 := strconv.ParseUint(got[2], 10, 64)
	if errors.Join(err1, err2) != nil || n >= next {
		return w, errTopic
	}
	return history.Window{First: next - n, Next: next, Epoch: got[0]}, nil
}

// entryOf reads an entry. It checks everything, because others can write into Redis.
func entryOf(text string) (history.Entry, error) {
	at, rest, _ := strings.Cut(text, " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	var k kept
	if err != nil || json.Unmarshal([]byte(rest), &k) != nil {
		return history.Entry{}, errTopic
	}
	return history.Entry{At: time.UnixMilli(ms), Event: k.Event, Data: k.Data, Attachments: k.Attachments, Meta: k.Meta}, nil
}

// Close implements history.Log. The owner of the connection closes it.
func (*History) Close() error { return nil }
