package cluster

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/history"
)

func logOn(r *redisServer) *History {
	client := r.client()
	return NewHistory("gatehouse:", func() (rueidis.Client, error) { return client, nil }, nil)
}

func appendTo(t *testing.T, l *History, topic string, limits history.Limits, n int) (p history.Position) {
	t.Helper()
	for range n {
		var err error
		if p, err = l.Append(t.Context(), topic, limits, history.Entry{Event: "e", Data: json.RawMessage(`1`)}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// span writes the offsets of a page: "3-7".
func span(p history.Page) string {
	if len(p.Entries) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d-%d", p.Entries[0].Offset, p.Entries[len(p.Entries)-1].Offset)
}

// The history in Redis answers like the other histories, on every node.
func TestAHistoryInRedisSaysWhetherSomethingIsMissing(t *testing.T) {
	r := startRedis(t)
	one, two := logOn(r), logOn(r)
	const topic = "/\x00a {room}"
	limits := history.Limits{Messages: 10}
	if p, err := two.Read(t.Context(), topic, limits, history.Query{}); err != nil || !p.Complete || len(p.Entries) > 0 {
		t.Errorf("%+v, %v", p, err)
	}
	last := appendTo(t, one, topic, limits, 15) // 6 to 15 are left
	since := func(offset uint64) *history.Position { return &history.Position{Offset: offset, Epoch: last.Epoch} }
	for _, c := range []struct {
		name     string
		q        history.Query
		span     string
		position uint64
		complete bool
	}{
		{"the newest", history.Query{}, "6-15", 15, false},
		{"some of the newest", history.Query{Limit: 3}, "13-15", 15, false},
		{"before one", history.Query{Before: 10, Limit: 2}, "8-9", 15, false},
		{"behind one", history.Query{Since: since(12)}, "13-15", 15, true},
		{"behind the last", history.Query{Since: since(15)}, "none", 15, true},
		{"behind one that was forgotten before", history.Query{Since: since(4)}, "6-15", 15, false},
		{"in pieces", history.Query{Since: since(7), Limit: 4}, "8-11", 11, true},
		{"of another epoch", history.Query{Since: &history.Position{Offset: 12, Epoch: "other"}}, "6-15", 15, false},
	} {
		p, err := two.Read(t.Context(), topic, limits, c.q)
		if err != nil || span(p) != c.span || p.Complete != c.complete || p.Position != (history.Position{Offset: c.position, Epoch: last.Epoch}) {
			t.Errorf("%s: %s, complete %v, position %v, %v", c.name, span(p), p.Complete, p.Position, err)
		}
	}
}

func TestAHistoryInRedisKeepsItsLimits(t *testing.T) {
	r := startRedis(t)
	l := logOn(r)
	entry := history.Entry{
		At: time.Now().Add(-time.Hour), Event: "é", Data: json.RawMessage(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{0, 255}}, Meta: json.RawMessage(`{"id":1}`),
	}
	if _, err := l.Append(t.Context(), "r", history.Limits{}, entry); err != nil {
		t.Fatal(err)
	}
	p, err := l.Read(t.Context(), "r", history.Limits{}, history.Query{})
	if err != nil || len(p.Entries) != 1 || p.Entries[0].Event != "é" || string(p.Entries[0].Attachments[0]) != "\x00\xff" || string(p.Entries[0].Meta) != `{"id":1}` {
		t.Errorf("%+v, %v", p, err)
	}
	old := history.Position{Epoch: p.Position.Epoch}
	if p, err = l.Read(t.Context(), "r", history.Limits{Age: time.Minute}, history.Query{Since: &old}); err != nil || len(p.Entries) > 0 || p.Complete {
		t.Errorf("%+v, %v", p, err)
	}
	for range 3 {
		if _, err := l.Append(t.Context(), "r", history.Limits{Bytes: 300}, history.Entry{Event: "e", Data: json.RawMessage(fmt.Sprintf(`"%0100d"`, 0))}); err != nil {
			t.Fatal(err)
		}
	}
	if p, err = l.Read(t.Context(), "r", history.Limits{}, history.Query{}); err != nil || span(p) != "3-4" {
		t.Errorf("%s, %v", span(p), err)
	}
}

// After a failover that lost entries, earlier positions are of another epoch, so that a reader does not take new entries
// for seen ones.
func TestAFailoverGivesPositionsAnotherEpoch(t *testing.T) {
	pair := startPair(t)
	c := pair.conn()
	l := NewHistory("gatehouse:", c.Client, c.Note)
	before := appendTo(t, l, "r", history.Limits{}, 3)
	pair.failover()
	until(t, "the new primary is found", func() bool {
		_, err := l.Append(t.Context(), "r", history.Limits{}, history.Entry{Event: "e", Data: json.RawMessage(`1`)})
		return err == nil
	})
	p, err := l.Read(t.Context(), "r", history.Limits{}, history.Query{Since: &before})
	if err != nil || p.Complete || p.Position.Epoch == before.Epoch {
		t.Errorf("%+v, %v", p, err)
	}
}
