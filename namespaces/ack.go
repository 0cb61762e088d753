package namespaces

import (
	"context"
	"fmt"
	"sync"

	"gatehouse/packet"
)

// waiter waits for the acknowledgement of one socket. Exactly one of its methods is called, once for the socket, unless the
// waiter is forgotten before. Its methods do not block.
type waiter interface {
	answered(s *Socket, args packet.Args)
	gone(s *Socket) // the socket has ended
}

// EmitAck sends an event and waits for the client's acknowledgement: its arguments. It fails with ErrNotAdmitted during
// admission, ErrClosed when the socket ends, and an error of ctx; ctx without a deadline gets [Config.AckTimeout]. A handler
// may await its own client.
func (s *Socket) EmitAck(ctx context.Context, event string, args ...any) (packet.Args, error) {
	p, err := s.ns.event(event, args)
	if err != nil {
		return packet.Args{}, err
	}
	return s.request(ctx, p)
}

// request sends an event with an acknowledgement id and waits.
func (s *Socket) request(ctx context.Context, p packet.Packet) (packet.Args, error) {
	ctx, cancel := s.ns.deadline(ctx)
	defer cancel()
	p.ID, p.HasID = s.ns.ackIDs.Add(1)-1, true
	answer := make(single, 1)
	if err := s.expectAck(p.ID, answer); err != nil {
		return packet.Args{}, err
	}
	if err := s.ns.adapter.Send(s, &p, 0); err != nil {
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

// deadline gives a context one if it has none.
func (ns *Namespace) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || ns.hub == nil {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, ns.hub.cfg.AckTimeout)
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
	case petitioning:
		err = ErrNotAdmitted
	case ended:
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

// resolve hands an acknowledgement to who waits for it. One that nobody waits for is late or made up, and ignored.
func (s *Socket) resolve(id uint64, args packet.Args) {
	if w := s.takeWaiter(id); w != nil {
		w.answered(s, args)
		s.client.await(-1)
	}
}

// forget stops waiting; an answer that comes later is ignored. It returns false when there was one already.
func (s *Socket) forget(id uint64) bool {
	if s.takeWaiter(id) == nil {
		return false
	}
	s.client.await(-1)
	return true
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

// collector gathers the answers to a broadcast.
type collector struct {
	done chan struct{} // closed when nothing more will come

	mu      sync.Mutex // guards what follows
	left    int        // asked and not settled, plus one while still asking
	answers Answers
}

// answered implements waiter.
func (c *collector) answered(s *Socket, args packet.Args) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers.Acks[s.id] = args
	c.settle()
}

// gone implements waiter.
func (c *collector) gone(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers.Missing = append(c.answers.Missing, s.id)
	c.settle()
}

// settle counts one down. mu is held.
func (c *collector) settle() {
	c.left--
	if c.left == 0 {
		close(c.done)
	}
}

// Request implements Adapter. One id and one frame serve all: the ids of a namespace are one count.
func (l *local) Request(ctx context.Context, op *Operation) (Answers, error) {
	p := op.Packet
	p.ID, p.HasID = l.ns.ackIDs.Add(1)-1, true
	frame := packet.Encode(&p)
	c := &collector{done: make(chan struct{}), left: 1, answers: Answers{Acks: make(map[string]packet.Args)}}
	var asked []*Socket
	l.each(&op.Selection, func(s *Socket) {
		c.mu.Lock()
		c.left++
		c.mu.Unlock()
		if s.expectAck(p.ID, c) != nil {
			c.gone(s)
			return
		}
		asked = append(asked, s)
		_ = s.conn.Send(frame) // when it fails the socket is about to end, and will be gone
	})
	c.mu.Lock()
	c.settle()
	c.mu.Unlock()
	select {
	case <-c.done:
		return c.answers, nil
	case <-ctx.Done():
		return c.giveUp(p.ID, asked), fmt.Errorf("await acknowledgements of %q: %w", p.Event, ctx.Err())
	}
}

// giveUp forgets the sockets that have not answered.
func (c *collector) giveUp(id uint64, asked []*Socket) Answers {
	var missing []string
	for _, s := range asked {
		if s.forget(id) {
			missing = append(missing, s.id)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	out := Answers{Acks: make(map[string]packet.Args, len(c.answers.Acks)), Missing: append(missing, c.answers.Missing...)}
	for socket, args := range c.answers.Acks {
		out.Acks[socket] = args
	}
	return out
}
