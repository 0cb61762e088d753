package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/internal/core"
)

// position finds where to begin: at the end of the stream the first time, and a little before what was read later.
func (l *lane) position(ctx context.Context, client rueidis.DedicatedClient, pos *string) error {
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	last, err := l.newest(ctx, client, *pos == "")
	if err != nil {
		return fmt.Errorf("find the end: %w", err)
	}
	if *pos != "" {
		end := "0-0"
		if len(last) > 0 {
			end = last[0].ID
		}
		l.mu.Lock()
		lost := l.core.Forgotten(time.Now(), func(id string) bool { return isThere(last, id) })
		l.mu.Unlock()
		l.node.storeAgain(lost)
		*pos = before(earlier(*pos, end), rereadSpan)
		return nil
	}
	*pos = "0-0"
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(last) > 0 {
		*pos = last[0].ID
	}
	if int64(len(last)) >= l.logged() {
		l.core.Begin(last[len(last)-1].ID)
	}
	for i := len(last) - 1; i >= 0; i-- {
		if e, err := parseEntry(last[i].ID, last[i].FieldValues, l.node.signer, l.stream); err == nil {
			l.core.Seen(e.uid, e.number, &action{namespace: e.namespace, uid: e.uid, raw: &e}, e.id, len(e.data))
		}
	}
	l.place = l.core.Place()
	return nil
}

// logged is how many entries of the stream a node reads when it starts: with a log, as many as the stream may keep.
func (l *lane) logged() int64 {
	if l.core.Log() == nil {
		return rereadEntries
	}
	return max(rereadEntries, int64(l.node.cfg.MaxLen))
}

// newest returns the newest entries, the last one first: with recovery the first time all that the log may hold.
func (l *lane) newest(ctx context.Context, client rueidis.DedicatedClient, first bool) ([]rueidis.XRangeEntry, error) {
	count := int64(rereadEntries)
	if first {
		count = l.logged()
	}
	last, err := client.Do(ctx, client.B().Xrevrange().Key(l.stream).End("+").Start("-").Count(count).Build()).AsXRange()
	if rueidis.IsRedisNil(err) {
		err = nil
	}
	return last, err
}

// isThere reports whether an entry is among the newest ones of a stream, or too old to say.
func isThere(newest []rueidis.XRangeEntry, id string) bool {
	if len(newest) == rereadEntries && core.Compare(id, newest[len(newest)-1].ID) < 0 {
		return true
	}
	return slices.ContainsFunc(newest, func(e rueidis.XRangeEntry) bool { return e.ID == id })
}

// rereadEntries is how many entries a new node looks at to know the numbers of the others.
const rereadEntries = 1000
