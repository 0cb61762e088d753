package cluster

import (
	"slices"

	"gatehouse/cluster/internal/core"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Resume implements namespaces.Sessions. It reads the missed operations from the lane's log, and lets the socket enter
// between two operations of the stream: earlier ones are in the log, later ones reach the socket.
func (s sessions) Resume(session *namespaces.Session, offset string, enter func([]packet.Packet, bool)) {
	l, done, end := s.a.lane(), make(chan struct{}), 0
	l.input(func() []core.Output[*action] {
		end = l.core.Log().End()
		return []core.Output[*action]{{Do: core.Deliver, Body: &action{direct: func() {
			defer close(done)
			missed, ok := s.a.replay(session, offset, end)
			s.a.own(session)
			enter(missed, ok)
		}}}}
	})
	<-done // carrying out never waits for the network
}

// own makes this node the owner of a session that it has taken over.
func (a *adapter) own(session *namespaces.Session) {
	a.holdings.mu.Lock()
	defer a.holdings.mu.Unlock()
	one := a.holdings.add(a, session.ID, session.Owner)
	one.stored, one.named, one.former, one.been = true, true, session.Former, session.Been
	a.holdings.arrivals.add(session, a.node.cfg.Now())
}

// replay returns the events for a session behind an offset, and applies the changes of its rooms that the record lacks.
// It returns false when the events are not known any more, or the session was ended.
func (a *adapter) replay(session *namespaces.Session, offset string, end int) (missed []packet.Packet, ok bool) {
	log, ok := a.begin(session, offset, end)
	if !ok {
		return nil, false
	}
	for i := range log.Log {
		k := &log.Log[i]
		act := a.actionOf(k)
		if act == nil {
			continue
		}
		if !log.Has(i) {
			if p := a.sent(session, act, k); p != nil {
				if p.Offset == lostOffset {
					return nil, false
				}
				missed = append(missed, *p)
			}
		}
		if !k.Before(session.Place) && !a.moved(session, act, k) {
			return nil, false
		}
	}
	return missed, true
}

// begin returns the part of the log that matters for a session, and which of it its client has got.
func (a *adapter) begin(session *namespaces.Session, offset string, end int) (missed core.Missed[*action], ok bool) {
	l := a.lane()
	l.mu.Lock()
	defer l.mu.Unlock()
	m := core.Marks{Base: session.Base, BaseAt: session.BaseAt, Last: session.Last, Place: session.Place, Floor: session.Floor}
	missed, ok = l.core.Missed(m, offset, end)
	if !ok || l.core.IsAhead() {
		return missed, false
	}
	if missed.At != nil && a.selected(session, a.actionOf(missed.At), missed.At) == nil {
		return missed, false // the client was in a room that the record does not have
	}
	session.Base, session.BaseAt = offset, missed.Start
	return missed, true
}

// actionOf returns the action of a log entry for the namespace, or nil. It is called where actions are carried out.
func (a *adapter) actionOf(k *core.Kept[*action]) *action {
	act := k.Body
	if act == nil || act.namespace != a.name {
		return nil
	}
	if act.kind == 0 && act.raw != nil { // the namespace was not there when the operation came
		decoded, err := decodeAction(*act.raw, a.node.cfg.Packet)
		if err != nil {
			decoded = &action{namespace: a.name}
		}
		*act = *decoded
	}
	return act
}

// lostOffset marks an event of the node that the session may or may not have got.
const lostOffset = "?"

// sent returns the event of an entry, with its offset, if a session was sent it.
func (a *adapter) sent(session *namespaces.Session, act *action, k *core.Kept[*action]) *packet.Packet {
	if act.request != "" || act.operation.Flags&namespaces.Volatile != 0 {
		return nil
	}
	if p := a.selected(session, act, k); p != nil {
		kept := *p
		kept.Offset = k.ID
		if act.kind == typeLocal && !wasAt(session.Been, act.uid, act.read) {
			if areKnown(session.Been, k.ID) {
				return nil
			}
			kept.Offset = lostOffset
		}
		return &kept
	}
	return nil
}

// selected returns the event of an entry if it selects a session.
func (a *adapter) selected(session *namespaces.Session, act *action, k *core.Kept[*action]) *packet.Packet {
	if act == nil || act.kind != typeBroadcast && act.kind != typeLocal || !selectsAt(session, &act.operation.Selection, k) {
		return nil
	}
	return &act.operation.Packet
}

// selectsAt reports whether a selection fitted a session when an entry was carried out.
func selectsAt(session *namespaces.Session, sel *namespaces.Selection, k *core.Kept[*action]) bool {
	in := func(room string) bool { return isIn(session, room, k) }
	return (len(sel.Rooms) == 0 || slices.ContainsFunc(sel.Rooms, in)) && !slices.ContainsFunc(sel.Except, in)
}

// isIn reports whether a session was in a room when an entry was carried out.
func isIn(session *namespaces.Session, room string, k *core.Kept[*action]) bool {
	if session.Named(room) {
		return true
	}
	return slices.ContainsFunc(session.Stays, func(stay namespaces.Stay) bool {
		if stay.Room != room || k.Before(stay.From) {
			return false
		}
		return !stay.Left || k.Before(stay.To) || core.IsPlace(stay.Sent) && core.Compare(k.ID, stay.Sent) <= 0
	})
}

// moved changes the rooms of a session by an entry. It returns false when the entry ends the session.
func (a *adapter) moved(session *namespaces.Session, act *action, k *core.Kept[*action]) bool {
	if act.kind != typeJoin && act.kind != typeLeave && act.kind != typeDisconnect || !selectsAt(session, &act.operation.Selection, k) {
		return true
	}
	for _, room := range act.change.Leave {
		session.Leave(room, k.ID)
	}
	for _, room := range act.change.Join {
		session.Join(room, k.ID)
	}
	return act.kind != typeDisconnect
}
