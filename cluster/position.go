package cluster

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/redis/rueidis"

	"gatehouse/cluster/internal/core"
)

// position finds where to begin: at the end of the stream the first time, and later behind what was read of it.
func (l *lane) position(ctx context.Context, client rueidis.DedicatedClient, pos *string) error {
	if *pos != "" {
		return l.resume(ctx, client, pos)
	}
	last, err := l.newest(ctx, client, "", l.logged())
	if err != nil {
		return err
	}
	*pos = "0-0"
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(last) > 0 {
		*pos = last[0].ID
	}
	if int64(len(last)) >= l.logged() {
		l.trail.Begin()
		l.core.Begin(last[len(last)-1].ID)
	}
	for i := len(last) - 1; i >= 0; i-- {
		l.trail.Read(stampOf(last[i]))
		if e, err := parseEntry(last[i].ID, last[i].FieldValues, l.node.signer, l.stream); err == nil {
			l.core.Seen(e.uid, e.number, &action{namespace: e.namespace, uid: e.uid, raw: &e}, e.id, len(e.data))
		}
	}
	l.place = l.core.Place()
	return nil
}

// resume goes on with the entries that have not been read.
func (l *lane) resume(ctx context.Context, client rueidis.DedicatedClient, pos *string) error {
	id, lost, err := l.trail.Resume(func(id string) ([]core.Stamp, error) {
		page, err := l.newest(ctx, client, id, rereadEntries)
		stamps := make([]core.Stamp, len(page))
		for i := range page {
			stamps[i] = stampOf(page[i])
		}
		return stamps, err
	})
	if err != nil {
		return err
	}
	if len(lost) > 0 && id == "0-0" {
		trimmed, err := l.trimmed(ctx, client)
		if err != nil {
			return err
		}
		if trimmed { // what was read is older than what there is
			lost = nil
		}
	}
	ids := make(map[string]bool, len(lost))
	for _, s := range lost {
		ids[s.ID] = true
	}
	l.mu.Lock()
	forgotten := l.core.Forgotten(ids)
	if len(lost) > 0 {
		l.at = id // the next ids may be lower
	}
	l.mu.Unlock()
	l.node.storeAgain(forgotten)
	*pos = id
	return nil
}

// logged is how many entries of the stream a node reads when it starts: with a log, as many as the stream may keep.
func (l *lane) logged() int64 {
	if l.core.Log() == nil {
		return rereadEntries
	}
	return max(rereadEntries, int64(l.node.cfg.MaxLen))
}

// newest returns the newest entries before an id, or of all when it is "", the last one first.
func (l *lane) newest(ctx context.Context, client rueidis.DedicatedClient, before string, count int64) ([]rueidis.XRangeEntry, error) {
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	end := "+"
	if before != "" {
		end = "(" + before
	}
	last, err := client.Do(ctx, client.B().Xrevrange().Key(l.stream).End(end).Start("-").Count(count).Build()).AsXRange()
	if err != nil && !rueidis.IsRedisNil(err) {
		return nil, fmt.Errorf("find where to read: %w", err)
	}
	return last, nil
}

// trimmed reports whether the stream once had entries that it has no more.
func (l *lane) trimmed(ctx context.Context, client rueidis.DedicatedClient) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	info, err := client.Do(ctx, client.B().XinfoStream().Key(l.stream).Build()).AsMap()
	if _, answered := rueidis.IsRedisErr(err); answered {
		return false, nil // no such stream
	}
	if err != nil {
		return false, fmt.Errorf("describe the stream: %w", err)
	}
	has, had := info["length"], info["entries-added"]
	length, err1 := has.AsInt64()
	added, err2 := had.AsInt64()
	return err1 == nil && err2 == nil && added > length, nil
}

var stampSeed = maphash.MakeSeed()

// stampOf names an entry by its id and what it says.
func stampOf(e rueidis.XRangeEntry) core.Stamp {
	s := core.Stamp{ID: e.ID}
	var h maphash.Hash
	h.SetSeed(stampSeed)
	for field, value := range e.FieldValues { // in no order
		h.Reset()
		_, _ = h.WriteString(field)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(value)
		s.Sum += h.Sum64()
	}
	return s
}

// rereadEntries is how many entries a new node looks at to know the numbers of the others, and a new connection at once to know
// where to go on.
const rereadEntries = 1000
