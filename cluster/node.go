package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/internal/core"
	"gatehouse/namespaces"
)

// Node is this process in a cluster. Its methods are safe for concurrent use.
type Node struct {
	// Fixed.
	cfg    NodeConfig
	uid    string
	signer signer
	began  time.Time
	lanes  []*lane
	ctx    context.Context // of what runs; ends with Close
	end    context.CancelFunc
	run    sync.WaitGroup     // the goroutines that live as long as the node
	tasks  sync.WaitGroup     // answers to other nodes
	hush   context.CancelFunc // ends the signs of life
	beats  sync.WaitGroup     // who gives them

	link    links
	counts  Counts
	signal  signals
	asking  asking
	forward forwarding
	naming  naming
	users   userCounts

	mu       sync.RWMutex // guards what follows
	adapters map[string]*adapter
	closed   bool
}

// Counts are what a node has counted since it began.
type Counts struct {
	Written   atomic.Uint64 // operations into streams, or published
	Read      atomic.Uint64 // entries from streams, or operations that were heard
	Refused   atomic.Uint64 // messages of the wrong form, or not signed
	Missing   atomic.Uint64 // missing operations of other nodes
	Dropped   atomic.Uint64 // own operations that did not fit the backlog, or could not be published
	WentAlone atomic.Uint64 // how often the node went on alone
	Unheard   atomic.Uint64 // messages of other nodes that were dropped because this one was behind
	LinksLost atomic.Uint64 // how often a subscription was lost, and with it the messages published meanwhile
	Forwarded Forwarded
}

// Start makes a node and connects it in the background, whether Redis is there or not. [Node.Close] releases it.
func Start(cfg NodeConfig) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	n := &Node{
		cfg: cfg, uid: newUID(), signer: signer{cfg.Secret}, began: time.Now(), adapters: make(map[string]*adapter),
	}
	if n.cfg.Name == "" {
		host, _ := os.Hostname()
		n.cfg.Name = host + "-" + n.uid[:4]
	}
	n.ctx, n.end = context.WithCancel(context.Background())
	n.users.node, n.users.wake = n, make(chan struct{}, 1)
	n.signal.init()
	n.asking.init()
	n.initForwarding()
	for i := range n.streams() {
		l := newLane(n, cfg.streamName(i))
		n.lanes = append(n.lanes, l)
		n.run.Go(func() { l.write(n.ctx) })
		n.run.Go(func() { l.read(n.ctx) })
	}
	n.run.Go(n.listen)
	n.run.Go(n.hear)
	beating, hush := context.WithCancel(n.ctx)
	n.hush = hush
	n.beats.Go(func() { n.beat(beating) })
	n.run.Go(n.keepTime)
	n.run.Go(n.keepRooms)
	return n, nil
}

// newUID returns a name that no node has had: as long as that of Node's adapters.
func newUID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Close tells the other nodes and ends the node. It returns when all published operations are in Redis, or ctx has ended.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	again := n.closed
	n.closed = true
	n.mu.Unlock()
	if again {
		return nil
	}
	var err error
	for _, l := range n.lanes {
		err = errors.Join(err, l.flush(ctx))
	}
	n.bye(ctx)
	n.end()
	n.tasks.Wait()
	n.run.Wait()
	n.users.leave(ctx)
	n.forward.hops.CloseIdleConnections()
	return err
}

// keepTime tells the time to the parts that depend on it.
func (n *Node) keepTime() {
	ticker := time.NewTicker(min(tickEvery, n.cfg.Patience))
	defer ticker.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case now := <-ticker.C:
			for _, l := range n.lanes {
				l.tick(now)
			}
			n.asking.tick(now)
		}
	}
}

// dedicated is a connection that its owner does not share.
type dedicated struct {
	rueidis.DedicatedClient
	from     rueidis.Client
	giveBack func()
}

// dedicate returns a connection that is not shared; in a Redis Cluster it leads to the primary that has the slot of
// anchor. It is closed when it is released, because a connection that reconnects by itself would not tell that it was
// lost.
func (n *Node) dedicate(ctx context.Context, anchor string, probe bool) (*dedicated, error) {
	client, err := n.cfg.Client()
	if err != nil {
		return nil, err
	}
	own, giveBack := client.Dedicate()
	d := &dedicated{own, client, giveBack}
	if !probe {
		return d, nil
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	// A replica has entries late or never, so only a server that takes writes will do.
	write := own.B().Set().Key(probeKey(anchor)).Value("1").PxMilliseconds(1000).Build()
	if err := n.cfg.Note(client, own.Do(ctx, write).Error()); err != nil {
		d.release()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return d, nil
}

func (d *dedicated) release() {
	d.Close()
	d.giveBack()
}

var errGivenUp = errors.New("the connection is given up, because its server takes no writes")

// givenUp reports whether another client has taken the place of this one, since its server turned out to be a replica. Closing
// a client does not close the connections that it has dedicated: they would stay at the replica, and hear late or never.
func givenUp(client rueidis.Client, now func() (rueidis.Client, error)) bool {
	other, err := now()
	return err != nil || other != client
}

// probeKey is a key in the slot of another key.
func probeKey(anchor string) string { return inSlotOf(anchor) + "probe" }

// inSlotOf begins keys that are in the slot of another one, whose name they begin with, too.
func inSlotOf(key string) string {
	if strings.Contains(key, "{") {
		return key + ":" // it has a hash tag, see NodeConfig.check
	}
	return key + ":{" + key + "}:"
}

// streams returns how many streams the node reads.
func (n *Node) streams() int {
	if n.cfg.Mode != ModeStreams {
		return 0
	}
	return n.cfg.Streams
}

// carrier returns what carries the operations of a namespace.
func (n *Node) carrier(namespace string) carrier {
	if n.cfg.Mode != ModeStreams {
		return outlet{n}
	}
	return n.lanes[n.cfg.streamOf(namespace)]
}

// adapter returns the adapter of a namespace that this node has, or nil.
func (n *Node) adapter(namespace string) *adapter {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.adapters[namespace]
}

// refused counts an invalid message in Redis.
func (n *Node) refused(err error) {
	if n.counts.Refused.Add(1) == 1 {
		n.cfg.Logger.Warn("cluster: a message in redis was refused; the metric counts the others", slog.Any("error", err))
	}
}

// tooOld reports whether a signature is too old. Clocks may differ by two minutes.
func (n *Node) tooOld(ms int64) bool {
	age := n.cfg.Now().Sub(time.UnixMilli(ms))
	return age > n.cfg.BacklogAge+clockSlack || age < -clockSlack
}

const clockSlack = 2 * time.Minute

// carryOut carries out the outputs of a lane's core.
func (n *Node) carryOut(l *lane, o *core.Output[*action]) {
	switch o.Do {
	case core.Deliver:
		n.deliver(l, o)
	case core.Gap:
		n.counts.Missing.Add(o.To - o.From + 1)
		n.cfg.Logger.Warn("cluster: operations of another node are missing", slog.String("node", o.Node),
			slog.Uint64("operations", o.To-o.From+1), slog.String("stream", l.stream))
		n.missed(l, namespaces.Missed{Node: o.Node, Operations: o.To - o.From + 1})
	case core.Drop:
		n.counts.Dropped.Add(o.To - o.From + 1)
	case core.Alone:
		n.counts.WentAlone.Add(1)
		n.cfg.Logger.Warn("cluster: redis does not answer, this node goes on alone", slog.String("stream", l.stream))
	case core.Together:
		n.cfg.Logger.Info("cluster: this node is together with the others again", slog.String("stream", l.stream))
	}
}

// missed tells the namespaces of a stream that they may lack operations.
func (n *Node) missed(l *lane, m namespaces.Missed) {
	for _, a := range n.list() {
		if a.carrier == carrier(l) {
			a.local.Missed(m)
		}
	}
}

// deliver carries out an operation that the core of a lane delivers.
func (n *Node) deliver(l *lane, o *core.Output[*action]) {
	if o.ID == "" {
		o.Body.arrive(alone)
	} else {
		o.Body.arrive("")
	}
	switch {
	case o.Body.session != nil:
		o.Body.session.kept(o.ID == "")
	case n.cfg.Recovery > 0:
		if a := n.adapter(o.Body.namespace); a != nil && a.recovers() {
			if o.Steady {
				o.Body.operation.Packet.Offset = o.ID
			}
			if o.Body.kind == typeLocal && !o.Own {
				a.late(l, o)
			}
		}
		n.perform(o.Body, o.Own, func() { l.arrive(o.Place) })
	default:
		n.perform(o.Body, o.Own, nil)
	}
}

// perform carries an action out on the sockets of this node. placed notes the place of an event; it may be nil.
func (n *Node) perform(act *action, own bool, placed func()) {
	if act.direct != nil {
		act.direct()
		return
	}
	a := n.adapter(act.namespace)
	if a == nil {
		if act.request != "" && !own {
			_ = n.settledFor(act.namespace, act.uid, act.request) // or it would be waited for
		}
		return
	}
	if !own && act.parent != "" {
		defer n.trace(act)()
	}
	switch {
	case act.kind == 0: // no namespace was here to check it for
	case act.kind == typeBroadcast && act.request != "" && own:
		act.begun(a.local.Ask(&act.operation, act.to))
	case act.kind == typeBroadcast && act.request != "":
		a.answerBroadcast(act, asker{uid: act.uid, id: act.request, classic: act.classic})
	case act.kind == typeBroadcast, act.kind == typeLocal && own:
		_ = a.local.BroadcastAt(&act.operation, placed) // only queues here
	case act.kind == typeLocal: // of another node, see arrivals
	case act.kind == typeTaken:
		a.taken(act)
	default:
		_ = a.local.Apply(&act.operation.Selection, act.change)
	}
}

// list returns the adapters of all namespaces that this node has.
func (n *Node) list() []*adapter {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return slices.Collect(maps.Values(n.adapters))
}

// Adapter makes the adapter of a namespace; it is for [namespaces.Config].
func (n *Node) Adapter(_ context.Context, local namespaces.Local) (namespaces.Adapter, error) {
	name := local.Namespace().Name()
	a := &adapter{node: n, local: local, name: name, carrier: n.carrier(name)}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.adapters[name] != nil {
		return nil, fmt.Errorf("namespace %q has an adapter already", name)
	}
	n.adapters[name] = a
	n.follow(a)
	return a, nil
}

// links tracks which connections are up.
type links struct {
	mu   sync.Mutex
	down map[string]bool
}

// lost notes that a connection is down; it reports whether that is new.
func (l *links) lost(what string) bool { return l.set(what, true) }

// found notes that it is there.
func (l *links) found(what string) bool { return l.set(what, false) }

func (l *links) set(what string, down bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was, known := l.down[what]
	if l.down == nil {
		l.down = make(map[string]bool)
	}
	l.down[what] = down
	return !known || was != down
}
