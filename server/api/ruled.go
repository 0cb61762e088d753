package api

import (
	"context"
	"encoding/json"

	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// Ruled is what the rules of the configuration add to a namespace: what is sent there is one value with a meta behind it, and
// rooms may remember and tell who is there.
type Ruled interface {
	// Room returns the form of a room's name in which rooms are joined, or says what is wrong with it.
	Room(name string) (string, error)
	// UserRoom is the room that all sockets of a user are in.
	UserRoom(user string) string
	// Publish sends to one room, and keeps it where the room's rule says so, in one step. ErrForgetful says that it does not.
	Publish(ctx context.Context, ns *namespaces.Namespace, room string, m Message) error
	// Members are those of a room behind after, in the order of their names. ok is false where presence is not told.
	Members(namespace, room, after string, limit int) (members []presence.Member, count int, more, ok bool)
	// History reads what a room remembers. ok is false where it does not.
	History(ctx context.Context, namespace, room string, q history.Query) (page history.Page, ok bool, err error)
}

// Message is what is sent to a room of a [Ruled] namespace.
type Message struct {
	Event string
	Data  json.RawMessage // placeholders in it stand for attachments of Args
	Args  packet.Args     // the same, encoded
	Meta  Meta
}

// Meta is who sent something, as the receivers see it behind the data.
type Meta struct {
	Room string `json:"room,omitempty"` // when it was sent to one room
	From string `json:"from"`           // the name of the key
	Name string `json:"name"`
	ID   string `json:"id"`
	At   int64  `json:"at"` // milliseconds since 1970
}
