package cluster

import (
	"slices"
	"time"

	"gatehouse/cluster/internal/core"
	"gatehouse/namespaces"
)

// arrivals are the sessions that have come from other nodes lately. A local broadcast, such as the notice of a gap, is
// for the sessions that were at its node when it was sent. It comes back from Redis later. A session may have moved by
// then, and its former node has ended it; then the present node carries the broadcast out for that session.
type arrivals struct {
	all    []arrival // the latest last
	newest string    // where the latest was taken over
}

type arrival struct {
	id   string
	been []namespaces.Been
	at   time.Time
}

// maxBeen is how many former nodes of a session are remembered.
const maxBeen = 16

// beenAt returns the former nodes of a session that was taken over: those that were known, the one that stored it last,
// and its last owner, which may never have had the session.
func beenAt(session *namespaces.Session) []namespaces.Been {
	been := session.Been
	been[len(been)-1].Until = session.Taken
	if owner := ownerNode(session.Former); owner != been[len(been)-1].Node {
		been = append(been, namespaces.Been{Node: owner, Until: session.Taken})
	}
	return slices.Clone(been[max(0, len(been)-maxBeen):])
}

// hasBeen reports whether the former nodes that a record names can be real. The record comes from outside.
func (r *storedSession) hasBeen() bool {
	long := func(b namespaces.Been) bool { return len(b.Node) > maxUID || len(b.Until) > maxUID }
	return len(r.Been) <= maxBeen && len(r.Holder) <= maxUID && !slices.ContainsFunc(r.Been, long)
}

// areKnown reports whether the former nodes of a session are known completely back to an entry. They are not when there
// were too many of them, or when a node of an earlier release, which did not note them, stored the session.
func areKnown(been []namespaces.Been, id string) bool {
	nameless := func(b namespaces.Been) bool { return b.Node == "" }
	return len(been) < maxBeen && !slices.ContainsFunc(been, nameless) || core.Compare(id, been[0].Until) > 0
}

// wasAt reports whether a session was at a node when the node, having read the stream up to a place, sent something.
func wasAt(been []namespaces.Been, uid, read string) bool {
	return slices.ContainsFunc(been, func(b namespaces.Been) bool { return b.Node == uid && core.Compare(b.Until, read) > 0 })
}

// arrivalsFor is how long a local broadcast may be under way and still reach sessions that have moved: longer than a
// failover takes.
const arrivalsFor = 30 * time.Second

func (a *arrivals) add(session *namespaces.Session, now time.Time) {
	a.prune(now)
	a.all, a.newest = append(a.all, arrival{session.ID, session.Been, now}), session.Taken
}

func (a *arrivals) prune(now time.Time) {
	n := slices.IndexFunc(a.all, func(one arrival) bool { return now.Sub(one.at) <= arrivalsFor })
	if n < 0 {
		n = len(a.all)
	}
	clear(a.all[:n]) // append moves the rest when the array is full
	a.all = a.all[n:]
}

// from returns the sessions that were at a node when the node, having read the stream up to a place, sent something.
func (a *arrivals) from(uid, read string, now time.Time) (ids []string) {
	if core.Compare(a.newest, read) <= 0 {
		return nil // as nearly always
	}
	a.prune(now)
	for _, one := range a.all {
		if wasAt(one.been, uid, read) {
			ids = append(ids, one.id)
		}
	}
	return ids
}

// late carries out a local broadcast of another node for the sessions that have come from that node since the broadcast
// was sent.
func (a *adapter) late(l *lane, o *core.Output[*action]) {
	act := o.Body
	if !core.IsPlace(act.read) {
		return
	}
	a.holdings.mu.Lock()
	ids := a.holdings.arrivals.from(act.uid, act.read, a.node.cfg.Now())
	a.holdings.mu.Unlock()
	op := act.operation
	op.Rooms, op.Except = nil, nil
	for _, id := range ids {
		if s, ok := a.local.Session(id); ok && selectsAt(&s, &act.operation.Selection, &core.Kept[*action]{ID: o.ID, Node: act.uid}) {
			op.Rooms = append(op.Rooms, id)
		}
	}
	if len(op.Rooms) > 0 {
		_ = a.local.BroadcastAt(&op, func() { l.arrive(o.Place) }) // only queues here
	}
}
