package relay

import (
	"context"
	"encoding/json"
	"slices"

	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// This file has the requests of a back end through its own interface. The rules about clients do not bind a back end,
// but those about the names of rooms do.

// RoomName returns the form of a room's name in which rooms are joined. The id of a
// socket stands for itself.
func (r *Relay) RoomName(name string) (string, error) {
	if likeSocketID(name) {
		return name, nil
	}
	return canonical(name)
}

// UserRoom is the room that all sockets of a user are in. It is for the server only:
// clients can neither name nor see it.
func (r *Relay) UserRoom(user string) string { return hiddenRoom(user) }

// rule is the configuration of a room.
func (r *Relay) rule(namespace, room string) (rule RoomRule, ok bool) {
	found, err := r.Policy().Room(&Facts{Namespace: namespace}, room)
	if err != nil {
		return rule, false
	}
	return found.Rule(), true
}

// Remembers reports whether a room has a history.
func (r *Relay) Remembers(namespace, room string) bool {
	rule, ok := r.rule(namespace, room)
	return ok && rule.History.On()
}

// Publish sends an event to a room and keeps it there, in one step. Data is the one argument of args, with placeholders
// for its attachments; about is the meta that follows it.
func (r *Relay) Publish(ctx context.Context, ns *namespaces.Namespace, room, event string, data json.RawMessage, args packet.Args, about any) error {
	rule, _ := r.rule(ns.Name(), room)
	return r.publish(ctx, ns, nil, room, rule.History, sendRequest{Event: event, Data: data}, args, about)
}

// Members returns users of a room, on all nodes, in the order of their names: at most limit of those after the name
// after. ok is false when the room does not tell who is there.
func (r *Relay) Members(ctx context.Context, ns *namespaces.Namespace, room, after string, limit int) (members []presence.Member, count int, more, ok bool) {
	rule, _ := r.rule(ns.Name(), room)
	if !rule.Presence {
		return nil, 0, false, false
	}
	members, count, more = r.present(ctx, ns, room, after, limit)
	return members, count, more, true
}

// History reads the events that a room remembers. ok is false when the room has no history.
func (r *Relay) History(ctx context.Context, namespace, room string, q history.Query) (page history.Page, ok bool, err error) {
	rule, _ := r.rule(namespace, room)
	if !rule.History.On() {
		return page, false, nil
	}
	page, err = r.history.Read(ctx, namespace+"\x00"+room, rule.History.limits(), q)
	return page, true, err
}

// Move takes a socket of this node out of rooms and puts it into others.
func (r *Relay) Move(s *namespaces.Socket, leave, join []string) error {
	for _, room := range leave {
		r.leaveRoom(context.Background(), s, room)
	}
	if err := r.joinRoom(context.Background(), s, join...); err != nil {
		return err
	}
	for _, room := range join {
		if rule, _ := r.rule(s.Namespace().Name(), room); rule.Presence {
			r.tracker.Enter(key(s, room), r.describe(s), s.ID())
		}
	}
	return nil
}

// moved moves a socket of this node for a broadcast of any node. Presence follows on a goroutine of its own: an adapter
// may deliver on the goroutine of a caller whose presence is being told, and which holds the tracker.
func (r *Relay) moved(s *namespaces.Socket, leave, join []string) {
	leave = slices.DeleteFunc(slices.Clone(leave), func(room string) bool { return !s.Joined(room) })
	s.Leave(leave...)
	r.count(context.Background(), s, leave, -1)
	_ = r.joinRoom(context.Background(), s, join...) // fails for a socket that ends, or is in too many
	r.settling.Go(func() {
		for _, room := range slices.Concat(leave, join) {
			r.settle(s, room)
		}
	})
}

// settle brings presence up to date with a socket, which others may change meanwhile.
func (r *Relay) settle(s *namespaces.Socket, room string) {
	inside := func() bool {
		now, here := s.Namespace().Socket(s.ID()) // another socket, when the client has come back
		return here && now.Connected() && now.Joined(room)
	}
	for {
		in := inside()
		rule, _ := r.rule(s.Namespace().Name(), room)
		switch {
		case in && rule.Presence:
			r.tracker.Enter(key(s, room), r.describe(s), s.ID())
		case !in: // also without the rule: there may have been another rule when the socket came
			r.tracker.Leave(key(s, room), s.Identity().User(), s.ID(), true)
		}
		if inside() == in {
			return
		}
	}
}
