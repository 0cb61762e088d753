package chat

import (
	"context"
	"strconv"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

func (c *chat) join(ctx context.Context, s *namespaces.Socket, in joinRequest) (packet.Args, error) {
	if err := checkRoom(in.Room); err != nil {
		return packet.Args{}, err
	}
	if err := c.cfg.MayJoin(ctx, s.Identity(), in.Room); err != nil {
		return packet.Args{}, err
	}
	at := seatOf(s)
	charged, err := at.account.awaitJoin(ctx, &c.cfg)
	if err != nil {
		return packet.Args{}, err
	}
	out, err := c.joinRoom(ctx, at, s, in)
	at.account.settleJoin(&c.cfg, charged, c.joinCost(out))
	return out.answer, err
}

// entrance is a join that is done, or the zero value.
type entrance struct {
	count  int         // users in the room
	answer packet.Args // joined
}

// joinCost returns how many bytes a join counts for; 0 when it failed.
func (c *chat) joinCost(e entrance) int {
	if e.count == 0 {
		return 0
	}
	return joinWeight + announceWeight*min(e.count, c.cfg.QuietAbove) + e.answer.Size()
}

func (c *chat) joinRoom(ctx context.Context, at *seat, s *namespaces.Socket, in joinRequest) (entrance, error) {
	at.mu.Lock()
	defer at.mu.Unlock()
	for {
		r, err := c.rooms.obtain(in.Room, at.account)
		if err != nil {
			return entrance{}, err
		}
		out, ok, err := c.enter(ctx, r, s, in.Since)
		if !ok {
			continue // the room was forgotten meanwhile: make it anew
		}
		if err == nil {
			at.rooms.put(r)
		}
		if out.count == 1 || c.ns.Shared() != nil {
			c.rooms.settle(r)
		}
		return out, err
	}
}

// enter is the one step of joining and reading the history. Messages are sent under the same lock.
func (c *chat) enter(ctx context.Context, r *room, s *namespaces.Socket, since string) (out entrance, ok bool, err error) {
	if shared := c.ns.Shared(); shared != nil {
		return c.enterShared(ctx, shared, r, s, since)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forgotten {
		return entrance{}, false, nil
	}
	at := seatOf(s)
	again := at.rooms.get(r.name) == r && s.Joined(key(r.name))
	if err := s.Join(key(r.name)); err != nil {
		return entrance{}, true, joinError(err)
	}
	u := c.userOf(s)
	if r.members.add(u, s.ID()) && r.members.len() <= c.cfg.QuietAbove {
		_ = s.To(key(r.name)).Emit("member:joined", membership{r.name, u.User, u.Name})
	}
	var history []post
	complete := true
	if !again || since != "" { // else this socket has everything already
		history, complete = r.history.since(since)
	}
	return entrance{r.members.len(), answerJoin(r.members.len(), r.members.first(), history, complete)}, true, nil
}

// answerJoin writes a [joined]. Its parts are JSON already, because many joins share them.
func answerJoin(count int, members []byte, history []post, complete bool) packet.Args {
	size := len(`{"ok":true,"count":9223372036854775807,"members":[],"history":[],"complete":false}`) + len(members)
	for _, p := range history {
		size += len(p.text) + len(`,`)
	}
	b := strconv.AppendInt(append(make([]byte, 0, size), `{"ok":true,"count":`...), int64(count), 10)
	b = append(append(append(b, `,"members":[`...), members...), `],"history":[`...)
	for i, p := range history {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, p.text...)
	}
	b = strconv.AppendBool(append(b, `],"complete":`...), complete)
	return packet.Encoded(append(b, '}'))
}
