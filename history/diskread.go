package history

import (
	"time"

	bolt "go.etcd.io/bbolt"
)

// reading is a topic that is being read: its entries in the file, and those that have
// come since.
type reading struct {
	tx      *bolt.Tx
	id      uint64
	written uint64 // the offset behind the file's last entry
	ends    []Entry
}

// at returns the entry at an offset. ok is false when it cannot be read any more, and
// is lost.
func (r *reading) at(offset uint64) (e Entry, ok bool) {
	if offset >= r.written {
		if len(r.ends) == 0 || offset < r.ends[0].Offset || offset-r.ends[0].Offset >= uint64(len(r.ends)) {
			return e, false
		}
		return r.ends[offset-r.ends[0].Offset], true
	}
	e, err := decodeEntry(r.tx.Bucket(entriesBucket).Get(entryKey(r.id, offset)))
	e.Offset = offset
	return e, err == nil
}

// ending holds the entries of a topic since the last write. Some may be in the file
// already.
type ending struct {
	epoch   string
	entries []Entry
	limits  Limits // of the last of them
}

// readTopic reads a page.
func (d *Disk) readTopic(tx *bolt.Tx, name string, limits Limits, q Query, end ending) (Page, error) {
	h, found, err := headOf(tx, name)
	if err != nil {
		return Page{}, err
	}
	if !found {
		if len(end.entries) == 0 {
			return Nothing(q), nil
		}
		h = head{first: end.entries[0].Offset, next: end.entries[0].Offset, epoch: end.epoch}
	}
	r := &reading{tx: tx, id: h.id, written: h.next, ends: end.entries}
	for _, e := range end.entries {
		if e.Offset >= h.next {
			h.next = e.Offset + 1
			h.bytes += uint64(e.size()) // not negative
		}
	}
	w := Window{r.allowed(h, limits.and(end.limits), d.cfg.Clock()), h.next, d.file.shown(h.epoch)}
	from, to, page := w.Plan(q)
	for offset := from; offset < to; offset++ {
		e, ok := r.at(offset)
		if !ok {
			page.Entries, page.Complete = page.Entries[:0], false // a page has no holes
			continue
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

// allowed is the offset of the oldest entry that the limits allow.
func (r *reading) allowed(h head, limits Limits, now time.Time) uint64 {
	if limits.Messages > 0 && h.next-h.first > uint64(limits.Messages) && limits.Bytes == 0 {
		h.first = h.next - uint64(limits.Messages)
	}
	for ; h.first < h.next; h.first++ {
		e, ok := r.at(h.first)
		tooMany := limits.Messages > 0 && h.next-h.first > uint64(limits.Messages)
		tooLarge := limits.Bytes > 0 && h.bytes > uint64(limits.Bytes)
		tooOld := limits.Age > 0 && (!ok || now.Sub(e.At) > limits.Age)
		if !tooMany && !tooLarge && !tooOld {
			break
		}
		h.bytes -= min(h.bytes, uint64(e.size())) // not negative
	}
	return h.first
}
