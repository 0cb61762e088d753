package core_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gatehouse/cluster/internal/core"
)

// The sessions of the simulation: clients whose connections break, who come back to any node, and are recovered there or told
// that they are not. A session is stored beside marks and taken over at the broker as package cluster does it.

// client is a client that comes back.
type client struct {
	w      *world
	name   string
	visits int
	visit  *visit  // the current session, until the client is told that it is not recovered
	socket *socket // nil while it is away
	offset string
	tries  int
}

// socket is a session at its node.
type socket struct {
	id            string
	client        *client
	visit         *visit
	rooms         map[string]string // from which place on
	former        []stay            // the rooms that it has left
	pending       []func()          // what the client is told once the change is stored
	tail          []sent
	base, baseAt  string
	last          string
	owner, before string
	been          []been
	owned         bool // the broker has had owner
	queued        bool
	waiting       int // stores that have not come back
	changed       bool
	stored        bool
	over          bool
}

type sent struct {
	op     *op
	offset string
}

// record is a session as the broker has it.
type record struct {
	owner  string
	holder string // the node that stored it
	been   []been
	rooms  map[string]string
	former []stay
	marks  core.Marks
}

// been is a node at which a session was, or may have been, up to a place.
type been struct{ node, until string }

// stay is a membership that is over.
type stay struct{ room, from, to, sent string }

type recordWrite struct {
	entries int // that stand before it
	id      string
	record  *record
}

type store struct {
	socket        *socket
	owner, before string
	record        *record
}

// write sets a record.
func (w *world) write(id string, r *record) {
	w.broker.records[id] = r
	w.broker.writes = append(w.broker.writes, recordWrite{len(w.broker.entries), id, r})
}

// store carries out a store at the broker: 0 means refused, 2 that it was the former owner's.
func (w *world) store(st store) int {
	id, reply := st.socket.id, 1
	if was := w.broker.records[id]; was != nil && was.owner != st.owner {
		if was.owner != st.before {
			return 0
		}
		reply = 2
	}
	if w.plant == "unstored" && w.chance("plant", 4) == 0 {
		return 1
	}
	w.write(id, st.record)
	return reply
}

// forgetRecords restores the records that the replica had.
func (w *world) forgetRecords() {
	b := &w.broker
	before := maps.Clone(b.records)
	for len(b.writes) > 0 && b.writes[len(b.writes)-1].entries >= len(b.entries) {
		b.writes = b.writes[:len(b.writes)-1]
	}
	clear(b.records)
	for _, wr := range b.writes {
		b.records[wr.id] = wr.record
	}
	for _, c := range w.people {
		if c.visit != nil && before[c.visit.id] != b.records[c.visit.id] {
			c.visit.excused = true
		}
	}
}

// invite lets the given number of clients come.
func (w *world) invite(n int) {
	for i := range n {
		c := &client{w: w, name: fmt.Sprintf("c%d", i+1)}
		w.people = append(w.people, c)
		w.after(50+10*i, func() { c.back(c.somewhere()) })
	}
}

// playSession does a step of a client. The node and the time determine which one.
func (w *world) playSession(st step) bool {
	c := w.people[(st.at+st.node)%len(w.people)]
	switch st.verb {
	case "drop":
		c.lose()
	case "back":
		c.back(w.live[st.node-1])
	case "enter", "leave":
		if n, s := c.session(); s != nil {
			n.within(func() {
				if st.verb == "enter" {
					n.enter(s, st.arg)
				} else {
					n.leave(s, st.arg)
				}
			})
		}
	case "tell", "address":
		n, room := w.live[st.node-1], userRoom(c)
		if st.verb == "tell" && c.visit != nil {
			room = c.visit.id
		}
		n.within(func() { n.emit(room) })
	default:
		return false
	}
	return true
}

// session is a client's session at the nodes; the client may be away.
func (c *client) session() (*node, *socket) {
	for _, n := range c.w.live {
		if c.visit != nil && n.alive && n.sockets[c.visit.id] != nil {
			return n, n.sockets[c.visit.id]
		}
	}
	return nil, nil
}

// somewhere returns a living node.
func (c *client) somewhere() *node {
	first := c.w.chance(c.name, len(c.w.live))
	for i := range c.w.live {
		if n := c.w.live[(first+i)%len(c.w.live)]; n.alive {
			return n
		}
	}
	return c.w.live[first]
}

// lose breaks the connection. The client comes back by itself.
func (c *client) lose() {
	if c.socket == nil {
		return
	}
	c.socket = nil
	tries := c.tries
	c.w.after(50+c.w.chance(c.name, 3000), func() {
		if c.tries == tries {
			c.back(c.somewhere())
		}
	})
}

// orphans lose their node.
func (w *world) orphans(n *node) {
	for _, c := range w.people {
		if c.socket != nil && n.sockets[c.socket.id] == c.socket {
			c.lose()
		}
	}
}

// back lets a client come to a node; the old connection may still be open.
func (c *client) back(n *node) {
	c.socket = nil
	c.tries++
	try := c.tries
	current := func(do func()) func() {
		return func() {
			if c.tries == try {
				n.within(func() {
					if c.tries == try {
						do()
					}
				})
			}
		}
	}
	again := func() {
		if c.tries == try && c.socket == nil {
			c.back(c.somewhere())
		}
	}
	c.w.after(3*int(patience.Milliseconds()), again)
	if c.visit == nil {
		n.link("come", current(func() { n.admit(c) }))
		return
	}
	n.link("come", current(func() { n.lookUp(c, current) }))
}

// admit lets a client in as a new one.
func (n *node) admit(c *client) {
	c.visits++
	c.visit = &visit{id: fmt.Sprintf("%s.%d", c.name, c.visits), nodes: map[*node]bool{n: true}, stays: make(map[string]*promise), gaps: make(map[number]bool)}
	for _, room := range []string{"a", c.visit.id, userRoom(c)} {
		c.visit.enter(n, room).told = true
	}
	c.offset = ""
	n.w.note("%s is %s at %s", c.name, c.visit.id, n.name)
	s := &socket{id: c.visit.id, client: c, visit: c.visit, rooms: map[string]string{"a": n.placeOfEntry()}, baseAt: n.placeOfEntry(), owner: n.owner()}
	n.sockets[s.id], c.socket = s, s
	n.keep(s, true)
}

// nodeOf is the node of an owner.
func nodeOf(owner string) string {
	node, _, _ := strings.Cut(owner, "#")
	return node
}

func (n *node) owner() string {
	n.owners++
	return fmt.Sprintf("%s#%d", n.name, n.owners)
}

// userRoom is the room of a client, whichever sessions it has.
func userRoom(c *client) string { return "@" + c.name }

// named reports whether a room is the socket's own.
func (s *socket) named(room string) bool { return room == s.id || room == userRoom(s.client) }

// enter has a socket enter a room, each once.
func (n *node) enter(s *socket, room string) {
	if n.sockets[s.id] != s || s.visit.stays[room] != nil {
		return
	}
	s.rooms[room] = n.placeOfEntry()
	n.w.ledger.moves.entered++
	entered := s.visit.enter(n, room)
	s.pending = append(s.pending, func() { entered.told = true })
	n.keep(s, true)
}

func (n *node) leave(s *socket, room string) {
	from, in := s.rooms[room]
	if n.sockets[s.id] != s || !in {
		return
	}
	delete(s.rooms, room)
	if n.w.plant != "left" {
		s.former = append(s.former, stay{room, from, n.at, s.last})
	}
	left := s.visit.leave(n, room)
	n.w.ledger.moves.left++
	s.pending = append(s.pending, func() { left.over = true })
	n.keep(s, true)
}

// keep has a session stored.
func (n *node) keep(s *socket, changed bool) {
	s.changed = s.changed || changed
	if s.queued {
		return
	}
	s.queued = true
	s.waiting++
	n.carry(n.lane.Publish(n.w.time(), &op{node: n, session: s}, 1))
	n.flush()
}

// over marks a session that has ended, in place of an owner.
const over = "-"

// storeOf describes a session, or its end, at the time of writing. A session that another node has is not written.
func (n *node) storeOf(s *socket) (st store, ok bool) {
	s.queued, s.stored = false, true
	if s.over {
		return store{s, s.owner, s.before, &record{owner: over}}, true
	}
	if n.sockets[s.id] != s {
		return store{}, false
	}
	m := core.Marks{Base: s.base, BaseAt: s.baseAt, Last: s.last, Place: n.at}
	switch {
	case core.IsPlace(s.last):
		m.Place = core.Further(m.Place, s.last)
	case s.last != "" && !n.lane.IsSteady():
		m.Last, m.Place = "", ""
	}
	return store{s, s.owner, s.before, &record{s.owner, n.name, s.been, maps.Clone(s.rooms), slices.Clone(s.former), m}}, true
}

func (n *node) answered(stores []store, replies []int) {
	for i, st := range stores {
		s := st.socket
		if replies[i] == 0 && n.sockets[s.id] == s {
			n.w.note("%s gives %s up, which it may not store", n.name, s.id)
			n.end(s)
		}
		s.owned = s.owned || replies[i] != 0 && st.owner == s.owner
		if replies[i] == 2 && nodeOf(s.before) != n.name { // a failover has lost the takeover
			n.carry(n.lane.Publish(n.w.time(), &op{node: n, taken: s.id}, 1))
		}
	}
}

// end ends a node's socket of a session.
func (n *node) end(s *socket) {
	delete(n.sockets, s.id)
	if s.client.socket == s {
		s.client.lose()
	}
}

// kept is called when a store has been carried out.
func (n *node) kept(s *socket, alone bool) {
	s.waiting--
	switch {
	case n.sockets[s.id] != s:
	case alone && s.changed && s.stored:
		n.w.note("%s disowns %s", n.name, s.id)
		n.end(s)
		s.over = true
		n.keep(s, false)
	case !alone:
		s.changed = s.changed && s.waiting > 0
		if !s.changed {
			s.tell()
		}
	}
}

// tell tells a client what has been stored.
func (s *socket) tell() {
	for _, told := range s.pending {
		if s.client.socket == s {
			told()
		}
	}
	s.pending = nil
}

// storeAgain stores sessions that stood beside entries that the broker has lost.
func (n *node) storeAgain(lost []*op) {
	for _, o := range lost {
		if o == nil {
			continue
		}
		id := o.taken
		if o.session != nil {
			id = o.session.id
		}
		if s := n.sockets[id]; s != nil && o.node == n {
			n.within(func() { n.keep(s, true) })
		}
	}
}

// takeForeign takes the entry of a takeover.
func (n *node) takeForeign(e entry) {
	n.carry(n.lane.Foreign(e.op, e.place, 1))
	if then := n.awaited[e.place]; then != nil {
		delete(n.awaited, e.place)
		then()
	}
}

// moved ends a node's socket of a session that another one has taken over.
func (n *node) moved(o *op) {
	if s := n.sockets[o.taken]; s != nil && o.node != n {
		n.end(s)
	}
}
