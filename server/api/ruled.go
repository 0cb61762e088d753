package api

import (
	"context"
	"encoding/json"

	"gatehouse/history"
	"gatehouse/namespaces"
	"gatehouse/packet"
	"gatehouse/presence"
)

// Ruled is a namespace that is configured by rules: its events have one value followed by a meta, and its rooms may
// have a history and presence. Package relay implements it.
type Ruled interface {
	// RoomName returns the form of a room's name in which rooms are joined, or says what is wrong with it. The id of a socket
	// stands for itself.
	RoomName(name string) (string, error)
	// UserRoom is the room that all sockets of a user are in.
	UserRoom(user string) string
	// Remembers reports whether a room has a history.
	Remembers(namespace, room string) bool
	// Publish sends an event to one room that has a history, and keeps it there, in one step.
	Publish(ctx context.Context, ns *namespaces.Namespace, room, event string, data json.RawMessage, args packet.Args, about any) error
	// Members returns members of a room, on all nodes, in the order of their names: at most limit of those after the name
	// after. ok is false where the room does not tell presence.
	Members(ctx context.Context, ns *namespaces.Namespace, room, after string, limit int) (members []presence.Member, count int, more, ok bool)
	// History reads the events that a room remembers. ok is false where the room has no history.
	History(ctx context.Context, namespace, room string, q history.Query) (page history.Page, ok bool, err error)
	// Move takes a socket of this node out of rooms and puts it into others.
	Move(s *namespaces.Socket, leave, join []string) error
}

// Meta follows the data of an event and tells receivers the sender.
type Meta struct {
	Room string `json:"room,omitempty"` // when it was sent to one room
	From string `json:"from"`           // the name of the key
	Name string `json:"name"`
	ID   string `json:"id"`
	At   int64  `json:"at"` // milliseconds since 1970
}
