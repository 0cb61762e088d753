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

// record is a revocation as Redis keeps and publishes it: "at:until:JSON". The times
// are in microseconds since 1970, and stand where the script can read and merge
// them. The JSON has the rest.
type record struct {
	id        string // the object of the revocation: revocations with the same id merge
	at, until int64
	rest      string
}

// named is the JSON of a record.
type named struct {
	Kind   handshake.RevocationKind `json:"kind"`
	Value  string                   `json:"value"`
	Issuer string                   `json:"issuer,omitempty"`
	Reason string                   `json:"reason,omitempty"`
}

const maxRecord = 64 << 10 // in bytes; Gatehouse writes no longer ones

func recordOf(m handshake.Revocation) (record, error) {
	rest, err := json.Marshal(named{m.Kind, m.Value, m.Issuer, m.Reason})
	if err != nil {
		return record{}, fmt.Errorf("encode a revocation: %w", err)
	}
	if len(rest) > maxRecord/2 {
		return record{}, errors.New("encode a revocation: it is too long")
	}
	return record{id: idOf(m), at: micros(m.At), until: micros(m.Until), rest: string(rest)}, nil
}

// idOf names the object of a revocation; quoting keeps the parts apart.
func idOf(m handshake.Revocation) string {
	return fmt.Sprintf("%s %q %q", m.Kind, m.Value, m.Issuer)
}

// micros rounds up: a revocation must not end less on another node.
func micros(t time.Time) int64 {
	n := t.UnixMicro()
	if time.UnixMicro(n).Before(t) {
		n++
	}
	return n
}

var errRecord = errors.New("not a revocation")

// parseRecord reads a record of Redis. It checks everything, because others can
// write there; the list of revocations checks the object.
func parseRecord(text string) (handshake.Revocation, error) {
	at, tail, _ := strings.Cut(text, ":")
	until, rest, ok := strings.Cut(tail, ":")
	if !ok || len(text) > maxRecord {
		return handshake.Revocation{}, errRecord
	}
	from, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return handshake.Revocation{}, errRecord
	}
	to, err := strconv.ParseInt(until, 10, 64)
	if err != nil {
		return handshake.Revocation{}, errRecord
	}
	var n named
	if err := json.Unmarshal([]byte(rest), &n); err != nil || n.Value == "" || from <= 0 || to <= 0 {
		return handshake.Revocation{}, errRecord
	}
	return handshake.Revocation{
		Kind: n.Kind, Value: n.Value, Issuer: n.Issuer, Reason: n.Reason, At: time.UnixMicro(from), Until: time.UnixMicro(to),
	}, nil
}
