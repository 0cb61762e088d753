package core

import (
	"maps"
	"slices"
	"time"
)

// LaneConfig bounds what a lane keeps.
type LaneConfig struct {
	Patience     time.Duration // how long an operation may be on its way before the node goes on alone
	BacklogBytes int           // for own operations that have not come back
	BacklogAge   time.Duration // of the oldest of them
	// LogLength is how many operations the log keeps, of BacklogBytes in all; 0 keeps no log.
	LogLength int
}

// Lane is a node's side of one stream. Every operation of the node gets a number and goes into the stream; it is carried
// out here, and on every other node, when it is read from the stream, so that all nodes see one order.
//
//   - What the node sends to its own sockets directly waits behind its operations that are not back yet.
//   - When an operation is not back after Patience, the node is alone: it carries out at once whatever it has and gets, and
//     keeps its operations for the stream. The first of them that comes back ends that.
//   - After a new connection everything that has not come back is written again. The numbers make that harmless: a reader
//     skips what it has seen.
//   - A number that a reader misses is an operation that it will not get: the backlog was full, or Redis lost it.
//
// A Lane is not safe for concurrent use. B is what an operation does; the lane does not look into it.
type Lane[B any] struct {
	cfg       LaneConfig
	self      string
	queue     []item[B] // own operations that are not back, and the emits that wait behind them
	bytes     int       // of the operations in queue
	waiting   int       // items of queue that have not been carried out
	last      uint64    // the last number given
	written   uint64    // operations up to this number have been written on this connection
	inFlight  bool      // a batch is being written
	connected bool
	alone     bool
	owesMark  bool              // something was dropped since the last mark
	readers   map[string]uint64 // the last number read of each other node
	ownRead   uint64            // the last own number read
	ahead     int               // items of queue that were carried out before they came back
	aheadTo   uint64            // the number of the last one that was
	log       *Log[B]           // nil without one
	at        string            // the id of the last entry that was read
	highest   string            // the highest id that was ever read
	unsettled map[string]uint64 // numbers that are to be read again, see Forgotten
	out       []Output[B]
}

// item is an operation with a number, or a direct emit without one.
type item[B any] struct {
	seq   uint64
	body  B
	size  int
	at    time.Time
	mark  bool
	done  bool // carried out here
	ahead bool // before it came back
}

// Output is one thing that the shell has to do; the order counts.
type Output[B any] struct {
	Do    Do
	Body  B      // of Deliver
	Own   bool   // of Deliver: the node's own
	ID    string // for Deliver and Passed: the operation's id in the stream; "" while the node is alone, and for direct emits
	Place string // for Deliver and Passed: the node's place when that has been done, see [Kept.Before]
	// Steady is true on a Deliver with an ID when all earlier deliveries stand before it in the stream: then the operations
	// behind ID are the same on every node.
	Steady bool
	Node   string // of Gap
	From   uint64 // for Gap and Drop: the first number that is missing
	To     uint64 // of Gap and Drop: the last one
}

// Do is the kind of an output.
type Do uint8

// The outputs.
const (
	Deliver  Do = iota // carry Body out
	Gap                // operations From to To of Node will not come
	Drop               // own operations From to To did not fit the backlog: the other nodes will not get them
	Alone              // the node goes on alone
	Together           // it does not any more
	Passed             // the operation at ID has been carried out before
)

// Written is an operation that the shell writes into the stream.
type Written[B any] struct {
	Seq  uint64
	Body B
	Mark bool // without Body, only its number matters
}

// maxReaders bounds the memory for other nodes, past and present.
const maxReaders = 4096

// NewLane returns the lane of a node, which has a name that no other node has or had.
func NewLane[B any](self string, cfg LaneConfig) *Lane[B] {
	l := &Lane[B]{cfg: cfg, self: self, readers: make(map[string]uint64)}
	if cfg.LogLength > 0 {
		l.log = &Log[B]{most: cfg.LogLength, mostBytes: cfg.BacklogBytes}
	}
	return l
}

// Log returns the log of operations; nil without one.
func (l *Lane[B]) Log() *Log[B] { return l.log }

// take returns the outputs of an input. They are valid until the next one.
func (l *Lane[B]) take() []Output[B] {
	out := l.out
	l.out = l.out[:0]
	return out
}

// Publish takes an operation for all nodes. It counts as size bytes against the backlog.
func (l *Lane[B]) Publish(now time.Time, body B, size int) []Output[B] {
	l.push(item[B]{body: body, size: size, at: now})
	if l.alone {
		l.carryOut(&l.queue[len(l.queue)-1], "")
	} else if l.bytes > l.cfg.BacklogBytes {
		l.goAlone() // what waits would not fit
	}
	l.bound(now)
	return l.take()
}

// Direct takes a packet for one socket of this node.
func (l *Lane[B]) Direct(now time.Time, body B) []Output[B] {
	if l.waiting == 0 {
		l.out = append(l.out, Output[B]{Do: Deliver, Body: body, Own: true})
		return l.take()
	}
	l.queue = append(l.queue, item[B]{body: body, at: now})
	l.waiting++
	return l.take()
}

// push gives an operation its number.
func (l *Lane[B]) push(it item[B]) {
	l.last++
	it.seq = l.last
	l.queue = append(l.queue, it)
	l.bytes += it.size
	l.waiting++
}

// carryOut delivers an item that has not been delivered yet.
func (l *Lane[B]) carryOut(it *item[B], id string) {
	if it.done {
		return
	}
	it.done = true
	l.waiting--
	if id == "" && it.seq > 0 && !it.mark {
		it.ahead = true
		l.ahead++
		l.aheadTo = it.seq
	}
	if !it.mark {
		l.out = append(l.out, Output[B]{Do: Deliver, Body: it.body, Own: true, ID: id, Steady: id != "" && l.steady(), Place: l.Place()})
	}
}

// removed notes that an item leaves the queue.
func (l *Lane[B]) removed(it *item[B]) {
	l.bytes -= it.size
	if it.ahead {
		l.ahead--
	}
}

// goAlone carries out everything that waits.
func (l *Lane[B]) goAlone() {
	l.alone = true
	l.out = append(l.out, Output[B]{Do: Alone})
	kept := l.queue[:0]
	for i := range l.queue {
		it := l.queue[i]
		l.carryOut(&it, "")
		if it.seq > 0 {
			kept = append(kept, it)
		}
	}
	clear(l.queue[len(kept):])
	l.queue = kept
}

// bound drops the oldest operations that have been carried out here and no longer fit. Those of the batch in flight stay.
func (l *Lane[B]) bound(now time.Time) {
	if !l.alone {
		return
	}
	first := 0
	for l.inFlight && first < len(l.queue) && l.queue[first].seq <= l.written {
		first++
	}
	end := first
	for ; end < len(l.queue); end++ {
		it := &l.queue[end]
		if l.bytes <= l.cfg.BacklogBytes && now.Sub(it.at) <= l.cfg.BacklogAge {
			break
		}
		l.removed(it)
	}
	if end > first {
		l.out = append(l.out, Output[B]{Do: Drop, From: l.queue[first].seq, To: l.queue[end-1].seq})
		l.queue = slices.Delete(l.queue, first, end)
		l.owesMark = true
	}
}

// mark publishes a number without an operation, which shows the others the gap before it.
func (l *Lane[B]) mark(now time.Time) {
	l.owesMark = false
	l.push(item[B]{mark: true, at: now})
	if l.alone {
		l.carryOut(&l.queue[len(l.queue)-1], "")
	}
}

// Tick tells the time.
func (l *Lane[B]) Tick(now time.Time) []Output[B] {
	if !l.alone && l.waiting > 0 && now.Sub(l.oldest()) > l.cfg.Patience {
		l.goAlone()
	}
	l.bound(now)
	if l.connected && (l.owesMark || l.alone && len(l.queue) == 0) {
		l.mark(now) // shows missing operations, and comes back when Redis is there again
	}
	return l.take()
}

// oldest returns the time from which the first item that has not been carried out waits.
func (l *Lane[B]) oldest() time.Time {
	for i := range l.queue {
		if !l.queue[i].done {
			return l.queue[i].at
		}
	}
	return time.Time{}
}

// Connected tells that there is a new connection to write on. Everything that is not back is written again, followed by
// a mark, because only the numbers show what Redis has lost.
func (l *Lane[B]) Connected(now time.Time) []Output[B] {
	l.connected, l.inFlight, l.written = true, false, 0
	l.mark(now)
	return l.take()
}

// Lost tells that the connection is gone. It is not known whether the batch in flight has been written.
func (l *Lane[B]) Lost() {
	l.connected, l.inFlight = false, false
}

// Batch returns the operations to be written next, at most max, and none while a batch is in flight: Redis takes a batch
// whole or not at all, so that the operations stay in their order. The shell reports Added or Lost.
func (l *Lane[B]) Batch(max int) []Written[B] {
	if !l.connected || l.inFlight {
		return nil
	}
	var batch []Written[B]
	for i := range l.queue {
		it := &l.queue[i]
		if it.seq <= l.written {
			continue
		}
		batch = append(batch, Written[B]{Seq: it.seq, Body: it.body, Mark: it.mark})
		if len(batch) == max {
			break
		}
	}
	if len(batch) > 0 {
		l.inFlight, l.written = true, batch[len(batch)-1].Seq
	}
	return batch
}

// IsUnwritten reports whether Batch would return something.
func (l *Lane[B]) IsUnwritten() bool { return l.connected && !l.inFlight && l.written < l.last }

// Added tells that the batch is in the stream.
func (l *Lane[B]) Added() { l.inFlight = false }

// Read takes an entry of the stream in its order: operation seq of a node. A mark has no body. It counts as size bytes in
// the log.
func (l *Lane[B]) Read(node string, seq uint64, body B, mark bool, id string, size int) []Output[B] {
	if l.unsettled[node] <= seq {
		delete(l.unsettled, node)
	}
	if node == l.self {
		l.readOwn(seq, id)
		return l.take()
	}
	if !l.count(node, seq) {
		return l.take()
	}
	l.keep(Kept[B]{ID: id, Node: node, Seq: seq, Body: body, size: size})
	if !mark {
		l.out = append(l.out, Output[B]{Do: Deliver, Body: body, ID: id, Steady: l.steady(), Place: l.Place()})
	}
	return l.take()
}

// Foreign takes an entry without a number, which has not been read before.
func (l *Lane[B]) Foreign(body B, id string, size int) []Output[B] {
	l.keep(Kept[B]{ID: id, Body: body, size: size})
	l.out = append(l.out, Output[B]{Do: Deliver, Body: body, ID: id, Steady: l.steady(), Place: l.Place()})
	return l.take()
}

// Begin tells the id after which the entries follow. It is called before the first entry; without it, all entries that
// there ever were follow.
func (l *Lane[B]) Begin(id string) {
	l.at, l.highest = id, id
	if l.log != nil {
		l.log.floor = id
	}
}

// Seen takes an entry that was in the stream before this node came. It is not carried out, but it is in the log, and later
// numbers are compared with its number.
func (l *Lane[B]) Seen(node string, seq uint64, body B, id string, size int) {
	if seq == 0 || l.count(node, seq) {
		l.keep(Kept[B]{ID: id, Node: node, Seq: seq, Body: body, size: size})
	}
	l.take()
}

// count compares a number of another node with earlier ones. It returns false when the number has been read before.
func (l *Lane[B]) count(node string, seq uint64) (anew bool) {
	last, known := l.readers[node]
	switch {
	case known && seq <= last:
		return false // written again after a new connection
	case known && seq > last+1:
		l.out = append(l.out, Output[B]{Do: Gap, Node: node, From: last + 1, To: seq - 1})
		l.cut()
	case !known:
		l.forgetOne()
	}
	l.readers[node] = seq
	return true
}

// keep notes that an entry has been read, which was not before. When the clock of a new primary is behind, its ids are those of
// entries from before for a while: what is compared by ids then means nothing, and the log begins anew when they are over.
func (l *Lane[B]) keep(k Kept[B]) {
	l.at = k.ID
	if Compare(k.ID, l.highest) <= 0 {
		l.cut()
		return
	}
	l.highest = k.ID
	if l.log != nil {
		l.log.add(k)
	}
}

func (l *Lane[B]) cut() {
	if l.log != nil {
		l.log.cut()
	}
}

// forgetOne makes room for one more node by forgetting another.
func (l *Lane[B]) forgetOne() {
	if len(l.readers) < maxReaders {
		return
	}
	delete(l.readers, slices.Min(slices.Collect(maps.Keys(l.readers))))
}

// readOwn carries out an own operation that has come back. Earlier ones that have not come back are lost in Redis, and
// the others see their numbers missing.
func (l *Lane[B]) readOwn(seq uint64, id string) {
	if len(l.queue) == 0 || seq < l.firstSeq() {
		return // read again
	}
	if l.alone {
		l.alone = false
		l.out = append(l.out, Output[B]{Do: Together})
	}
	n := 0
	for ; n < len(l.queue); n++ {
		it := &l.queue[n]
		if it.seq > seq {
			break
		}
		if it.seq != seq {
			l.carryOut(it, "")
			l.removed(it)
			continue
		}
		l.keepOwn(it, id)
		l.removed(it)
		if it.ahead {
			l.out = append(l.out, Output[B]{Do: Passed, ID: id, Place: l.Place()})
		}
		l.carryOut(it, id)
	}
	l.queue = slices.Delete(l.queue, 0, n)
}

// keepOwn adds an own operation that has come back to the log. Earlier ones that have not come back are missing on the other
// nodes.
func (l *Lane[B]) keepOwn(it *item[B], id string) {
	if it.seq != l.ownRead+1 {
		l.cut()
	}
	l.ownRead = it.seq
	l.keep(Kept[B]{ID: id, Node: l.self, Seq: it.seq, Body: it.body, size: it.size})
}

// firstSeq returns the number of the first operation in the queue.
func (l *Lane[B]) firstSeq() uint64 {
	for i := range l.queue {
		if l.queue[i].seq > 0 {
			return l.queue[i].seq
		}
	}
	return l.last + 1
}

// Backlog returns how many own operations are not back, and their bytes.
func (l *Lane[B]) Backlog() (operations, bytes int) {
	for i := range l.queue {
		if l.queue[i].seq > 0 {
			operations++
		}
	}
	return operations, l.bytes
}

// IsAlone reports whether the node goes on alone.
func (l *Lane[B]) IsAlone() bool { return l.alone }

// Waiting returns how many operations and direct emits of this node have not been carried out here.
func (l *Lane[B]) Waiting() int { return l.waiting }
