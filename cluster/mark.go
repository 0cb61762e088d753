package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/handshake"
)

// record is a mark as Redis keeps and publishes it: "at:until:JSON", the times
// in microseconds since 1970, where the script finds and merges them. The JSON
// says the rest.
type record struct {
	id        string // what the mark is on: marks with the same id merge
	at, until int64
	rest      string
}

// named is the JSON of a record.
type named struct {
	Kind   handshake.MarkKind `json:"kind"`
	Value  string             `json:"value"`
	Issuer string             `json:"issuer,omitempty"`
	Reason string             `json:"reason,omitempty"`
}

const maxRecord = 64 << 10 // bytes; longer ones are nobody's of ours

func recordOf(m handshake.Mark) (record, error) {
	rest, err := json.Marshal(named{m.Kind, m.Value, m.Issuer, m.Reason})
	if err != nil {
		return record{}, fmt.Errorf("encode a mark: %w", err)
	}
	if len(rest) > maxRecord/2 {
		return record{}, errors.New("encode a mark: it is too long")
	}
	return record{id: idOf(m), at: micros(m.At), until: micros(m.Until), rest: string(rest)}, nil
}

// idOf names what a mark is on; quoting keeps the parts apart.
func idOf(m handshake.Mark) string {
	return fmt.Sprintf("%s %q %q", m.Kind, m.Value, m.Issuer)
}

// micros rounds up: a mark may not end anything less on another node.
func micros(t time.Time) int64 {
	n := t.UnixMicro()
	if time.UnixMicro(n).Before(t) {
		n++
	}
	return n
}

var errRecord = errors.New("not a mark")

// parseRecord reads what Redis has; others can write there, so nothing is taken
// for granted. What the mark may be on is for its list to say.
func parseRecord(text string) (handshake.Mark, error) {
	at, tail, _ := strings.Cut(text, ":")
	until, rest, ok := strings.Cut(tail, ":")
	if !ok || len(text) > maxRecord {
		return handshake.Mark{}, errRecord
	}
	from, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return handshake.Mark{}, errRecord
	}
	to, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		return handshake.Mark{}, errRecord
	}
	var n named
	if err := json.Unmarshal([]byte(rest), &n); err != nil || n.Value == "" || from <= 0 || to <= 0 {
		return handshake.Mark{}, errRecord
	}
	return handshake.Mark{
		Kind: n.Kind, Value: n.Value, Issuer: n.Issuer, Reason: n.Reason, At: time.UnixMicro(from), Until: time.UnixMicro(to),
	}, nil
}
