package history

import (
	"errors"
	"log/slog"
	"time"

	bolt "go.etcd.io/bbolt"
)

// tail holds the entries of a topic since the last write.
type tail struct {
	topic  string
	epoch  string
	next   uint64
	writes []*write
}

// tails are the tails of all topics.
type tails struct {
	by    map[string]*tail
	bytes int
}

func noTails() tails { return tails{by: map[string]*tail{}} }

// endingLocked returns the entries of a topic that the file may not have yet.
func (d *Disk) endingLocked(topic string) (end ending) {
	for _, t := range []*tail{d.leaving.by[topic], d.waiting.by[topic]} {
		if t == nil {
			continue
		}
		end.epoch = t.epoch
		for _, w := range t.writes {
			end.entries, end.limits = append(end.entries, w.entry), w.limits
		}
	}
	return end
}

// hold keeps an entry until the next write. It already gives the entry its
// place.
func (d *Disk) hold(topic string, limits Limits, e Entry) (Position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.closing:
		return Position{}, ErrClosed
	default:
	}
	switch {
	case d.failed != nil:
		return Position{}, d.failed
	case d.waiting.bytes > mostWaits:
		return Position{}, errSlow
	}
	t, err := d.tailLocked(topic)
	if err != nil {
		return Position{}, err
	}
	e.Offset = t.next
	t.next++
	t.writes = append(t.writes, &write{topic: topic, limits: limits, entry: e})
	if d.waiting.bytes += e.size(); d.waiting.bytes > flushAbove {
		select {
		case d.early <- struct{}{}:
		default:
		}
	}
	return Position{e.Offset, d.file.shown(t.epoch)}, nil
}

// tailLocked finds the end of a topic. The part in the file is mostly read from
// memory.
func (d *Disk) tailLocked(topic string) (*tail, error) {
	if t := d.waiting.by[topic]; t != nil {
		return t, nil
	}
	t := &tail{topic: topic}
	if before := d.leaving.by[topic]; before != nil {
		t.epoch, t.next = before.epoch, before.next
	} else if err := d.file.view(func(tx *bolt.Tx) error {
		h, _, err := headOf(tx, topic)
		t.epoch, t.next = h.epoch, h.next
		return err
	}); err != nil {
		return nil, err
	}
	if t.next == 0 { // a topic that is new
		t.next, t.epoch = 1, newEpoch()
	}
	d.waiting.by[topic] = t
	return t, nil
}

// run writes, one transaction after the other, until the log is closed.
func (d *Disk) run() {
	defer close(d.ended)
	flush, sweep := time.NewTicker(d.cfg.Interval), time.NewTicker(sweepEvery)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case w := <-d.writes:
			d.writeTogether(w)
		case <-flush.C:
			d.flush()
		case <-d.early:
			d.flush()
		case <-sweep.C:
			d.sweep()
		case <-d.closing:
			d.flush()
			d.mu.Lock()
			d.err = errors.Join(d.failed, d.file.close(d.failed == nil))
			d.failed = ErrClosed
			d.mu.Unlock()
			return
		}
	}
}

// writeTogether writes an entry with all others that wait.
func (d *Disk) writeTogether(first *write) {
	all := []*write{first}
	for more := true; more && len(all) < mostWrites; {
		select {
		case w := <-d.writes:
			all = append(all, w)
		default:
			more = false
		}
	}
	err := d.write(all)
	d.mu.Lock()
	d.noteLocked(err)
	d.mu.Unlock()
	for _, w := range all {
		w.err = err
		close(w.done)
	}
}

// write writes entries in their order: all, or none.
func (d *Disk) write(all []*write) error {
	return d.file.update(func(tx *bolt.Tx) error {
		now := d.cfg.Clock()
		for _, w := range all {
			if err := w.put(tx, now); err != nil {
				return err
			}
		}
		return shed(tx, d.cfg.Bytes)
	})
}

// flush writes waiting entries. Entries that could not be written go on
// waiting, and can be read.
func (d *Disk) flush() {
	d.mu.Lock()
	if len(d.waiting.by) == 0 {
		d.mu.Unlock()
		return
	}
	d.leaving, d.waiting = d.waiting, noTails()
	d.mu.Unlock()
	err := d.file.update(func(tx *bolt.Tx) error {
		now := d.cfg.Clock()
		for _, t := range d.leaving.by { // only this goroutine changes leaving
			if err := t.put(tx, now); err != nil {
				return err
			}
		}
		return shed(tx, d.cfg.Bytes)
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteLocked(err)
	if err != nil {
		d.backLocked()
	}
	d.leaving = tails{}
}

// backLocked puts entries that could not be written before those that came
// since.
func (d *Disk) backLocked() {
	for topic, t := range d.leaving.by {
		if later := d.waiting.by[topic]; later != nil {
			t.writes, t.next = append(t.writes, later.writes...), later.next
		}
		d.waiting.by[topic] = t
	}
	d.waiting.bytes += d.leaving.bytes
}

// noteLocked logs when writing begins to fail, and when it works again.
func (d *Disk) noteLocked(err error) {
	switch {
	case err != nil && d.failed == nil:
		d.log.Error("the history cannot be written; messages to rooms with a history are refused", slog.String("path", d.cfg.Path), slog.Any("error", err))
	case err == nil && d.failed != nil:
		d.log.Info("the history is written again", slog.String("path", d.cfg.Path))
	}
	d.failed = err
}

// sweep forgets entries that are too old, in topics that nobody uses.
func (d *Disk) sweep() {
	for from := []byte(nil); ; {
		var more bool
		err := d.file.update(func(tx *bolt.Tx) (err error) {
			from, more, err = sweepTopics(tx, from, d.cfg.Clock())
			return err
		})
		if err != nil {
			d.log.Warn("old entries of the history stay for now", slog.String("path", d.cfg.Path), slog.Any("error", err))
		}
		if err != nil || !more {
			return
		}
	}
}
