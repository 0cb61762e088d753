package core

import (
	"slices"
	"time"
)

// Questions are those that this node has asked other nodes and that have not been settled. It is not safe for concurrent
// use.
type Questions struct {
	open map[string]*question
}

type question struct {
	deadline time.Time
	awaited  map[string]struct{} // nodes
	gone     []string            // nodes that have gone before they answered
	unnamed  int                 // how many answers of nodes that do not announce themselves, such as Node's servers, are awaited
}

// Settled is a question that no node will answer any more.
type Settled struct {
	ID     string
	Lost   []string // the nodes that are gone or late, sorted
	Silent int      // how many nodes without a name did not answer
}

// NewQuestions returns an empty list.
func NewQuestions() *Questions { return &Questions{open: make(map[string]*question)} }

// Ask notes a question to nodes that are there, and to a number of servers without a name. It reports whether there is
// anybody to wait for.
func (q *Questions) Ask(id string, deadline time.Time, nodes []string, unnamed int) bool {
	if len(nodes) == 0 && unnamed <= 0 {
		return false
	}
	a := &question{deadline: deadline, awaited: make(map[string]struct{}, len(nodes)), unnamed: max(unnamed, 0)}
	for _, node := range nodes {
		a.awaited[node] = struct{}{}
	}
	q.open[id] = a
	return true
}

// Answered takes a node's last answer to a question.
func (q *Questions) Answered(id, node string) []Settled {
	a := q.open[id]
	if a == nil {
		return nil
	}
	if _, named := a.awaited[node]; named {
		delete(a.awaited, node)
	} else if a.unnamed > 0 {
		a.unnamed--
	}
	return q.settle(id, a)
}

// Gone removes a node that is not there any more: no question waits for it.
func (q *Questions) Gone(node string) []Settled {
	var settled []Settled
	for _, id := range q.ids() {
		a := q.open[id]
		if _, ok := a.awaited[node]; ok {
			delete(a.awaited, node)
			a.gone = append(a.gone, node)
			settled = append(settled, q.settle(id, a)...)
		}
	}
	return settled
}

// GiveUp settles a question whose asker does not wait any longer.
func (q *Questions) GiveUp(id string) []Settled {
	a := q.open[id]
	if a == nil {
		return nil
	}
	return q.lapse(id, a)
}

// Forget drops a question whose asker has gone.
func (q *Questions) Forget(id string) { delete(q.open, id) }

// Tick settles the questions whose time is over.
func (q *Questions) Tick(now time.Time) []Settled {
	var settled []Settled
	for _, id := range q.ids() {
		if a := q.open[id]; !now.Before(a.deadline) {
			settled = append(settled, q.lapse(id, a)...)
		}
	}
	return settled
}

// lapse ends a question without its missing answers.
func (q *Questions) lapse(id string, a *question) []Settled {
	for node := range a.awaited {
		a.gone = append(a.gone, node)
	}
	silent := a.unnamed
	a.awaited, a.unnamed = nil, 0
	s := q.settle(id, a)
	s[0].Silent = silent
	return s
}

// settle ends a question that awaits nobody.
func (q *Questions) settle(id string, a *question) []Settled {
	if len(a.awaited) > 0 || a.unnamed > 0 {
		return nil
	}
	delete(q.open, id)
	slices.Sort(a.gone)
	return []Settled{{ID: id, Lost: a.gone}}
}

// ids returns the open questions in a fixed order.
func (q *Questions) ids() []string {
	ids := make([]string, 0, len(q.open))
	for id := range q.open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
