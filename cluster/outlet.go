package cluster

import (
	"context"
	"sync"

	"gatehouse/namespaces"
)

// outlet carries operations in the modes "pubsub" and "sharded": it carries them out on this node at once and publishes them
// for the others, at most once. While Redis is away the clients of this node are served, and unpublished operations are
// counted.
type outlet struct{ node *Node }

// publish implements carrier.
func (o outlet) publish(act *action) {
	if a := o.node.adapter(act.namespace); a != nil {
		if err := o.queue(a, act); err != nil {
			o.node.counts.Dropped.Add(1)
		}
	}
	o.node.perform(act, true, nil)
}

// queue queues an action in the order of its number. An action that another one has overtaken would count as missing.
func (o outlet) queue(a *adapter, act *action) error {
	a.saying.Lock()
	defer a.saying.Unlock()
	channel, payload := o.node.operation(act, &a.numbers)
	err := o.node.say(told{channel: channel, payload: payload, operation: true, span: act.span})
	if err != nil {
		act.arrive(unpublished)
	}
	return err
}

// direct implements carrier.
func (outlet) direct(do func()) { do() }

// idle implements carrier.
func (outlet) idle() bool { return true }

// flush implements carrier.
func (o outlet) flush(ctx context.Context) error { return o.node.signal.flush(ctx) }

// operation writes an action for the other nodes. An action for all nodes of a namespace has a number, which shows gaps; one
// on the channel of a room has none.
func (n *Node) operation(act *action, numbers *numbers) (channel string, payload []byte) {
	if n.cfg.Mode == ModePubSub && !n.signer.on() {
		return n.classicOperation(act, numbers.next())
	}
	channel = n.public(act.namespace)
	if rooms := act.operation.Rooms; n.cfg.Mode == ModeSharded && act.kind == typeBroadcast && act.request == "" && len(rooms) == 1 && len(rooms[0]) != nodeSocketID {
		return n.sealed(n.channelOfRoom(room{act.namespace, rooms[0]}), act, 0)
	}
	return n.sealed(channel, act, numbers.next())
}

// nodeSocketID is the length of a socket id. A room whose name is so long has no channel of its own.
const nodeSocketID = 20

func (n *Node) sealed(channel string, act *action, number uint64) (string, []byte) {
	return channel, n.message(channel, act.namespace, act.kind, act.body(true, number).bytes())
}

// numbers are those of a namespace's operations: the last own one, and the last that was heard of each other node.
type numbers struct {
	mu   sync.Mutex // guards what follows; a leaf
	own  uint64
	last map[string]uint64
}

func (s *numbers) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.own++
	return s.own
}

// heard takes the number of an operation and returns how many before it have not come.
func (s *numbers) heard(uid string, number uint64) (missing uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[uid]
	if s.last == nil || len(s.last) >= 2*maxMembers {
		s.last = make(map[string]uint64) // more names than nodes can be there: many have come and gone
	}
	s.last[uid] = max(last, number)
	if known && number > last+1 {
		return number - last - 1
	}
	return 0
}

// operate carries out an operation that another node has published.
func (a *adapter) operate(m letter) error {
	number, err := m.body.number()
	if err != nil {
		return err
	}
	act, err := actionOf(m, a.node.cfg.Packet)
	a.arrived(m.uid, number)
	if err != nil {
		return err
	}
	act.classic = m.classic
	a.node.perform(act, false, nil)
	return nil
}

// arrived counts an operation, and those before it that have not come.
func (a *adapter) arrived(uid string, number uint64) {
	a.node.counts.Read.Add(1)
	if number == 0 {
		return
	}
	if missing := a.numbers.heard(uid, number); missing > 0 {
		a.node.counts.Missing.Add(missing)
		a.local.Missed(namespaces.Missed{Node: uid, Operations: missing})
	}
}
