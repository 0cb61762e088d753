package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"gatehouse/cluster/internal/core"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// adapter is the adapter of a namespace. Its carrier says what it promises beyond [namespaces.Adapter].
type adapter struct {
	node  *Node
	local namespaces.Local
	name  string
	carrier
	present  present    // the members of shared rooms at this node
	holdings holdings   // the sessions that this node owns; none without recovery
	numbers  numbers    // numbers of published operations; in the mode "streams" the lanes have them
	saying   sync.Mutex // locked from the numbering of an operation until it has its place in the queue; never held while waiting for Redis
}

// carrier takes the operations of namespaces to the other nodes, and carries them out on this one. It is safe for concurrent
// use.
//
// A [lane] promises that all nodes see the operations of a namespace in one order, that of its stream, except operations
// of a node that is alone; a selection means the sockets that it fits when the operation comes back. An [outlet] carries
// an operation out at once and promises that the other nodes see those of one node in their order, each at most once.
type carrier interface {
	// publish takes an own action for all nodes. It only queues.
	publish(a *action)
	// direct does something on this node, after the operations that the node has published before.
	direct(do func())
	// idle reports whether no operation of this node is on its way, so that a direct one keeps its order.
	idle() bool
	// flush waits until all operations of this node have been handed to Redis, or ctx ends.
	flush(ctx context.Context) error
}

var errClosed = errors.New("cluster: the node has left")

// defaultQuestion is how long a question is open at most.
const defaultQuestion = 5 * time.Minute

// task runs a function that the node waits for at its end.
func (n *Node) task(do func(ctx context.Context)) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return
	}
	n.tasks.Go(func() { do(n.ctx) })
}

func (n *Node) isClosed() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.closed
}

// Send implements namespaces.Adapter. A packet that waits behind operations of this node fails without an error, as any
// frame of a socket that ends.
func (a *adapter) Send(s *namespaces.Socket, p *packet.Packet, flags namespaces.Flags) error {
	if a.recovers() && a.local.Admitting(s) {
		return a.local.Send(s, p, flags)
	}
	if a.recovers() && a.local.Keeps(s, p, flags) {
		act := &action{kind: typeBroadcast, operation: namespaces.Operation{Packet: *p}}
		act.operation.Rooms, act.operation.Flags = []string{s.ID()}, flags|namespaces.Direct
		return a.spread(act)
	}
	if a.idle() {
		return a.local.Send(s, p, flags)
	}
	kept := *p
	a.direct(func() { _ = a.local.Send(s, &kept, flags) })
	return nil
}

// Broadcast implements namespaces.Adapter.
func (a *adapter) Broadcast(op *namespaces.Operation) error {
	kept := *op
	if op.Flags&namespaces.LocalOnly != 0 && a.recovers() && op.Flags&namespaces.Volatile == 0 {
		return a.spread(&action{kind: typeLocal, operation: kept})
	}
	if op.Flags&namespaces.LocalOnly != 0 {
		a.direct(func() { _ = a.local.Broadcast(&kept) })
		return nil
	}
	return a.spread(&action{kind: typeBroadcast, operation: kept})
}

// spread sends an action to all nodes. It refuses an action that they could not read.
func (a *adapter) spread(act *action) error {
	if a.node.isClosed() {
		return errClosed
	}
	if tooLong(&act.operation.Selection) || max(len(act.change.Join), len(act.change.Leave)) > maxSelection {
		return namespaces.ErrTooManyNames
	}
	act.namespace, act.uid = a.name, a.node.uid
	act.leave()
	a.publish(act)
	return nil
}

// tooLong reports whether a selection names more than one message may.
func tooLong(sel *namespaces.Selection) bool {
	return max(len(sel.Rooms), len(sel.Except)) > maxSelection
}

// Apply implements namespaces.Adapter.
func (a *adapter) Apply(sel *namespaces.Selection, c namespaces.Change) error {
	kept := *sel
	if sel.Flags&namespaces.LocalOnly != 0 {
		a.direct(func() { _ = a.local.Apply(&kept, c) })
		return nil
	}
	operation := namespaces.Operation{Selection: kept}
	var err error
	if len(c.Leave) > 0 {
		err = a.spread(&action{kind: typeLeave, operation: operation, change: namespaces.Change{Leave: c.Leave}})
	}
	if len(c.Join) > 0 {
		err = errors.Join(err, a.spread(&action{kind: typeJoin, operation: operation, change: namespaces.Change{Join: c.Join}}))
	}
	if c.Disconnect || c.CloseTransport {
		change := namespaces.Change{Disconnect: c.Disconnect, CloseTransport: c.CloseTransport}
		err = errors.Join(err, a.spread(&action{kind: typeDisconnect, operation: operation, change: change}))
	}
	return err
}

// BroadcastAck implements namespaces.Adapter. The event has its place among the operations; the answers have none.
func (a *adapter) BroadcastAck(ctx context.Context, op *namespaces.Operation, to namespaces.Replies) error {
	if op.Flags&namespaces.LocalOnly != 0 {
		return a.local.BroadcastAck(ctx, op, to)
	}
	q := &asked{to: to}
	id, others := a.node.asking.begin(ctx, q, a.strangers(ctx))
	defer a.node.asking.end(id)
	here := make(chan error, 1)
	err := a.spread(&action{
		kind: typeBroadcast, operation: *op, request: id, to: to,
		begun: func(wait waitForLocal) { go func() { here <- wait(ctx) }() }, // ends with ctx
	})
	if err != nil {
		return err
	}
	select {
	case err = <-here:
	case <-ctx.Done():
		err = fmt.Errorf("await acknowledgements of %q: %w", op.Packet.Event, ctx.Err())
	}
	if others && (err == nil || ctx.Err() != nil) {
		err = a.await(ctx, id, q)
	}
	return err
}

// await waits for the other nodes. When ctx ends before, the error also names those that have not answered.
func (a *adapter) await(ctx context.Context, id string, q *asked) error {
	select {
	case s := <-q.done:
		return lost(s)
	case <-ctx.Done():
		a.node.asking.giveUp(id)
		return errors.Join(lost(<-q.done), fmt.Errorf("await other nodes: %w", ctx.Err()))
	}
}

// lost is the error of a question that some nodes did not answer.
func lost(s core.Settled) error {
	if len(s.Lost) == 0 && s.Silent == 0 {
		return nil
	}
	names := s.Lost
	for range s.Silent {
		names = append(names, "a server of Node's")
	}
	return &namespaces.LostNodes{Names: names}
}

// Sockets implements namespaces.Adapter.
func (a *adapter) Sockets(ctx context.Context, sel *namespaces.Selection) iter.Seq2[namespaces.Info, error] {
	return func(yield func(namespaces.Info, error) bool) {
		if err := a.settled(ctx); err != nil {
			yield(namespaces.Info{}, err)
			return
		}
		for info, err := range a.local.Sockets(ctx, sel) {
			if !yield(info, err) || err != nil {
				return
			}
		}
		if sel.Flags&namespaces.LocalOnly == 0 {
			a.remoteSockets(ctx, sel, yield)
		}
	}
}

// settled waits until all earlier operations of this node have come back.
func (a *adapter) settled(ctx context.Context) error {
	done := make(chan struct{})
	a.direct(func() { close(done) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("await operations of this node: %w", ctx.Err())
	}
}

func (a *adapter) remoteSockets(ctx context.Context, sel *namespaces.Selection, yield func(namespaces.Info, error) bool) {
	strangers := a.strangers(ctx)
	q := &asked{sockets: make(chan []namespaces.Info, maxMembers)}
	id, others := a.node.asking.begin(ctx, q, strangers)
	defer a.node.asking.end(id)
	if !others {
		return
	}
	if err := a.ask(strangers, query{kind: typeFetch, id: id, selection: sel}); err != nil {
		yield(namespaces.Info{}, err)
		return
	}
	for {
		select {
		case infos := <-q.sockets:
			if !yieldAll(infos, yield) {
				return
			}
			continue
		case s := <-q.done:
			for len(q.sockets) > 0 {
				if !yieldAll(<-q.sockets, yield) {
					return
				}
			}
			if err := lost(s); err != nil {
				yield(namespaces.Info{}, err)
			}
		case <-ctx.Done():
			yield(namespaces.Info{}, a.await(ctx, id, q))
		}
		return
	}
}

func yieldAll(infos []namespaces.Info, yield func(namespaces.Info, error) bool) bool {
	for _, info := range infos {
		if !yield(info, nil) {
			return false
		}
	}
	return true
}

// ServerEmit implements namespaces.Adapter.
func (a *adapter) ServerEmit(ctx context.Context, event string, args packet.Args, to namespaces.Replies) error {
	if to == nil {
		return a.ask(1, query{kind: typeServerEmit, event: event, args: args})
	}
	strangers := a.strangers(ctx)
	q := &asked{to: to}
	id, others := a.node.asking.begin(ctx, q, strangers)
	defer a.node.asking.end(id)
	if !others {
		return nil
	}
	if err := a.ask(strangers, query{kind: typeServerEmit, id: id, event: event, args: args}); err != nil {
		return err
	}
	return a.await(ctx, id, q)
}

// Nodes implements namespaces.Adapter. Node's servers that have this namespace count, too.
func (a *adapter) Nodes(ctx context.Context) (int, error) {
	return len(a.node.Nodes()) + a.strangers(ctx), nil
}

// Close implements namespaces.Adapter.
func (a *adapter) Close(ctx context.Context) error {
	n := a.node
	n.mu.Lock()
	mine := n.adapters[a.name] == a
	if mine {
		delete(n.adapters, a.name)
	}
	n.mu.Unlock()
	if mine {
		n.unfollow(a)
	}
	return a.flush(ctx)
}
