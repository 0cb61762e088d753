package namespaces

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"gatehouse/packet"
)

// waiter waits for the acknowledgement of one socket. Exactly one of its methods is called, once for the socket, unless the
// waiter is forgotten before. Its methods do not block.
type waiter interface {
	answered(s *Socket, args packet.Args)
	gone(s *Socket) // the socket has ended
}

// EmitAck sends an event, waits for the client's acknowledgement and returns its arguments. It fails with ErrNotAdmitted
// during admission, ErrClosed when the socket ends, and an error of ctx; ctx without a deadline gets [Config.AckTimeout]. A
// handler may await its own client.
func (s *Socket) EmitAck(ctx context.Context, event string, args ...any) (packet.Args, error) {
	p, err := s.ns.newEvent(event, args)
	if err != nil {
		return packet.Args{}, err
	}
	return s.emitAck(ctx, p)
}

// emitAck sends an event with an acknowledgement id and waits.
func (s *Socket) emitAck(ctx context.Context, p packet.Packet) (packet.Args, error) {
	ctx, cancel := s.ns.deadline(ctx)
	defer cancel()
	p.ID, p.HasID = s.ns.ackIDs.Add(1)-1, true
	answer := make(single, 1)
	if err := s.expectAck(p.ID, answer); err != nil {
		return packet.Args{}, err
	}
	if err := s.deliver(p, 0); err != nil {
		s.forget(p.ID)
		return packet.Args{}, fmt.Errorf("emit %q: %w", p.Event, err)
	}
	select {
	case args, ok := <-answer:
		if !ok {
			return packet.Args{}, fmt.Errorf("await acknowledgement of %q: %w", p.Event, ErrClosed)
		}
		return args, nil
	case <-ctx.Done():
		s.forget(p.ID)
		return packet.Args{}, fmt.Errorf("await acknowledgement of %q: %w", p.Event, ctx.Err())
	}
}

// deadline gives a context a deadline if it has none.
func (ns *Namespace) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || ns.hub == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, ns.hub.limits().AckTimeout)
}

// single waits for one socket.
type single chan packet.Args

func (c single) answered(_ *Socket, args packet.Args) { c <- args }
func (c single) gone(*Socket)                         { close(c) }

// expectAck registers a waiter before its event goes out. It keeps the client's reading from pausing until the answer is
// there or forgotten.
func (s *Socket) expectAck(id uint64, w waiter) error {
	s.client.await(1)
	s.mu.Lock()
	var err error
	switch s.phase {
	case connecting:
		err = ErrNotAdmitted
	case parked, ended:
		err = ErrClosed
	case open:
		if s.acks == nil {
			s.acks = make(map[uint64]waiter)
		}
		s.acks[id] = w
	}
	s.mu.Unlock()
	if err != nil {
		s.client.await(-1)
	}
	return err
}

// resolve hands an acknowledgement to its waiter. Without a waiter it is late or made up, and ignored.
func (s *Socket) resolve(id uint64, args packet.Args) {
	if w := s.takeWaiter(id); w != nil {
		w.answered(s, args)
		s.client.await(-1)
	}
}

// forget stops waiting; an answer that comes later is ignored.
func (s *Socket) forget(id uint64) {
	if s.takeWaiter(id) != nil {
		s.client.await(-1)
	}
}

func (s *Socket) takeWaiter(id uint64) waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.acks[id]
	delete(s.acks, id)
	if len(s.acks) == 0 {
		s.acks = nil
	}
	return w
}

// abandon tells the waiters of an ended socket.
func (s *Socket) abandon(acks map[uint64]waiter) {
	if len(acks) == 0 {
		return
	}
	for _, w := range acks {
		w.gone(s)
	}
	s.client.await(-len(acks))
}

// collector gathers the replies to a question.
type collector struct {
	mu       sync.Mutex // guards what follows
	expected int
	replies  []Reply
}

// Expect implements Replies.
func (c *collector) Expect(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected += n
}

// Reply implements Replies.
func (c *collector) Reply(r Reply) {
	if r.Err != nil {
		return // it counts as missing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replies = append(c.replies, r)
}

// answers returns what has come by now.
func (c *collector) answers() Answers {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Answers{Replies: slices.Clone(c.replies), Missing: max(0, c.expected-len(c.replies))}
}
