package history

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// The buckets of topics: their heads by name, their entries by number of the topic and
// offset, and their names by size and number, so that the largest topic is found.
var (
	topicsBucket  = []byte("topics")
	entriesBucket = []byte("entries")
	sizesBucket   = []byte("sizes")
)

// head is the record of a topic beside its entries, which have the offsets from first
// up to next, without next. The zero value is a topic without entries.
type head struct {
	id          uint64
	first, next uint64
	bytes       uint64
	age         time.Duration // the limit, as the last write gave it
	last        time.Time     // of the newest entry
	epoch       string
}

const headSize = 6 * 8 // bytes before the epoch

func numbered(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// number reads a value of numbered; a missing one is zero.
func number(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

func (h *head) encode() []byte {
	b := make([]byte, 0, headSize+len(h.epoch))
	for _, n := range []uint64{h.id, h.first, h.next, h.bytes, uint64(h.age), uint64(h.last.UnixNano())} { // as bits
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return append(b, h.epoch...)
}

func headOf(tx *bolt.Tx, topic string) (h head, found bool, err error) {
	b := tx.Bucket(topicsBucket).Get([]byte(topic))
	if b == nil {
		return h, false, nil
	}
	h, err = decodeHead(b)
	return h, true, err
}

func decodeHead(b []byte) (head, error) {
	if len(b) < headSize {
		return head{}, fmt.Errorf("%w: a topic of %d bytes", ErrDamaged, len(b))
	}
	h := head{
		id: number(b), first: number(b[8:]), next: number(b[16:]), bytes: number(b[24:]),
		age: time.Duration(number(b[32:])), last: time.Unix(0, int64(number(b[40:]))), epoch: string(b[headSize:]), // as bits
	}
	if h.first == 0 || h.next < h.first {
		return head{}, fmt.Errorf("%w: a topic from %d to %d", ErrDamaged, h.first, h.next)
	}
	return h, nil
}

// newEpoch returns a new name for an epoch, the time in which offsets have a meaning.
func newEpoch() string { return rand.Text()[:12] }

func entryKey(id, offset uint64) []byte {
	return binary.BigEndian.AppendUint64(numbered(id), offset)
}

func sizeKey(bytes, id uint64) []byte {
	return binary.BigEndian.AppendUint64(numbered(bytes), id)
}

func heldOf(tx *bolt.Tx) int { return int(number(tx.Bucket(aboutBucket).Get(heldKey))) } // bounded by Bytes

// change is a topic in the middle of a transaction that writes.
type change struct {
	tx   *bolt.Tx
	name string
	head
	before uint64 // bytes
	isNew  bool
}

func beginChange(tx *bolt.Tx, name string) (*change, error) {
	h, found, err := headOf(tx, name)
	if err != nil {
		return nil, err
	}
	if !found {
		h = head{first: 1, next: 1}
		if h.id, err = tx.Bucket(topicsBucket).NextSequence(); err != nil {
			return nil, err
		}
	}
	return &change{tx: tx, name: name, head: h, before: h.bytes, isNew: !found}, nil
}

// end writes the head, and the topic's place in the order by size.
func (c *change) end() error {
	sizes, about := c.tx.Bucket(sizesBucket), c.tx.Bucket(aboutBucket)
	held := number(about.Get(heldKey)) - c.before + c.bytes
	var err error
	if !c.isNew && c.before != c.bytes {
		err = sizes.Delete(sizeKey(c.before, c.id))
	}
	c.before, c.isNew = c.bytes, false
	return errors.Join(err, sizes.Put(sizeKey(c.bytes, c.id), []byte(c.name)),
		c.tx.Bucket(topicsBucket).Put([]byte(c.name), c.encode()), about.Put(heldKey, numbered(held)))
}

// remove forgets a topic that has no entries, after end.
func (c *change) remove() error {
	return errors.Join(c.tx.Bucket(sizesBucket).Delete(sizeKey(c.before, c.id)), c.tx.Bucket(topicsBucket).Delete([]byte(c.name)))
}

// put writes one entry; it gets its offset here.
func (w *write) put(tx *bolt.Tx, now time.Time) error {
	c, err := beginChange(tx, w.topic)
	if err != nil {
		return err
	}
	if c.isNew {
		c.epoch = newEpoch()
	}
	w.entry.Offset = c.next
	if err := c.append(w, now); err != nil {
		return err
	}
	w.at = Position{w.entry.Offset, c.epoch}
	return c.end()
}

// put writes the entries of a topic, which have their offsets already.
func (t *tail) put(tx *bolt.Tx, now time.Time) error {
	c, err := beginChange(tx, t.topic)
	if err != nil {
		return err
	}
	if c.isNew {
		c.epoch = t.epoch
	}
	if c.first == c.next { // a topic that was forgotten meanwhile goes on at its old offset
		c.first, c.next = t.writes[0].entry.Offset, t.writes[0].entry.Offset
	}
	for _, w := range t.writes {
		if err := c.append(w, now); err != nil {
			return err
		}
	}
	return c.end()
}

func (c *change) append(w *write, now time.Time) error {
	if err := c.tx.Bucket(entriesBucket).Put(entryKey(c.id, c.next), encodeEntry(&w.entry)); err != nil {
		return err
	}
	c.next++
	c.bytes += uint64(w.entry.size()) // not negative
	c.age, c.last = w.limits.Age, w.entry.At
	return c.trim(w.limits, now)
}

// trim forgets what the limits do not allow.
func (c *change) trim(limits Limits, now time.Time) error {
	for c.first < c.next {
		tooMany := limits.Messages > 0 && c.next-c.first > uint64(limits.Messages)
		tooLarge := limits.Bytes > 0 && c.bytes > uint64(limits.Bytes)
		if !tooMany && !tooLarge && !c.tooOld(limits, now) {
			return nil
		}
		if err := c.forget(); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) tooOld(limits Limits, now time.Time) bool {
	if limits.Age == 0 {
		return false
	}
	at, ok := timeOf(c.tx.Bucket(entriesBucket).Get(entryKey(c.id, c.first)))
	return !ok || now.Sub(at) > limits.Age
}

// forget forgets the oldest entry.
func (c *change) forget() error {
	entries, k := c.tx.Bucket(entriesBucket), entryKey(c.id, c.first)
	var size uint64
	if e, err := decodeEntry(entries.Get(k)); err == nil {
		size = uint64(e.size()) // not negative
	}
	c.first++
	c.bytes -= min(size, c.bytes)
	if c.first == c.next {
		c.bytes = 0
	}
	return entries.Delete(k)
}

// shed forgets the oldest entries of the largest topics until all topics together are
// no larger than the given size.
func shed(tx *bolt.Tx, most int) error {
	for heldOf(tx) > most {
		_, name := tx.Bucket(sizesBucket).Cursor().Last()
		c, err := beginChange(tx, string(name))
		if err != nil {
			return err
		}
		if c.isNew || c.first == c.next {
			return fmt.Errorf("%w: %d bytes are held by nobody", ErrDamaged, heldOf(tx))
		}
		if err := errors.Join(c.forget(), c.end()); err != nil {
			return err
		}
	}
	return nil
}

// sweepTopics forgets entries that are too old in some topics, from a name on. next is
// the name to go on from, if there are more.
func sweepTopics(tx *bolt.Tx, from []byte, now time.Time) (next []byte, more bool, err error) {
	var some []string
	cursor := tx.Bucket(topicsBucket).Cursor()
	k, _ := cursor.Seek(from)
	for ; k != nil && len(some) < sweepSize; k, _ = cursor.Next() {
		some = append(some, string(k))
	}
	next, more = bytes.Clone(k), k != nil
	for _, name := range some {
		c, err := beginChange(tx, name)
		if err != nil {
			return nil, false, err
		}
		first := c.first
		if err := c.trim(Limits{Age: c.age}, now); err != nil {
			return nil, false, err
		}
		switch {
		case c.first == c.next && now.Sub(c.last) > emptyFor:
			err = errors.Join(c.end(), c.remove())
		case c.first != first:
			err = c.end()
		}
		if err != nil {
			return nil, false, err
		}
	}
	return next, more, nil
}
