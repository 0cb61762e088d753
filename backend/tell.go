package backend

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"gatehouse/internal/limit"
	"gatehouse/internal/spans"
)

// lanes is how many events are told at the same time. The events of one socket or
// one room go through one lane, and so stay in order.
const lanes = 8

// pauses between two tries of an event that needs no answer.
var pauses = limit.Backoff{First: 500 * time.Millisecond, Max: 30 * time.Second}

// backlog keeps events that need no answer until the back end has taken them.
type backlog struct {
	client *Client
	seed   maphash.Seed
	group  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	lanes   [lanes]lane
	kept    int
	closing bool
	idle    chan struct{} // closed when nothing is kept; nil unless close waits for it
}

type lane struct {
	events  []kept
	running bool
}

type kept struct {
	event    Event
	answered func(Answer) // nil when nobody wants to know
	since    time.Time
	span     trace.Span // ends when the event has been taken or is lost
}

func newBacklog(c *Client) *backlog { return &backlog{client: c, seed: maphash.MakeSeed()} }

// Tell queues an event that no caller waits for. It never waits. answered gets the answer, unless it is nil. Events
// of one socket or one room arrive in order. An event that the back end does not take is repeated with growing
// pauses for Config.RetryFor; when Config.Backlog events are kept, further ones are lost. Both are logged and
// counted. Of ctx only the span is used, below which the event is traced.
func (c *Client) Tell(ctx context.Context, e Event, answered func(Answer)) {
	_, span := spans.Under(ctx, "tell back end", trace.SpanKindProducer)
	k := kept{event: e.completed(), answered: answered, since: time.Now(), span: span}
	if c.conf().Batch {
		k.event.Traceparent = spans.Parent(span)
	}
	if err := c.told.add(k); err != nil {
		c.lose(k, err)
	}
}

func (c *Client) lose(k kept, cause error) {
	e := k.event
	spans.End(k.span, "lost")
	c.stats.lost.Add(1)
	c.log.Error("back end: an event is lost", "url", c.conf().URL, "type", e.Type, "namespace", e.Namespace, "room", e.Room, "socket", e.Socket, "id", e.ID, "cause", cause)
}

func (b *backlog) add(k kept) error {
	e := &k.event
	i := maphash.String(b.seed, e.Namespace+"\x00"+e.Room+"\x00"+e.Socket) % lanes
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closing:
		return ErrClosed
	case b.kept >= b.client.conf().Backlog:
		return fmt.Errorf("backlog (%d) is full", b.client.conf().Backlog)
	}
	b.kept++
	l := &b.lanes[i]
	l.events = append(l.events, k)
	if !l.running {
		l.running = true
		b.group.Go(func() { b.run(l) })
	}
	return nil
}

// run sends the events of a lane until it is empty.
func (b *backlog) run(l *lane) {
	failures := 0
	for {
		b.mu.Lock()
		n := min(len(l.events), b.client.conf().BatchSize)
		if n == 0 {
			l.running = false
			b.mu.Unlock()
			return
		}
		batch := l.events[:n:n]
		b.mu.Unlock()

		err := b.tell(batch)
		if err == nil {
			failures = 0
			b.client.stats.told.Add(uint64(n)) // n is small
			for _, k := range batch {
				k.span.End()
			}
			b.drop(l, n)
			continue
		}
		if b.client.ctx.Err() != nil {
			b.giveUp(l, len(batch), b.client.ctx.Err())
			continue
		}
		failures++
		b.expire(l, err)
		select {
		case <-time.After(pauses.Wait(failures)):
		case <-b.client.ctx.Done():
		}
	}
}

func (b *backlog) tell(batch []kept) error {
	events := make([]Event, len(batch))
	for i, k := range batch {
		events[i] = k.event
	}
	of := make([]trace.Span, len(batch))
	for i, k := range batch {
		of[i] = k.span
	}
	ctx, span := b.client.begin(of)
	answers, err := b.client.deliver(ctx, events)
	spans.End(span, failure(err))
	for i, a := range answers {
		if err == nil && batch[i].answered != nil {
			batch[i].answered(a)
		}
	}
	if err != nil && b.client.ctx.Err() == nil {
		b.client.log.Warn("back end: an event is not taken; it is repeated", "url", b.client.conf().URL, "type", events[0].Type, "id", events[0].ID, "cause", err)
	}
	return err
}

// expire gives up events that have been tried for too long.
func (b *backlog) expire(l *lane, cause error) {
	for {
		b.mu.Lock()
		old := len(l.events) > 0 && time.Since(l.events[0].since) > b.client.conf().RetryFor
		b.mu.Unlock()
		if !old {
			return
		}
		b.giveUp(l, 1, cause)
	}
}

func (b *backlog) giveUp(l *lane, n int, cause error) {
	b.mu.Lock()
	lost := l.events[:n:n]
	b.mu.Unlock()
	for _, k := range lost {
		b.client.lose(k, cause)
	}
	b.drop(l, n)
}

// drop takes the first n events out of a lane.
func (b *backlog) drop(l *lane, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.events = l.events[n:]
	b.kept -= n
	if b.kept == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

func (b *backlog) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.kept
}

// close waits until all events are sent, or ctx ends; then the rest is lost.
func (b *backlog) close(ctx context.Context) error {
	b.mu.Lock()
	b.closing = true
	var idle chan struct{}
	if b.kept > 0 {
		idle = make(chan struct{})
		b.idle = idle
	}
	b.mu.Unlock()
	var err error
	if idle != nil {
		select {
		case <-idle:
		case <-ctx.Done():
			err = fmt.Errorf("send the back end its last events: %w", ctx.Err())
		}
	}
	b.client.stop()
	b.group.Wait()
	return err
}
