package namespaces

import (
	"context"
	"encoding/json"
	"errors"

	"gatehouse/packet"
)

// ErrNotEntered is what [Shared.Enter] returns when nothing has changed: there is nothing to exit from.
var ErrNotEntered = errors.New("namespaces: socket has not entered the room")

// Shared is implemented by adapters that also keep, for all nodes together, who is in a room and what was sent to it.
// [Namespace.Shared] finds it. Its methods are safe for concurrent use and wait for what keeps it; an error of
// theirs, except ErrNotEntered, means that it cannot be reached, and that nothing is known of what was to be done: everything
// can be repeated.
type Shared interface {
	// Enter puts a socket of this node into a room and returns who is in it and what was sent to it, in one step: what is
	// not in the history the socket gets, and nothing twice, as far as the adapter promises one order. The room is locked for
	// nobody. After ErrNotEntered all is as it was.
	Enter(ctx context.Context, s *Socket, in Entrance) (Entered, error)
	// Exit takes a socket of this node out of a room. It does not fail: what keeps the rooms hears of it later, if need be.
	Exit(ctx context.Context, s *Socket, room, user string, left Announcement)
	// Post sends an event to a room and remembers it, in one step.
	Post(ctx context.Context, p Posting) (Posted, error)
	// Hold has this node hold a user in a room, in which others are told of who is there; the user's sockets are the caller's
	// matter. first says that no other node did. It can be repeated, with Held.
	Hold(ctx context.Context, h Holding) (count int, first bool, err error)
	// Release ends that. last says that no other node holds the user, who has left then. After an error it is not known what
	// was done; what keeps the rooms hears of it later, so that Release is not repeated.
	Release(ctx context.Context, room, user string, left Announcement) (count int, last bool, err error)
	// Members returns up to limit of the users who are held in a room, in the order of their names and behind those whose name
	// begins with after and U+0000, and how many users there are.
	Members(ctx context.Context, room, after string, limit int) (members []json.RawMessage, count int, more bool, err error)
	// OnFound sets f, which is called with each member who turns out to be gone, such as those of a node that died, once the
	// member is out of the room, and with each who turns out to be here although others were told otherwise, or nothing. Count
	// is the number of users in the room then.
	OnFound(f func(room string, member json.RawMessage, count int, here bool))
}

// Entrance is how a socket enters a room.
type Entrance struct {
	Room    string
	User    string          // names the user among all
	Member  json.RawMessage // what others may know of the user
	Again   bool            // the socket has entered the room before and not exited since
	Members int             // at most so many are returned
	Joined  Announcement    // to the others, when this is the user's first socket in the room
}

// Holding is a user in a room as a node holds it.
type Holding struct {
	Room    string
	User    string          // names the user among all; behind a U+0000 may stand what nobody sorts by
	Member  json.RawMessage // what others may know of the user
	Held    bool            // this node holds the user already, or has tried to
	Told    bool            // Hold has returned without an error, and the user has not been released since
	Replace bool            // Member is new; otherwise it counts when there is none yet
	Joined  Announcement    // when the user has come
	Changed Announcement    // when Member has been replaced, with the Quiet of Joined
}

// Announcement is an event that a room gets while it has at most so many users.
type Announcement struct {
	Event string
	Args  packet.Args
	Quiet int
	// Volatile drops it for clients that are behind.
	Volatile bool
	// Except is a room whose sockets do not get it, or empty. Enter excepts the socket instead.
	Except string
}

// Entered is what a socket finds in a room.
type Entered struct {
	Count   int               // of users
	Members []json.RawMessage // some of them, in no order
	History []Record          // all that is remembered, the oldest first
	Dropped string            // the id of the last event that is not remembered any more; empty when there is none
	Cut     bool              // there were others that nothing is known of
}

// Record is an event that was sent to a room.
type Record struct {
	ID    string // later ones are greater
	Value json.RawMessage
}

// Posting is an event to be sent to a room and remembered.
type Posting struct {
	Room  string
	Once  string // names what is sent only once; empty is sent always
	Value func(id string) (json.RawMessage, error)
	ID    func(after string) string // returns an id that is greater than after
	Event string
	Limit RoomLimits
}

// RoomLimits bound what is remembered of a room.
type RoomLimits struct {
	Messages, Bytes, Once int
}

// Posted says what became of a posting.
type Posted struct {
	ID    string
	Again bool            // it had been sent before, with this ID
	Value json.RawMessage // of that time
}

// Shared returns what keeps the rooms of all nodes together, or nil when there is one node, or its adapter does not keep them.
func (ns *Namespace) Shared() Shared {
	shared, _ := ns.adapter.(Shared)
	return shared
}
