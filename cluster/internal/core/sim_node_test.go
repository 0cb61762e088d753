package core_test

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"gatehouse/cluster/internal/core"
)

// The configuration of the nodes: a small backlog, so that it overflows at times.
const (
	patience     = 2 * time.Second
	backlogBytes = 40
	backlogAge   = 4 * time.Second
	tick         = 200 // milliseconds
	heartbeat    = 2000
	gone         = 7 * time.Second
	asking       = 5 * time.Second
	logLength    = 400
)

// op is an operation: a broadcast to a room, or a direct emit. Its number is its place among the operations of
// its node.
type op struct {
	node   *node
	number int
	room   string
	direct bool
	seq    uint64
	alone  bool // its own node carried it out alone
	lost   bool // a failover lost an entry of it

	session *socket // which is stored beside a mark
	taken   string  // the session that its node has taken over

	gap  []number // which it tells the sockets of its node that they may lack
	read string   // what its node had read when it published that
}

func (o *op) String() string { return fmt.Sprintf("%s/%d", o.node.name, o.number) }

type node struct {
	w         *world
	name      string
	place     int
	alive     bool
	paused    bool
	held      []func() // what came while it was paused
	lane      *core.Lane[*op]
	trail     core.Trail
	members   *core.Members
	questions *core.Questions
	started   int
	done      int    // operations so far
	published uint64 // the number of the last one that was written
	slow      int    // milliseconds more for each message

	writes, reads int // numbers of the connections; messages of an old one are dropped
	writeUp       bool
	readUp        bool
	signal        bool // the channel for signs of life and questions
	pos           int
	arrival       map[string]int // when the last message of a link arrives

	sockets map[string]*socket
	at      string // the operations that have been carried out, as a place
	awaited map[string]func()
	owners  int
	apart   int // offsets that are no places
}

// start starts a node, with a new name.
func (w *world) start(place int) *node {
	n := &node{
		w: w, name: fmt.Sprintf("n%d.%d", place, len(w.nodes)), place: place, alive: true, signal: w.broker.up, started: w.now,
		members: core.NewMembers(gone), questions: core.NewQuestions(), pos: w.broker.last(), arrival: make(map[string]int),
		sockets: make(map[string]*socket), awaited: make(map[string]func()),
	}
	n.lane = core.NewLane[*op](n.name, core.LaneConfig{Patience: patience, BacklogBytes: backlogBytes, BacklogAge: backlogAge, LogLength: logLength})
	w.nodes = append(w.nodes, n)
	from := max(0, len(w.broker.entries)-logLength)
	if from > 0 {
		n.lane.Begin(w.broker.entries[from-1].place)
	}
	for _, e := range w.broker.entries[from:] {
		n.trail.Read(e.stamp())
		n.lane.Seen(e.node, e.seq, e.op, e.place, 1)
		if e.seq > 0 {
			w.ledger.before(n, e)
		}
	}
	n.at = n.lane.Place()
	n.reconnectWrite(1)
	n.reconnectRead(1)
	n.tick()
	n.beat()
	return n
}

// within runs a function in the node: never when the node is dead, and later when it is paused.
func (n *node) within(do func()) {
	switch {
	case !n.alive:
	case n.paused:
		n.held = append(n.held, do)
	default:
		do()
	}
}

// link carries a message over a link, in order, with a delay.
func (n *node) link(name string, do func()) {
	delay := 1 + n.w.chance(n.name+name, 30) + n.slow
	at := max(n.w.now+delay, n.arrival[name])
	n.arrival[name] = at
	n.w.after(at-n.w.now, do)
}

func (n *node) play(st step, ms int) {
	switch st.verb {
	case "emit":
		n.within(func() { n.emit(st.arg) })
	case "burst":
		n.within(func() {
			for range 5 {
				n.emit(st.arg)
				n.direct()
			}
		})
	case "direct":
		n.within(n.direct)
	case "ask":
		n.within(func() { n.ask() })
	case "cut-write":
		n.cutWrite(ms)
	case "cut-read":
		n.cutRead(ms)
	case "cut-signal":
		n.signal = false
		n.w.after(ms, func() { n.signal = n.w.broker.up })
	case "slow":
		n.slow = ms / 4
		n.w.after(ms, func() { n.slow = 0 })
	case "pause":
		n.paused = true
		n.w.after(ms, func() {
			n.paused = false
			held := n.held
			n.held = nil
			for _, do := range held {
				n.within(do)
			}
		})
	}
}

func (n *node) newOp(room string, direct bool) *op {
	n.done++
	return &op{node: n, number: n.done, room: room, direct: direct}
}

func (n *node) emit(room string) {
	o := n.newOp(room, false)
	n.w.ledger.published(n.w, o)
	n.carry(n.lane.Publish(n.w.time(), o, 1))
	n.flush()
}

func (n *node) direct() {
	o := n.newOp("", true)
	n.w.ledger.published(n.w, o)
	n.carry(n.lane.Direct(n.w.time(), o))
}

// flush writes the next batch.
func (n *node) flush() {
	batch := n.lane.Batch(16)
	if len(batch) == 0 {
		return
	}
	var stores []store
	for _, o := range batch {
		n.published = max(n.published, o.Seq)
		if o.Body != nil {
			o.Body.seq = o.Seq
			if o.Body.session != nil {
				if st, ok := n.storeOf(o.Body.session); ok {
					stores = append(stores, st)
				}
			}
		}
	}
	w, number := n.w, n.writes
	n.link("write", func() {
		// A message that was under way when the connection was cut may have arrived or not.
		if !w.broker.up || number != n.writes && w.chance(n.name+"fate", 2) == 0 {
			return
		}
		replies := w.add(n.name, batch, stores)
		n.link("written", func() {
			if number == n.writes {
				n.within(func() {
					if number == n.writes {
						n.answered(stores, replies)
						n.lane.Added()
						n.flush()
					}
				})
			}
		})
	})
}

func (n *node) cutWrite(ms int) {
	if n.writeUp {
		n.writeUp = false
		n.writes++
		n.within(n.lane.Lost)
		n.reconnectWrite(ms)
	}
}

func (n *node) reconnectWrite(ms int) {
	n.w.after(ms, func() {
		if !n.w.broker.up {
			n.reconnectWrite(50)
			return
		}
		n.writeUp = true
		number := n.writes
		n.within(func() {
			if number == n.writes {
				n.carry(n.lane.Connected(n.w.time()))
				n.flush()
			}
		})
	})
}

func (n *node) cutRead(ms int) {
	if n.readUp {
		n.readUp = false
		n.reads++
		n.reconnectRead(ms)
	}
}

// reconnectRead goes on behind the newest entry that the broker still has. Others may have the ids of lost ones.
func (n *node) reconnectRead(ms int) {
	n.w.after(ms, func() {
		if !n.w.broker.up {
			n.reconnectRead(50)
			return
		}
		n.readUp = true
		number := n.reads
		n.within(func() {
			if number == n.reads {
				n.resumeReading()
			}
		})
	})
}

func (n *node) resumeReading() {
	id, lost, _ := n.trail.Resume(n.w.older)
	places := make(map[string]bool)
	for _, s := range lost {
		places[placeOf(int(s.Sum))] = true
	}
	if n.w.plant != "unaware" {
		n.storeAgain(n.lane.Forgotten(places))
	}
	_, _ = fmt.Sscanf(id, "%d-0", &n.pos)
	n.next(n.reads)
}

// next asks for the entries behind pos.
func (n *node) next(number int) {
	if number != n.reads || !n.alive {
		return
	}
	entries := n.w.broker.entries
	first := sort.Search(len(entries), func(i int) bool { return entries[i].id > n.pos })
	batch := slices.Clone(entries[first:min(first+8, len(entries))])
	if len(batch) == 0 {
		n.w.broker.waiting = append(n.w.broker.waiting, func() { n.next(number) })
		return
	}
	n.pos = batch[len(batch)-1].id
	n.link("read", func() {
		if number != n.reads {
			return
		}
		n.within(func() {
			for _, e := range n.w.disorder(batch) {
				n.trail.Read(e.stamp())
				if e.seq == 0 {
					n.takeForeign(e)
					continue
				}
				n.w.ledger.read(n, e)
				n.carry(n.lane.Read(e.node, e.seq, e.op, e.mark || e.op != nil && e.op.session != nil, e.place, 1))
			}
			n.flush()
		})
		n.next(number)
	})
}

// carry carries outputs out.
func (n *node) carry(outputs []core.Output[*op]) {
	var gap []number
	for _, o := range outputs {
		switch o.Do {
		case core.Deliver:
			n.deliver(o)
		case core.Passed:
		case core.Gap:
			gap = append(gap, n.w.ledger.told(n, o.Node, o.From, o.To)...)
			n.w.note("%s misses %s %d-%d", n.name, o.Node, o.From, o.To)
		case core.Drop:
			n.w.note("%s drops %d-%d", n.name, o.From, o.To)
		case core.Alone, core.Together:
			n.w.note("%s is alone: %t", n.name, o.Do == core.Alone)
		}
		if o.Place != "" {
			n.arrive(o.Place)
		}
	}
	if len(gap) > 0 {
		n.carry(n.lane.Publish(n.w.time(), &op{node: n, gap: gap, read: n.at}, 1))
		n.flush()
	}
}

func (n *node) deliver(o core.Output[*op]) {
	switch {
	case o.Body.session != nil:
		n.kept(o.Body.session, o.ID == "")
	case o.Body.taken != "":
		n.moved(o.Body)
	case o.Body.gap != nil:
		n.send(o)
	default:
		if o.Own && o.ID == "" {
			o.Body.alone = true
		}
		for range n.w.times(o) {
			n.w.ledger.delivered(n, o.Body)
			n.send(o)
		}
	}
}

func (n *node) tick() {
	if !n.alive {
		return
	}
	n.within(func() {
		now := n.w.time()
		n.carry(n.lane.Tick(now))
		for _, other := range n.members.Tick(now) {
			n.forget(other)
		}
		if n.w.plant != "leak" {
			n.settle(n.questions.Tick(now))
		}
		n.flush()
	})
	n.w.after(tick, n.tick)
}

func (n *node) beat() {
	if !n.alive {
		return
	}
	n.within(func() {
		n.tell(func(to *node) { to.members.Heard(n.w.time(), n.name) })
	})
	n.w.after(heartbeat, n.beat)
}

// tell publishes a message that the other nodes hear if they are connected.
func (n *node) tell(heard func(to *node)) {
	if !n.signal {
		return
	}
	for _, to := range n.w.live {
		if to != n && to.alive && to.signal {
			n.link("signal", func() { to.within(func() { heard(to) }) })
		}
	}
}

func (n *node) forget(other string) {
	if n.w.plant == "ghost" {
		n.members.Heard(n.w.time(), other)
		return
	}
	n.lane.Gone(other)
	n.settle(n.questions.Gone(other))
}

// ask asks all others who is there.
func (n *node) ask() string {
	n.done++
	id := fmt.Sprintf("%s?%d", n.name, n.done)
	nodes := n.members.Nodes()
	if !n.questions.Ask(id, n.w.time().Add(asking), nodes, 0) {
		return ""
	}
	n.w.ledger.asked(n.w, id)
	n.tell(func(to *node) {
		to.tell(func(back *node) {
			if back == n {
				n.settle(n.questions.Answered(id, to.name))
			}
		})
	})
	return id
}

func (n *node) settle(settled []core.Settled) {
	for _, s := range settled {
		n.w.ledger.settled(n.w, s)
	}
}

func (n *node) kill() {
	if n.alive {
		n.alive = false
		n.w.orphans(n)
		n.writes++
		n.reads++
		n.w.note("%s dies", n.name)
	}
}
