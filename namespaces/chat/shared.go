package chat

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Where nodes share their rooms, [namespaces.Shared] keeps the rooms' messages and members. This node keeps the members
// that it has, and the limits on rooms of its users.

// shareRooms tells a room when one of its members turns out to be gone, as after the death of its node, or to be here.
func (c *chat) shareRooms() {
	shared := c.ns.Shared()
	if shared == nil {
		return
	}
	shared.OnFound(func(room string, text json.RawMessage, count int, here bool) {
		var m Member
		if json.Unmarshal(text, &m) != nil || here && count > c.cfg.QuietAbove || !here && count >= c.cfg.QuietAbove {
			return
		}
		event := "member:left"
		if here {
			event = "member:joined"
		}
		_ = c.ns.In(room).Emit(event, membership{strings.TrimPrefix(room, key("")), m.User, m.Name})
	})
}

// nameOf names a user uniquely among the users of all issuers.
func nameOf(k handshake.UserKey) string { return fmt.Sprintf("%q %q", k.Issuer, k.Subject) }

// announce makes the event that tells a room of a member.
func (c *chat) announce(event, room string, u user) namespaces.Announcement {
	args, _ := packet.NewArgs(membership{room, u.User, u.Name}) // three texts
	return namespaces.Announcement{Event: event, Args: args, Quiet: c.cfg.QuietAbove}
}

// enterShared enters a room. A user who was in it before, on another node, is not announced.
func (c *chat) enterShared(ctx context.Context, shared namespaces.Shared, r *room, s *namespaces.Socket, since string) (e entrance, ok bool, err error) {
	u, at := c.userOf(s), seatOf(s)
	counted := at.rooms.get(r.name) == r // also when somebody else has taken it out of the room
	again := counted && s.Joined(key(r.name))
	r.mu.Lock()
	if r.forgotten {
		r.mu.Unlock()
		return entrance{}, false, nil
	}
	r.members.add(u, s.ID()) // the room stays
	r.mu.Unlock()
	member, err := json.Marshal(u.Member)
	if err != nil {
		return entrance{}, true, err
	}
	telling := c.announce("member:joined", r.name, u)
	if at.moving {
		telling.Quiet = 0
	}
	found, err := shared.Enter(ctx, s, namespaces.Entrance{
		Room: key(r.name), User: nameOf(u.key), Member: member, Again: counted, Members: maxMembers, Joined: telling,
	})
	if err != nil {
		switch {
		case counted:
		case errors.Is(err, namespaces.ErrNotEntered): // leaving the room here would also take out another socket of the user
			c.takeOut(r, s)
		default:
			c.quit(ctx, r, s)
		}
		return entrance{}, true, sharedError(err)
	}
	out := joined{OK: true, Count: found.Count, Members: []Member{}, History: []Message{}, Complete: true}
	for _, text := range found.Members {
		var m Member
		if json.Unmarshal(text, &m) == nil {
			out.Members = append(out.Members, m)
		}
	}
	if !again || since != "" {
		out.History, out.Complete = after(found, since)
	}
	r.mu.Lock()
	r.users = found.Count
	r.mu.Unlock()
	e.count = found.Count
	e.answer, err = packet.NewArgs(out)
	return e, true, err
}

// reseat seats a socket that was recovered from another node, and enters it in its rooms, whose presence still names that node.
// Missed messages are not sent here: recovery replays them. A room that cannot be entered is left, and the client is told.
func (c *chat) reseat(ctx context.Context, s *namespaces.Socket) {
	c.seat(s)
	at, u := seatOf(s), c.userOf(s)
	at.mu.Lock()
	defer at.mu.Unlock()
	at.moving = true
	defer func() { at.moving = false }()
	for _, joined := range s.Rooms() {
		name, ok := strings.CutPrefix(joined, key(""))
		if !ok {
			continue
		}
		if err := c.reenter(ctx, at, name, s); err != nil {
			s.Leave(joined)
			_ = s.Emit("member:left", membership{name, u.User, u.Name})
		}
	}
}

func (c *chat) reenter(ctx context.Context, at *seat, name string, s *namespaces.Socket) error {
	shared := c.ns.Shared()
	if shared == nil {
		return namespaces.ErrNotEntered
	}
	for {
		r, err := c.rooms.obtain(name, at.account)
		if err != nil {
			return err
		}
		out, ok, err := c.enterShared(ctx, shared, r, s, "")
		if !ok {
			continue // the room was forgotten meanwhile: make it anew
		}
		at.account.settleJoin(&c.cfg, 0, c.joinCost(out))
		if err == nil {
			at.rooms.put(r)
		}
		c.rooms.settle(r)
		return err
	}
}

// after returns the messages after the one with the given id, and whether they are complete; without an id, all
// messages, and whether the room has never had others.
func after(found namespaces.Entered, since string) (messages []Message, complete bool) {
	complete = since == found.Dropped && (since != "" || !found.Cut)
	messages = make([]Message, 0, len(found.History))
	for _, record := range found.History {
		var m Message
		if json.Unmarshal(record.Value, &m) != nil {
			complete = false
			continue
		}
		messages = append(messages, m)
		if since != "" && record.ID == since {
			messages, complete = messages[:0], true
		}
	}
	return messages, complete
}

func (c *chat) exitShared(ctx context.Context, shared namespaces.Shared, r *room, s *namespaces.Socket) {
	u := c.userOf(s)
	telling := c.announce("member:left", r.name, u)
	if seatOf(s).moving {
		telling.Quiet = 0
	}
	shared.Exit(ctx, s, key(r.name), nameOf(u.key), telling)
}

func (c *chat) postShared(ctx context.Context, shared namespaces.Shared, r *room, s *namespaces.Socket, in sendRequest) (sent, error) {
	u := c.userOf(s)
	once := ""
	if n := nonceOf(u.key, in.Nonce); n != nil {
		once = hex.EncodeToString(n.user[:]) + hex.EncodeToString(n.nonce[:])
	}
	m := Message{Room: r.name, From: u.User, Name: u.Name, Text: in.Text, Nonce: in.Nonce}
	posted, err := shared.Post(ctx, namespaces.Posting{
		Room: key(r.name), Event: "message", Once: once,
		Limit: namespaces.RoomLimits{Messages: c.cfg.HistoryMessages, Bytes: c.cfg.HistoryBytes, Once: c.cfg.Nonces},
		ID: func(after string) string {
			st := c.rooms.stampAfter(after)
			m.ID, m.At = st.text(), st.at
			return m.ID
		},
		Value: func(string) (json.RawMessage, error) { return json.Marshal(m) },
	})
	if err != nil {
		return sent{}, sharedError(err)
	}
	if posted.Again {
		if err := json.Unmarshal(posted.Value, &m); err != nil {
			return sent{}, err
		}
	}
	return sent{true, m.ID, m.At}, nil
}

// stampAfter returns the id of the next message, which comes after one that another node has given out.
func (rs *rooms) stampAfter(after string) stamp {
	if last, err := strconv.ParseUint(after, 16, 64); err == nil {
		rs.ids.Lock()
		rs.id = max(rs.id, last)
		rs.ids.Unlock()
	}
	return rs.stamp()
}

// sharedError tells a client that the rooms cannot be reached.
func sharedError(err error) error {
	if known, ok := joinRefusal(err); ok {
		return known
	}
	return &handshake.Refusal{
		Code: handshake.CodeUnavailable, Message: "The room cannot be reached; try again in a moment.", RetryAfter: time.Second, Cause: err,
	}
}
