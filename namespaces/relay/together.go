package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// Where nodes share their rooms, the tracker of a node knows the users of this node only. Each change is carried to the
// store that all nodes share. A room is told when a user has come to the first node, and when the user has left the
// last.

const (
	carriers   = 64              // how many changes of presence are on their way at once
	carryAgain = time.Second     // after which a change that could not be carried is tried again
	carryStep  = 4 * time.Second // the time for one change; a join does not wait longer
)

// holder is a user in a room, as this node holds it: the present state, and the state that other nodes have been told
// about.
type holder struct {
	ns      *namespaces.Namespace
	room    string
	want    presence.Change // the last one
	replace bool            // the state has been set since it was carried last
	held    bool            // others may have it
	told    bool            // others have it
	changed bool            // want has not been carried
	done    chan struct{}   // closed when all is carried
}

// carry notes a change of presence and has it carried. The tracker is locked.
func (r *Relay) carry(ns *namespaces.Namespace, room string, c presence.Change) {
	k := holderKey(ns, room, c.Member)
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.holders[k]
	if h == nil {
		h = &holder{ns: ns, room: room}
		r.holders[k] = h
	}
	h.want, h.changed = c, true
	h.replace = h.replace || c.Kind == presence.StateSet
	if h.done == nil {
		h.done = make(chan struct{})
		r.settling.Go(func() { r.carryAll(k, h) })
	}
}

func holderKey(ns *namespaces.Namespace, room string, m presence.Member) string {
	return ns.Name() + "\x00" + room + "\x00" + sharedName(m)
}

// sharedName names a user for all nodes. The names sort like those that clients see.
func sharedName(m presence.Member) string {
	return m.User + "\x00" + fmt.Sprintf("%q %q", m.Key.Issuer, m.Key.Subject)
}

// carryAll carries the state of a user in a room, again and again until it has not changed meanwhile.
func (r *Relay) carryAll(k string, h *holder) {
	for {
		r.mu.Lock()
		if !h.changed {
			close(h.done)
			h.done = nil
			if !h.held {
				delete(r.holders, k)
			}
			r.mu.Unlock()
			return
		}
		now := *h
		h.changed, h.replace = false, false
		h.held = now.want.Kind != presence.Left
		r.mu.Unlock()
		err := r.carryOne(&now)
		r.mu.Lock()
		h.told = h.held && (h.told || err == nil)
		if err == nil {
			r.mu.Unlock()
			continue
		}
		h.changed, h.replace = h.changed || h.held, h.replace || now.replace // a release is not repeated
		r.mu.Unlock()
		select {
		case <-time.After(carryAgain):
		case <-r.ended.Done():
			return
		}
	}
}

// carryOne carries one change.
func (r *Relay) carryOne(h *holder) error {
	select {
	case r.carrying <- struct{}{}:
		defer func() { <-r.carrying }()
	case <-r.ended.Done():
		return r.ended.Err()
	}
	ctx, cancel := context.WithTimeout(r.ended, carryStep)
	defer cancel()
	shared, user := h.ns.Shared(), sharedName(h.want.Member)
	if shared == nil {
		return nil // the namespace is gone
	}
	var n int
	var turn bool
	var err error
	switch {
	case h.want.Kind != presence.Left:
		text, _ := json.Marshal(h.want.Member) // a state is JSON
		came := r.news("presence:joined", h.room, h.want.Member)
		came.Except = hiddenRoom(h.want.Member.User) // who joins has the answer to that
		n, turn, err = shared.Hold(ctx, namespaces.Holding{
			Room: h.room, User: user, Member: text, Held: h.held, Told: h.told, Replace: h.replace,
			Joined: came, Changed: r.news("presence:state", h.room, h.want.Member),
		})
	case h.held:
		n, turn, err = shared.Release(ctx, h.room, user, r.news("presence:left", h.room, h.want.Member))
	}
	if err == nil && turn && (n > r.quiet || n == r.quiet && h.want.Kind == presence.Left) {
		to := h.ns.In(h.room).Volatile()
		if h.want.Kind != presence.Left {
			to = to.Except(hiddenRoom(h.want.Member.User))
		}
		_ = to.Emit("presence:count", count{h.room, n}) // fails when the hub closes
	}
	return err
}

// news is what a room is told about a member.
func (r *Relay) news(event, room string, m presence.Member) namespaces.Announcement {
	args, _ := packet.NewArgs(change{Room: room, Member: m})
	return namespaces.Announcement{Event: event, Args: args, Quiet: r.quiet, Volatile: true}
}

// watchFound tells a room when one of its members turns out to be gone, or to be here.
func (r *Relay) watchFound(ns *namespaces.Namespace) {
	if shared := ns.Shared(); shared != nil {
		shared.OnFound(func(room string, member json.RawMessage, n int, here bool) { r.found(ns, room, member, n, here) })
	}
}

// found tells a room about a member, such as one whose node has died.
func (r *Relay) found(ns *namespaces.Namespace, room string, text json.RawMessage, n int, here bool) {
	var m presence.Member
	if json.Unmarshal(text, &m) != nil {
		return
	}
	to := ns.In(room).Volatile() // its emits fail when the hub closes
	switch {
	case here && n > r.quiet || !here && n >= r.quiet:
		_ = to.Emit("presence:count", count{room, n})
	case here:
		_ = to.Except(hiddenRoom(m.User)).Emit("presence:joined", change{Room: room, Member: m})
	default:
		_ = to.Emit("presence:left", change{Room: room, Member: m})
	}
}

// carried waits until the other nodes can see the state that a user has in a room now. It gives up when ctx ends.
func (r *Relay) carried(ctx context.Context, ns *namespaces.Namespace, room string, m presence.Member) {
	r.mu.Lock()
	var done chan struct{}
	if h := r.holders[holderKey(ns, room, m)]; h != nil {
		done = h.done
	}
	r.mu.Unlock()
	if done == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, carryStep)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
	case <-r.ended.Done():
	}
}

// present returns users of a room in the order of their names, beginning after the name after: of all nodes or, when
// the others' cannot be read, of this one.
func (r *Relay) present(ctx context.Context, ns *namespaces.Namespace, room, after string, limit int) (members []presence.Member, count int, more bool) {
	if shared := ns.Shared(); shared != nil {
		texts, count, more, err := shared.Members(ctx, room, after, limit)
		if err == nil {
			return membersOf(texts), count, more
		}
		r.log.Warn("presence is known for this node only", "namespace", ns.Label(), "cause", err)
	}
	k := ns.Name() + "\x00" + room
	members, more = r.tracker.Members(k, after, limit)
	return members, r.tracker.Count(k), more
}

func membersOf(texts []json.RawMessage) []presence.Member {
	members := make([]presence.Member, 0, len(texts))
	for _, text := range texts {
		var m presence.Member
		if json.Unmarshal(text, &m) == nil {
			members = append(members, m)
		}
	}
	return members
}

// spaceOf returns the namespace and the room that a change of presence is about; nil when no socket is left there to be
// told.
func (r *Relay) spaceOf(k string, m presence.Member) (ns *namespaces.Namespace, room string) {
	name, room, _ := strings.Cut(k, "\x00")
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.spaces[name]; one != nil {
		return one.ns, room
	}
	if h := r.holders[k+"\x00"+sharedName(m)]; h != nil {
		return h.ns, room // others are to be told
	}
	return nil, room
}
