// Package chat is the built-in chat: rooms with members, messages and a bounded history. It is written on the public API of
// package namespaces only, and is the example of how to use it.
//
// It promises:
//
//   - One order per room: all members, and the history, see its messages in the same one.
//   - Joining and reading the history are one step: between the two no message is missing and none comes twice.
//   - A message with a nonce is sent once, however often the same user sends it while the room remembers the nonce.
//   - A user who is not in a room can neither read it nor write to it.
//
// Everything it keeps is in memory and bounded by [Config]. Where nodes share their rooms ([namespaces.Shared]),
// members, messages and nonces are kept for all nodes together.
package chat

import (
	"context"
	"sync"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// Codes of refused requests besides those of package namespaces ("bad_request", "forbidden", "internal").
const (
	CodeNotInRoom    = "not_in_room"
	CodeTextTooLong  = "text_too_long"
	CodeTooManyRooms = "too_many_rooms"
)

// Message is a message of a room.
type Message struct {
	ID    string `json:"id"` // later messages have greater ids
	Room  string `json:"room"`
	From  string `json:"from"` // the sender; see Member.User
	Name  string `json:"name"`
	Text  string `json:"text"`
	At    int64  `json:"at"` // milliseconds since 1970
	Nonce string `json:"nonce,omitempty"`
}

// Member is a user who is in a room, with however many tabs.
type Member struct {
	User string `json:"user"` // the subject; "@issuer/subject" for users of another issuer than [Config.Home]
	Name string `json:"name"`
}

type (
	joinRequest struct {
		Room  string `json:"room"`
		Since string `json:"since,omitempty"` // id of the last message that the client has
	}
	joined struct {
		OK       bool      `json:"ok" typed:"true"`
		Count    int       `json:"count"`
		Members  []Member  `json:"members"` // at most maxMembers of them
		History  []Message `json:"history"`
		Complete bool      `json:"complete"` // the history reaches back to Since, or to the room's beginning without one
	}
	// info tells a client its user, and how large its requests may be.
	info struct {
		OK bool `json:"ok" typed:"true"`
		Member
		Limits limits `json:"limits"`
	}
	limits struct {
		Text  int `json:"text"`  // characters of a message
		Room  int `json:"room"`  // characters of the name of a room
		Nonce int `json:"nonce"` // bytes
	}
	leaveRequest struct {
		Room string `json:"room"`
	}
	sendRequest struct {
		Room  string `json:"room"`
		Text  string `json:"text"`
		Nonce string `json:"nonce,omitempty"`
	}
	sent struct {
		OK bool   `json:"ok" typed:"true"`
		ID string `json:"id"`
		At int64  `json:"at"`
	}
	typingNotice struct {
		Room string `json:"room"`
		On   bool   `json:"on"`
	}
	typing struct {
		Room string `json:"room"`
		User string `json:"user"`
		On   bool   `json:"on"`
	}
	membership struct {
		Room string `json:"room"`
		User string `json:"user"`
		Name string `json:"name"`
	}
)

// chat is the state behind one namespace.
type chat struct {
	cfg    Config
	ns     *namespaces.Namespace
	rooms  rooms
	naming presence.Naming
	share  sync.Once
}

// New defines the namespace "/chat". When a limit of cfg is out of its bounds it panics, and says which values are
// possible.
func New(cfg Config, opts ...namespaces.Option) *namespaces.Namespace {
	c := &chat{cfg: cfg.withDefaults(), ns: namespaces.New("/chat", opts...)}
	c.rooms.init(&c.cfg)
	if c.cfg.Home != "" {
		c.naming.Settle(c.cfg.Home)
	}
	c.ns.OnConnect(c.come)
	c.ns.OnDisconnect(c.gone)
	c.ns.OnRefresh(c.refreshed)
	c.ns.OnMissed(c.missed)
	c.ns.MoveWith(c.moved)
	namespaces.On(c.ns, "info", c.info)
	namespaces.On(c.ns, "room:join", c.join)
	namespaces.Takes[joinRequest, joined](c.ns, "room:join")
	namespaces.Handle(c.ns, "room:leave", c.leave)
	namespaces.On(c.ns, "message:send", c.send)
	namespaces.Handle(c.ns, "typing", c.typing)
	namespaces.Emits[Message](c.ns, "message")
	namespaces.Emits[membership](c.ns, "member:joined")
	namespaces.Emits[membership](c.ns, "member:left")
	namespaces.Emits[typing](c.ns, "typing")
	return c.ns
}

// come seats a socket. A recovered socket has its seat already: the other members have not seen it leave.
func (c *chat) come(_ context.Context, s *namespaces.Socket) {
	if !s.Recovered() {
		c.seat(s)
	}
}

// missed tells the rooms of this node that they may lack messages of another node. A client that joins again with since
// gets them.
func (c *chat) missed(namespaces.Missed) {
	for _, room := range c.rooms.occupied() {
		_ = c.ns.In(key(room)).Local().Emit("history:missed", map[string]string{"room": room}) // fails when the hub closes
	}
}

// userOf returns the user of a socket.
func (c *chat) userOf(s *namespaces.Socket) user {
	id := s.Identity()
	u := user{key: id.User(), Member: Member{User: c.naming.Call(id.User()), Name: id.Name}}
	if u.Name == "" {
		u.Name = id.Subject
	}
	return u
}

// key is the name of the chat's room in the namespace. The prefix keeps names that clients choose apart from socket ids.
func key(room string) string { return "room:" + room }

func (c *chat) info(_ context.Context, s *namespaces.Socket, _ struct{}) (info, error) {
	return info{true, c.userOf(s).Member, limits{c.cfg.MaxText, maxRoomName, maxNonce}}, nil
}

func (c *chat) leave(ctx context.Context, s *namespaces.Socket, in leaveRequest) error {
	if err := checkRoom(in.Room); err != nil {
		return err
	}
	at := seatOf(s)
	at.mu.Lock()
	defer at.mu.Unlock()
	c.exitLocked(ctx, at, in.Room, s)
	return nil
}

// gone leaves all rooms of a socket that has ended, unless another one goes on with its seat.
func (c *chat) gone(ctx context.Context, s *namespaces.Socket, reason string) {
	if reason == namespaces.ReasonRecovered {
		return
	}
	at := seatOf(s)
	at.end()
	at.mu.Lock()
	defer at.mu.Unlock()
	at.moving = reason == namespaces.ReasonMoved
	for _, name := range at.rooms.names() {
		c.exitLocked(ctx, at, name, s)
	}
	c.rooms.depart(at.account)
}

// refreshed leaves the rooms that a new identity does not permit. The socket itself is told too: it did not ask to leave.
func (c *chat) refreshed(ctx context.Context, s *namespaces.Socket, _ handshake.Identity) error {
	if s.Recovered() && seatOf(s) == nil {
		c.reseat(ctx, s)
	}
	at, u := seatOf(s), c.userOf(s)
	at.mu.Lock()
	defer at.mu.Unlock()
	for _, name := range at.rooms.names() {
		if c.cfg.MayJoin(ctx, s.Identity(), name) == nil {
			continue
		}
		c.exitLocked(ctx, at, name, s)
		_ = s.Emit("member:left", membership{name, u.User, u.Name})
	}
	return nil
}

// exitLocked has a socket leave a room, if it is in it. The mu of its seat is
// held.
func (c *chat) exitLocked(ctx context.Context, at *seat, name string, s *namespaces.Socket) {
	if r := at.rooms.remove(name); r != nil {
		c.quit(ctx, r, s)
	}
}

// quit ends a membership.
func (c *chat) quit(ctx context.Context, r *room, s *namespaces.Socket) {
	if shared := c.ns.Shared(); shared != nil {
		c.exitShared(ctx, shared, r, s)
	}
	c.takeOut(r, s)
}

// takeOut takes a socket out of what this node knows of a room.
func (c *chat) takeOut(r *room, s *namespaces.Socket) {
	r.mu.Lock()
	s.Leave(key(r.name))
	before := r.members.len()
	if u, last := r.members.remove(s.Identity().User(), s.ID()); last && before <= c.cfg.QuietAbove && c.ns.Shared() == nil {
		_ = c.ns.In(key(r.name)).Emit("member:left", membership{r.name, u.User, u.Name})
	}
	empty := r.members.len() == 0
	r.mu.Unlock()
	if empty {
		c.rooms.settle(r)
	}
}

func (c *chat) send(ctx context.Context, s *namespaces.Socket, in sendRequest) (sent, error) {
	if err := c.checkMessage(in); err != nil {
		return sent{}, err
	}
	r, err := present(s, in.Room)
	if err != nil {
		return sent{}, err
	}
	if shared := c.ns.Shared(); shared != nil {
		return c.postShared(ctx, shared, r, s, in)
	}
	out, err := c.post(ctx, r, s, in)
	c.rooms.relieve()
	return out, err
}

// post gives the message its place in the room's order: the history and the members get it under the same lock.
func (c *chat) post(ctx context.Context, r *room, s *namespaces.Socket, in sendRequest) (sent, error) {
	u := c.userOf(s)
	nonce := nonceOf(u.key, in.Nonce)
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.nonces.find(nonce); ok {
		return first.sent(), nil
	}
	st := c.rooms.stamp()
	m := Message{ID: st.text(), Room: r.name, From: u.User, Name: u.Name, Text: in.Text, At: st.at, Nonce: in.Nonce}
	args, err := packet.NewArgs(m)
	if err != nil {
		return sent{}, err
	}
	if err := c.ns.In(key(r.name)).By(s).Within(ctx).Emit("message", args); err != nil {
		return sent{}, err
	}
	r.history.add(post{m.ID, args.Raw(0)})
	r.nonces.add(nonce, st)
	return st.sent(), nil
}

// typing passes a notice on, unless the room is quiet or notices come faster than a person types.
func (c *chat) typing(ctx context.Context, s *namespaces.Socket, in typingNotice) error {
	r, err := present(s, in.Room)
	if err != nil {
		return err
	}
	if c.quiet(r) || !seatOf(s).account.mayType(c.cfg.Now()) {
		return nil
	}
	return s.To(key(in.Room)).Volatile().Within(ctx).Emit("typing", typing{in.Room, c.userOf(s).User, in.On})
}

// quiet reports whether a room has too many users to announce each of them.
func (c *chat) quiet(r *room) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.members.len(), r.users) > c.cfg.QuietAbove
}

// present returns a room that the socket is in.
func present(s *namespaces.Socket, name string) (*room, error) {
	if err := checkRoom(name); err != nil {
		return nil, err
	}
	r := seatOf(s).room(name)
	if r == nil || !s.Joined(key(name)) {
		return nil, &namespaces.Error{Code: CodeNotInRoom, Message: "Join the room first."}
	}
	return r, nil
}

// RoomsOfIdentity is the default of [Config.MayJoin]: an identity that names rooms may join those only.
func RoomsOfIdentity(_ context.Context, id handshake.Identity, room string) error {
	if len(id.Rooms) > 0 && !id.Has("room", room) {
		return namespaces.Forbidden("You may not join this room.")
	}
	return nil
}
