package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"sync"
	"time"

	"gatehouse/cluster/internal/core"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// waitForLocal waits for the sockets of this node.
type waitForLocal = func(ctx context.Context) error

// asking holds the open questions of this node, and the other nodes.
type asking struct {
	greet chan struct{} // holds a token when a new node is there

	mu         sync.Mutex // guards what follows
	members    *core.Members
	cannotHear bool
	infos      map[string]NodeInfo
	questions  *core.Questions
	open       map[string]*asked
}

// asked is a question of this node.
type asked struct {
	to      namespaces.Replies     // takes acknowledgements and answers
	sockets chan []namespaces.Info // of descriptions
	awaited map[string]int         // acknowledgements that each node will still send, once it has said so
	done    chan core.Settled      // takes one

	nameless int // how many of Node's servers, which have no name, will still send some
}

const maxMembers = 1024 // how many nodes; a cluster does not have more

func (q *asking) init() {
	q.greet = make(chan struct{}, 1)
	q.members, q.questions = core.NewMembers(memberLimit), core.NewQuestions()
	q.infos, q.open = make(map[string]NodeInfo), make(map[string]*asked)
}

// hello notes a sign of life; it reports whether the node is new.
func (q *asking) hello(info NodeInfo) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	old, known := q.infos[info.ID]
	if known && info.Beat <= old.Beat || !known && len(q.infos) >= maxMembers {
		return false
	}
	q.infos[info.ID] = info
	if q.members.Heard(info.Heard, info.ID) {
		q.sayHello()
		return true
	}
	return false
}

// sayHello makes the next sign of life go out at once.
func (q *asking) sayHello() {
	select {
	case q.greet <- struct{}{}:
	default:
	}
}

// bye removes a node that leaves; it reports whether it was there.
func (q *asking) bye(uid string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	left := q.members.Left(uid)
	if left {
		q.goneLocked(uid)
	}
	return left
}

func (q *asking) goneLocked(uid string) {
	q.settleLocked(q.questions.Gone(uid)) // names it
	delete(q.infos, uid)
}

// deaf notes whether heartbeats can be heard. While they cannot, no node counts as gone.
func (q *asking) deaf(yes bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.cannotHear != yes {
		q.cannotHear = yes
		q.members.Resume(time.Now())
	}
}

func (q *asking) tick(now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.cannotHear {
		for _, uid := range q.members.Tick(now) {
			q.goneLocked(uid)
		}
	}
	q.settleLocked(q.questions.Tick(now))
}

func (q *asking) nodes() []NodeInfo {
	q.mu.Lock()
	defer q.mu.Unlock()
	infos := make([]NodeInfo, 0, len(q.infos))
	for _, uid := range q.members.Nodes() {
		infos = append(infos, q.infos[uid])
	}
	return infos
}

// node returns a node's own description, if it is there.
func (q *asking) node(uid string) (NodeInfo, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	info, ok := q.infos[uid]
	return info, ok
}

// settleLocked ends questions that nobody will answer any more.
func (q *asking) settleLocked(settled []core.Settled) {
	for _, s := range settled {
		if a := q.open[s.ID]; a != nil {
			delete(q.open, s.ID)
			for i, uid := range s.Lost {
				if info, ok := q.infos[uid]; ok && info.Name != "" {
					s.Lost[i] = info.Name
				}
			}
			a.done <- s
		}
	}
}

// begin notes a question to all nodes and to a number of Node's servers. It returns false when there are none.
func (q *asking) begin(ctx context.Context, a *asked, unnamed int) (id string, ok bool) {
	deadline, limited := ctx.Deadline()
	if !limited {
		deadline = time.Now().Add(defaultDeadline)
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	id = hex.EncodeToString(b[:])
	a.done, a.awaited = make(chan core.Settled, 1), make(map[string]int)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.questions.Ask(id, deadline, q.members.Nodes(), unnamed) {
		return id, false
	}
	q.open[id] = a
	return id, true
}

const defaultDeadline = 5 * time.Second // as Node's adapters have it

// giveUp ends a question whose time is over: nodes that have not answered are lost.
func (q *asking) giveUp(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settleLocked(q.questions.GiveUp(id))
}

// end forgets a question.
func (q *asking) end(id string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.questions.Forget(id)
	delete(q.open, id)
}

// isOpen reports whether answers to a question are still taken.
func (q *asking) isOpen(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.open[id] != nil
}

// answer takes another node's answer to a question of this one.
func (q *asking) answer(m letter, l packet.Limits) error {
	d := m.body
	id, err := d.text(fieldRequest)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	a := q.open[id]
	if a == nil {
		return nil // too late
	}
	switch m.kind {
	case typeFetched:
		return q.fetchedLocked(id, a, m, d)
	case typeServerAnswer:
		return q.answeredLocked(id, a, m, d, l)
	case typeCount:
		return q.countedLocked(id, a, m, d)
	case typeAck:
		return q.ackedLocked(id, a, m, d, l)
	case typeSettled:
		q.settleLocked(q.questions.Answered(id, m.uid))
	}
	return nil
}

// remote is the description of a socket by its node.
type remote struct {
	ID        string              `json:"id"`
	Handshake json.RawMessage     `json:"handshake"`
	Rooms     []string            `json:"rooms"`
	Data      json.RawMessage     `json:"data"`
	Identity  *handshake.Identity `json:"identity,omitempty"` // not from Node's servers
}

func (q *asking) fetchedLocked(id string, a *asked, m letter, d data) error {
	var sockets []remote
	if err := d.value(fieldSockets, &sockets); err != nil {
		return err
	}
	if a.sockets != nil {
		infos := make([]namespaces.Info, len(sockets))
		for i, s := range sockets {
			infos[i] = namespaces.Info{ID: s.ID, Rooms: s.Rooms}
			if s.Identity != nil {
				infos[i].Identity = *s.Identity
			} else {
				infos[i].Handshake, infos[i].Data = s.Handshake, s.Data
			}
		}
		select {
		case a.sockets <- infos:
		default:
			return nil // more answers than nodes
		}
	}
	q.settleLocked(q.questions.Answered(id, m.uid))
	return nil
}

func (q *asking) answeredLocked(id string, a *asked, m letter, d data, l packet.Limits) error {
	args, err := d.reply(l)
	if err != nil {
		return err
	}
	if a.to != nil {
		a.to.Expect(1)
		a.to.Reply(namespaces.Reply{Args: args})
	}
	q.settleLocked(q.questions.Answered(id, m.uid))
	return nil
}

func (q *asking) countedLocked(id string, a *asked, m letter, d data) error {
	var n int
	if err := d.value(fieldCount, &n); err != nil || n < 0 || n > 1<<24 {
		return errMessage
	}
	if _, again := a.awaited[m.uid]; again && m.uid != "" || a.to == nil {
		return nil
	}
	a.to.Expect(n)
	if n == 0 {
		q.settleLocked(q.questions.Answered(id, m.uid))
		return nil
	}
	a.awaited[m.uid] += n
	if m.uid == "" {
		a.nameless++
	}
	return nil
}

func (q *asking) ackedLocked(id string, a *asked, m letter, d data, l packet.Limits) error {
	if a.awaited[m.uid] == 0 {
		return nil // was not announced
	}
	args, err := d.reply(l)
	if err != nil {
		return err
	}
	r := namespaces.Reply{Args: args}
	if d.has(fieldSocket) {
		if r.Socket, err = d.text(fieldSocket); err != nil {
			return err
		}
	}
	a.awaited[m.uid]--
	a.to.Reply(r)
	if a.awaited[m.uid] > 0 {
		return nil
	}
	nodes := 1
	if m.uid == "" { // it is not known which nodes these acknowledgements came from, but now all have come
		nodes, a.nameless = a.nameless, 0
	}
	for range nodes {
		q.settleLocked(q.questions.Answered(id, m.uid))
	}
	return nil
}

// reply reads the arguments of an answer. Node's servers send the first one only; Gatehouse's send the others
// besides.
func (d data) reply(l packet.Limits) (packet.Args, error) {
	values := [][]byte{}
	if first, ok := d.fields[fieldPacket]; ok {
		values = append(values, first)
	}
	if rest, ok := d.fields[fieldRest]; ok && d.packed {
		more, err := elements(rest)
		if err != nil {
			return packet.Args{}, err
		}
		values = append(values, more...)
	}
	return d.args(l, values...)
}
