package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"time"

	"gatehouse/handshake"
	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// Requests of clients and their answers. Each answer has {ok: true} in it.
type (
	joinRequest struct {
		Room  string            `json:"room"`
		Since *history.Position `json:"since,omitempty"`
	}
	joined struct {
		OK       bool              `json:"ok" typed:"true"`
		Count    *int              `json:"count,omitempty"`
		Members  []presence.Member `json:"members,omitempty"`
		History  []entry           `json:"history,omitempty"`
		Position *history.Position `json:"position,omitempty"`
		Complete *bool             `json:"complete,omitempty"`
	}
	leaveRequest struct {
		Room string `json:"room"`
	}
	sendRequest struct {
		Room     string          `json:"room"`
		Event    string          `json:"event"`
		Data     json.RawMessage `json:"data,omitempty"`
		Nonce    string          `json:"nonce,omitempty"`
		Volatile bool            `json:"volatile,omitempty"`
	}
	sent struct {
		OK bool   `json:"ok" typed:"true"`
		ID string `json:"id"`
	}
	stateRequest struct {
		Room  string          `json:"room"`
		State json.RawMessage `json:"state"`
	}
	membersRequest struct {
		Room  string `json:"room"`
		After string `json:"after,omitempty"`
	}
	membersReply struct {
		OK      bool              `json:"ok" typed:"true"`
		Count   int               `json:"count"`
		Members []presence.Member `json:"members"`
		More    bool              `json:"more"`
	}
	readRequest struct {
		Room   string            `json:"room"`
		Since  *history.Position `json:"since,omitempty"`
		Before uint64            `json:"before,omitempty"`
		Limit  int               `json:"limit,omitempty"`
	}
	readReply struct {
		OK       bool             `json:"ok" typed:"true"`
		Entries  []entry          `json:"entries"`
		Position history.Position `json:"position"`
		Complete bool             `json:"complete"`
	}
	// entry is what a room remembers, as clients get it: the arguments that they
	// would have received.
	entry struct {
		Offset uint64          `json:"offset"`
		Event  string          `json:"event"`
		Data   any             `json:"data"`
		Meta   json.RawMessage `json:"meta"`
	}
	// meta says who sent something; the server fills it in.
	meta struct {
		Room string `json:"room,omitempty"`
		From string `json:"from"`
		Name string `json:"name"`
		ID   string `json:"id"`
		At   int64  `json:"at"` // milliseconds since 1970
	}
)

const (
	mostMembers  = 100  // of one page
	longestState = 1024 // how many bytes a presence state may have (1 KiB)
	longestNonce = 64
)

func (r *Relay) meta(s *namespaces.Socket, room string) meta {
	id := s.Identity()
	return meta{Room: room, From: r.naming.Call(id.User()), Name: id.Name, ID: rand.Text(), At: time.Now().UnixMilli()}
}

// room finds the rule about a room that a client names.
func (r *Relay) room(f *Facts, name string) (Room, error) {
	room, err := r.Policy().Room(f, name)
	switch {
	case errors.Is(err, ErrNoRule):
		return room, namespaces.Forbidden("No rule opens this room.")
	case err != nil:
		return room, namespaces.BadRequest(err.Error())
	}
	return room, nil
}

func (r *Relay) join(ctx context.Context, s *namespaces.Socket, in joinRequest) (joined, error) {
	f := memberOf(s).facts(s)
	room, err := r.room(f, in.Room)
	if err != nil {
		return joined{}, err
	}
	allowed, err := room.MayJoin(f)
	if err != nil {
		r.failed(s, err)
	}
	if !allowed {
		return joined{}, namespaces.Forbidden("You may not join this room.")
	}
	again := s.Joined(room.Name)
	answer := joined{OK: true}
	if err := r.joinAndRead(ctx, s, room, in.Since, again, &answer); err != nil {
		return joined{}, err
	}
	if room.Rule().Presence {
		who := r.describe(s)
		r.tracker.Enter(key(s, room.Name), who, s.ID())
		r.carried(ctx, s.Namespace(), room.Name, who)
		members, n, _ := r.present(ctx, s.Namespace(), room.Name, "", mostMembers)
		answer.Members, answer.Count = members, &n
	}
	return answer, nil
}

// joinAndRead joins a room and reads its history in one step: between the two no message is missing, and none
// comes twice. A repeated join reads nothing unless it says since when.
func (r *Relay) joinAndRead(ctx context.Context, s *namespaces.Socket, room Room, since *history.Position, again bool, answer *joined) error {
	line := r.line(key(s, room.Name))
	line.Lock()
	defer line.Unlock()
	if err := r.joinRoom(ctx, s, room.Name); err != nil {
		if errors.Is(err, namespaces.ErrTooManyRooms) {
			return &namespaces.Error{Code: "too_many_rooms", Message: "You are in as many rooms as one connection may be in.", Cause: err}
		}
		return err
	}
	rule := room.Rule().History
	if !rule.On() || again && since == nil {
		return nil
	}
	page, err := r.history.Read(ctx, key(s, room.Name), rule.limits(), history.Query{Since: since})
	if err != nil {
		return unavailable(err)
	}
	entries, err := entriesOf(page)
	if err != nil {
		return err
	}
	answer.History, answer.Position, answer.Complete = entries, &page.Position, &page.Complete
	return nil
}

func (h HistoryRule) limits() history.Limits {
	return history.Limits{Messages: h.Messages, Bytes: int(h.Bytes), Age: h.Age}
}

func unavailable(cause error) error {
	return &handshake.Refusal{Code: handshake.CodeUnavailable, Message: "What the room remembers cannot be reached; try again in a moment.", RetryAfter: time.Second, Cause: cause}
}

// entriesOf makes entries as clients get them.
func entriesOf(page history.Page) ([]entry, error) {
	entries := make([]entry, len(page.Entries))
	for i, e := range page.Entries {
		entries[i] = entry{Offset: e.Offset, Event: e.Event, Data: e.Data, Meta: e.Meta}
		if len(e.Attachments) == 0 {
			continue
		}
		args, err := packet.ParseArgs([]json.RawMessage{e.Data}, e.Attachments, packet.Limits{})
		if err == nil {
			err = args.Decode(0, &entries[i].Data) // binary parts are numbered anew, through all entries
		}
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}

func (r *Relay) describe(s *namespaces.Socket) presence.Member {
	id := s.Identity()
	return presence.Member{Key: id.User(), User: r.naming.Call(id.User()), Name: id.Name}
}

func (r *Relay) leave(ctx context.Context, s *namespaces.Socket, in leaveRequest) (namespaces.None, error) {
	room, err := r.room(memberOf(s).facts(s), in.Room)
	if err != nil {
		return namespaces.None{}, err
	}
	r.leaveRoom(ctx, s, room.Name)
	return namespaces.None{}, nil
}

func (r *Relay) send(ctx context.Context, s *namespaces.Socket, args packet.Args) (sent, error) {
	in, data, err := sendRequestOf(args)
	if err != nil {
		return sent{}, err
	}
	m := memberOf(s)
	f := m.facts(s)
	room, err := r.room(f, in.Room)
	if err != nil {
		return sent{}, err
	}
	f.Event = in.Event
	allowed, err := room.maySend(f)
	if err != nil {
		r.failed(s, err)
	}
	if !allowed {
		return sent{}, namespaces.Forbidden("You may not send this to the room.")
	}
	if id, ok := m.answered(room.Name, in.Nonce); ok {
		return sent{true, id}, nil
	}
	if err := r.charge(ctx, s, room.rule.meter, room.Rule().Limits, room.Name, in.Event, size(args)); err != nil {
		return sent{}, err
	}
	about := r.meta(s, room.Name)
	if err := r.publish(ctx, s.Namespace(), s, room.Name, room.Rule().History, in, data, about); err != nil {
		return sent{}, err
	}
	m.answer(room.Name, in.Nonce, about.ID)
	return sent{true, about.ID}, nil
}

// sendRequestOf reads the argument of room:send. Its binary parts stay where they
// are: those of data.
func sendRequestOf(args packet.Args) (sendRequest, packet.Args, error) {
	var in sendRequest
	if err := json.Unmarshal(args.Raw(0), &in); err != nil {
		return in, packet.Args{}, &namespaces.Error{Code: namespaces.CodeBadRequest, Message: "This event takes {room, event, data}.", Cause: err}
	}
	if len(in.Nonce) > longestNonce {
		return in, packet.Args{}, namespaces.BadRequest("A nonce has at most 64 bytes.")
	}
	if err := namespaces.CheckEvent(in.Event); err != nil {
		return in, packet.Args{}, namespaces.BadRequest("This is no name of an event that may be sent.")
	}
	if in.Data == nil {
		in.Data = json.RawMessage("null")
	}
	data, err := packet.ParseArgs([]json.RawMessage{in.Data}, args.Attachments(), packet.Limits{})
	if err != nil {
		return in, data, &namespaces.Error{Code: namespaces.CodeBadRequest, Message: "Binary may be in data only.", Cause: err}
	}
	return in, data, nil
}

// publish sends an event to a room and remembers it, in one step. by is the socket that asked for it, or nil.
func (r *Relay) publish(ctx context.Context, ns *namespaces.Namespace, by *namespaces.Socket, room string, rule HistoryRule, in sendRequest, data packet.Args, about any) error {
	k := ns.Name() + "\x00" + room
	line := r.line(k)
	line.Lock()
	defer line.Unlock()
	if rule.On() && !in.Volatile {
		text, err := json.Marshal(about)
		if err != nil {
			return err
		}
		e := history.Entry{Event: in.Event, Data: in.Data, Attachments: data.Attachments(), Meta: text}
		if _, err := r.history.Append(ctx, k, rule.limits(), e); err != nil {
			return unavailable(err)
		}
	}
	to := ns.In(room).By(by).Within(ctx)
	if in.Volatile {
		to = to.Volatile()
	}
	return to.Emit(in.Event, data, about)
}

func (r *Relay) setState(ctx context.Context, s *namespaces.Socket, in stateRequest) error {
	room, err := r.room(memberOf(s).facts(s), in.Room)
	switch {
	case err != nil:
		return err
	case !room.Rule().Presence:
		return namespaces.BadRequest("This room does not tell who is there.")
	case len(in.State) > longestState:
		return namespaces.BadRequest("A state has at most 1024 bytes.")
	case !s.Joined(room.Name) || !r.tracker.SetState(key(s, room.Name), s.Identity().User(), in.State):
		return namespaces.Forbidden("Join the room first.")
	}
	r.carried(ctx, s.Namespace(), room.Name, r.describe(s))
	return nil
}

// readable finds a room that the client is in or may join.
func (r *Relay) readable(s *namespaces.Socket, name string) (Room, error) {
	f := memberOf(s).facts(s)
	room, err := r.room(f, name)
	if err != nil {
		return room, err
	}
	allowed, err := room.MayJoin(f)
	if err != nil {
		r.failed(s, err)
	}
	if !allowed && !s.Joined(room.Name) {
		return room, namespaces.Forbidden("You may not read this room.")
	}
	return room, nil
}

func (r *Relay) members(ctx context.Context, s *namespaces.Socket, in membersRequest) (membersReply, error) {
	room, err := r.readable(s, in.Room)
	if err != nil {
		return membersReply{}, err
	}
	if !room.Rule().Presence {
		return membersReply{}, namespaces.BadRequest("This room does not tell who is there.")
	}
	members, n, more := r.present(ctx, s.Namespace(), room.Name, in.After, mostMembers)
	return membersReply{OK: true, Count: n, Members: members, More: more}, nil
}

func (r *Relay) read(ctx context.Context, s *namespaces.Socket, in readRequest) (readReply, error) {
	room, err := r.readable(s, in.Room)
	if err != nil {
		return readReply{}, err
	}
	rule := room.Rule().History
	if !rule.On() {
		return readReply{}, namespaces.BadRequest("This room remembers nothing.")
	}
	page, err := r.history.Read(ctx, key(s, room.Name), rule.limits(), history.Query{Since: in.Since, Before: in.Before, Limit: in.Limit})
	if err != nil {
		return readReply{}, unavailable(err)
	}
	entries, err := entriesOf(page)
	if err != nil {
		return readReply{}, err
	}
	return readReply{OK: true, Entries: entries, Position: page.Position, Complete: page.Complete}, nil
}
