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
type arrivals []arrival

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
	return been[max(0, len(been)-maxBeen):]
}

// wasAt reports whether a session was at a node when the node, having read the stream up to a place, sent something.
func wasAt(been []namespaces.Been, uid, read string) bool {
	return slices.ContainsFunc(been, func(b namespaces.Been) bool { return b.Node == uid && core.Compare(b.Until, read) > 0 })
}

// arrivalsFor is how long a local broadcast may be under way and still reach sessions that have moved: longer than a
// failover takes.
const arrivalsFor = 30 * time.Second

func (all *arrivals) add(session *namespaces.Session, now time.Time) {
	gone := slices.IndexFunc(*all, func(one arrival) bool { return now.Sub(one.at) <= arrivalsFor })
	if gone < 0 {
		gone = len(*all)
	}
	*all = append(slices.Delete(*all, 0, gone), arrival{session.ID, session.Been, now})
}

// from returns the sessions that were at a node when the node, having read the stream up to a place, sent something.
func (all arrivals) from(uid, read string) (ids []string) {
	for _, one := range all {
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
	ids := a.holdings.arrivals.from(act.uid, act.read)
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
