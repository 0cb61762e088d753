package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/internal/core"
)

// lane is a node's side of one stream: core.Lane with a clock, a connection that writes and one that reads.
type lane struct {
	node   *Node
	stream string
	wake   chan struct{} // holds a token when there may be something to write
	begun  chan struct{} // closed when it is known where the reading begins
	trail  core.Trail    // of what has been read; for the goroutine that reads

	mu      sync.Mutex // guards what follows
	core    *core.Lane[*action]
	todo    []core.Output[*action] // to be carried out, in order
	busy    bool                   // somebody carries out
	drained *sync.Cond             // on mu; signals that todo is empty and nobody is busy
	ready   bool                   // reads the stream
	at      string                 // the id of the last entry that was taken
	lag     time.Duration          // delay behind the end of the stream when it was last measured
	awaited []awaited              // entries that somebody waits for
	place   string                 // the operations that have been carried out, see core.Kept.Before
}

// awaited is an entry with a waiting caller.
type awaited struct {
	id   string
	done chan struct{}
}

func newLane(n *Node, stream string) *lane {
	l := &lane{node: n, stream: stream, wake: make(chan struct{}, 1), begun: make(chan struct{})}
	l.drained = sync.NewCond(&l.mu)
	limits := core.LaneConfig{Patience: n.cfg.Patience, BacklogBytes: n.cfg.BacklogBytes, BacklogAge: n.cfg.BacklogAge}
	if n.cfg.Recovery > 0 {
		limits.LogLength = n.cfg.MaxLen
	}
	l.core = core.NewLane[*action](n.uid, limits)
	return l
}

// publish implements carrier: the action goes into the stream.
func (l *lane) publish(a *action) {
	if a.kind == typeLocal {
		l.mu.Lock()
		a.read, _, _ = strings.Cut(l.place, " ") // what has been carried out
		l.mu.Unlock()
	}
	if a.session == nil {
		a.encode()
	}
	l.input(func() []core.Output[*action] { return l.core.Publish(time.Now(), a, a.size()) })
	l.poke()
}

// direct implements carrier.
func (l *lane) direct(do func()) {
	l.mu.Lock()
	if l.idleLocked() {
		l.mu.Unlock()
		do() // nothing of this node is on its way
		return
	}
	l.mu.Unlock()
	l.input(func() []core.Output[*action] { return l.core.Direct(time.Now(), &action{direct: do}) })
}

// idle implements carrier.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idleLocked()
}

func (l *lane) idleLocked() bool { return !l.busy && len(l.todo) == 0 && l.core.Waiting() == 0 }

// input gives the core an input and carries out the outputs. Only one goroutine at a time carries out, without the
// lock. It also takes the outputs that others add meanwhile, so that there is one order.
func (l *lane) input(in func() []core.Output[*action]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.todo = append(l.todo, in()...)
	if l.busy {
		return
	}
	l.busy = true
	for len(l.todo) > 0 {
		todo := l.todo
		l.todo = nil
		l.mu.Unlock()
		for i := range todo {
			l.node.carryOut(l, &todo[i])
			l.arrive(todo[i].Place)
		}
		l.mu.Lock()
	}
	l.busy = false
	l.drained.Broadcast()
}

// arrive notes the place of the operations carried out; "" is none.
func (l *lane) arrive(place string) {
	if place != "" && l.node.cfg.Recovery > 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.place = place
	}
}

// poke wakes the writer if there is something to write.
func (l *lane) poke() {
	l.mu.Lock()
	unwritten := l.core.IsUnwritten()
	l.mu.Unlock()
	if !unwritten {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write keeps a connection that writes, until ctx ends.
func (l *lane) write(ctx context.Context) {
	select { // otherwise an entry could be written before the reading begins, and would never come back
	case <-l.begun:
	case <-ctx.Done():
		return
	}
	for ctx.Err() == nil {
		err := l.writing(ctx)
		l.mu.Lock()
		l.core.Lost()
		l.mu.Unlock()
		if ctx.Err() == nil {
			l.node.away("writing to "+l.stream, err)
		}
		pause(ctx)
	}
}

// writing writes batches until one fails. It uses a connection of its own, because on a new one everything is written
// again.
func (l *lane) writing(ctx context.Context) error {
	client, err := l.node.dedicate(ctx, l.stream, true)
	if err != nil {
		return err
	}
	defer client.release()
	var scripts storeScripts
	if l.node.cfg.Recovery > 0 {
		if scripts, err = loadStores(ctx, client); err != nil {
			return err
		}
	}
	l.input(func() []core.Output[*action] { return l.core.Connected(time.Now()) })
	l.node.back("writing to " + l.stream)
	for {
		l.mu.Lock()
		batch := l.core.Batch(batchSize)
		l.mu.Unlock()
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-l.wake:
			}
			continue
		}
		if err := l.add(ctx, client, scripts, batch); err != nil {
			return err
		}
		l.mu.Lock()
		l.core.Added()
		l.mu.Unlock()
		l.node.counts.Written.Add(uint64(len(batch)))
	}
}

// add writes a batch, whole or not at all.
func (l *lane) add(ctx context.Context, client rueidis.DedicatedClient, scripts storeScripts, batch []core.Written[*action]) error {
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	commands := make(rueidis.Commands, 0, len(batch)+2)
	if len(batch) > 1 {
		commands = append(commands, client.B().Multi().Build())
	}
	now := l.node.cfg.Now()
	var sessions stores
	for _, w := range batch {
		e := entry{uid: l.node.uid, number: w.Seq}
		switch {
		case w.Mark:
		case w.Body.session != nil: // stored beside a mark
			if command, owner, ok := w.Body.session.store(client.B(), scripts); ok {
				sessions = append(sessions, storing{w.Body.session, owner, len(commands)})
				commands = append(commands, command)
			}
		default:
			e.namespace, e.kind, e.data = w.Body.namespace, w.Body.kind, w.Body.data
		}
		values := client.B().Xadd().Key(l.stream).Maxlen().Almost().Threshold(strconv.Itoa(l.node.cfg.MaxLen)).Id("*").FieldValue()
		f := e.fields(l.node.signer, l.stream, now)
		for i := 0; i < len(f); i += 2 {
			values = values.FieldValue(f[i], f[i+1])
		}
		commands = append(commands, values.Build())
	}
	if len(batch) > 1 {
		commands = append(commands, client.B().Exec().Build())
	}
	replies := client.DoMulti(ctx, commands...)
	for _, r := range replies {
		if err := r.Error(); err != nil && !forgotten(err) {
			return fmt.Errorf("write %d operations: %w", len(batch), err)
		}
	}
	return sessions.answered(ctx, client, replies, len(batch) > 1)
}

// read keeps a connection that reads, until ctx ends.
func (l *lane) read(ctx context.Context) {
	pos := ""
	for ctx.Err() == nil {
		err := l.reading(ctx, &pos)
		if ctx.Err() == nil {
			l.node.away("reading "+l.stream, err)
		}
		pause(ctx)
	}
}

// reading reads from pos on, which a new connection finds first.
func (l *lane) reading(ctx context.Context, pos *string) error {
	client, err := l.node.dedicate(ctx, l.stream, true)
	if err != nil {
		return err
	}
	defer client.release()
	defer context.AfterFunc(ctx, client.Close)() // a read that blocks does not look at its context
	if err := l.position(ctx, client, pos); err != nil {
		return err
	}
	l.mu.Lock()
	if !l.ready {
		l.ready = true
		close(l.begun)
	}
	l.mu.Unlock()
	l.node.back("reading " + l.stream)
	const block = 1000 // milliseconds; so that a connection that died in silence is noticed
	for {
		if givenUp(client.from, l.node.cfg.Client) {
			return errGivenUp
		}
		limited, cancel := context.WithTimeout(ctx, block*time.Millisecond+redisLimit)
		got, err := client.Do(limited, client.B().Xread().Count(batchSize).Block(block).Streams().Key(l.stream).Id(*pos).Build()).AsXRead()
		cancel()
		switch {
		case rueidis.IsRedisNil(err):
			continue
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
		for _, e := range got[l.stream] {
			*pos = e.ID
			l.trail.Read(stampOf(e))
			l.take(e)
		}
	}
}

// take takes an entry that was read. Invalid entries are counted and dropped.
func (l *lane) take(x rueidis.XRangeEntry) {
	defer l.passed(x.ID)
	n := l.node
	n.counts.Read.Add(1)
	e, err := parseEntry(x.ID, x.FieldValues, n.signer, l.stream)
	if err == nil && n.signer.on() && e.uid != n.uid && n.tooOld(e.at) {
		err = errUnsigned
	}
	if err == nil && e.version > formVersion {
		err = errVersion
	}
	var a *action
	if err == nil && (e.uid != n.uid || e.number == 0) && e.namespace != "" {
		if n.adapter(e.namespace) == nil {
			a = &action{namespace: e.namespace, uid: e.uid, request: requestIn(e), raw: &e} // nobody here to check it for
		} else {
			a, err = decodeAction(e, n.cfg.Packet)
		}
	}
	if err != nil && (e.number == 0 || errors.Is(err, errUnsigned)) {
		n.refused(err)
		return
	}
	if err != nil { // its number counts all the same, or it would seem to be missing
		n.refused(err)
		a = nil
	}
	if e.number == 0 {
		l.input(func() []core.Output[*action] { return l.core.Foreign(a, e.id, len(e.data)) })
		return
	}
	l.input(func() []core.Output[*action] { return l.core.Read(e.uid, e.number, a, a == nil, e.id, len(e.data)) })
	l.poke()
}

// passed wakes the callers that wait for an entry that has been carried out.
func (l *lane) passed(id string) {
	l.input(func() []core.Output[*action] {
		l.at = id
		var out []core.Output[*action]
		l.awaited = slices.DeleteFunc(l.awaited, func(a awaited) bool {
			if earlier(a.id, id) != a.id {
				return false
			}
			out = append(out, core.Output[*action]{Do: core.Deliver, Body: &action{direct: func() { close(a.done) }}})
			return true
		})
		return out
	})
}

// reached waits until the entry with an id, and all before it, has been carried out on this node.
func (l *lane) reached(ctx context.Context, id string) error {
	done := make(chan struct{})
	l.input(func() []core.Output[*action] {
		if l.at == "" || earlier(id, l.at) != id {
			l.awaited = append(l.awaited, awaited{id, done})
			return nil
		}
		return []core.Output[*action]{{Do: core.Deliver, Body: &action{direct: func() { close(done) }}}}
	})
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.awaited = slices.DeleteFunc(l.awaited, func(a awaited) bool { return a.done == done })
		return fmt.Errorf("await an operation: %w", ctx.Err())
	}
}

// tick tells the core the time.
func (l *lane) tick(now time.Time) {
	l.mu.Lock()
	doubted := l.core.Doubted()
	l.mu.Unlock()
	for _, uid := range doubted {
		if _, there := l.node.asking.node(uid); !there && uid != l.node.uid {
			l.mu.Lock()
			l.core.Gone(uid)
			l.mu.Unlock()
		}
	}
	l.input(func() []core.Output[*action] { return l.core.Tick(now) })
	l.poke()
}

// flush implements carrier: everything of this node is in the stream.
func (l *lane) flush(ctx context.Context) error {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		l.mu.Lock()
		left, _ := l.core.Backlog()
		l.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d operations have not reached the other nodes: %w", left, ctx.Err())
		case <-ticker.C:
		}
	}
}

// streamID reads an id of a stream: milliseconds and a count.
func streamID(id string) (ms, count uint64) {
	head, tail, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseUint(head, 10, 64)
	count, _ = strconv.ParseUint(tail, 10, 64)
	return ms, count
}

func earlier(a, b string) string {
	ams, acount := streamID(a)
	bms, bcount := streamID(b)
	if bms < ams || bms == ams && bcount < acount {
		return b
	}
	return a
}

// pause waits between two tries to connect.
func pause(ctx context.Context) {
	wait(ctx, reconnect)
}
