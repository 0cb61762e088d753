package namespaces

import (
	"context"
	"encoding/json"
	"errors"

	"gatehouse/packet"
)

// ErrNotEntered is what [Shared.Enter] returns when nothing has changed: there is nothing to exit.
var ErrNotEntered = errors.New("namespaces: socket has not entered the room")

// Shared is implemented by adapters that also keep, for all nodes together, who is in a room and what was sent to the
// room. [Namespace.Shared] returns it. Its methods are safe for concurrent use and wait for the store of the rooms. An
// error, except ErrNotEntered, means that the store cannot be reached, and that it is unknown whether the call has had
// an effect. Every call can be repeated.
type Shared interface {
	// Enter puts a socket of this node into a room and returns the room's members and history, in one step: the socket
	// gets every event that is not in the history, and none twice, as far as the adapter promises one order. Others are
	// not locked out of the room. After ErrNotEntered nothing has changed.
	Enter(ctx context.Context, s *Socket, in Entrance) (Entered, error)
	// Exit takes a socket of this node out of a room. It does not fail: the store of the rooms is told later, if need be.
	Exit(ctx context.Context, s *Socket, room, user string, left Announcement)
	// Post sends an event to a room and remembers it, in one step.
	Post(ctx context.Context, p Posting) (Posted, error)
	// Hold makes this node hold a user in a room whose members are told who is there. The user's sockets are the caller's
	// business. first says that no other node holds the user. The call can be repeated, with Held.
	Hold(ctx context.Context, h Holding) (count int, first bool, err error)
	// Release ends a Hold. last says that no other node holds the user, who has then left the room. After an error it is
	// unknown whether the call has had an effect. The store of the rooms is told later, so do not repeat Release.
	Release(ctx context.Context, room, user string, left Announcement) (count int, last bool, err error)
	// Members returns users who are held in a room, in the order of their names: at most limit, after those whose name
	// begins with after and U+0000. count is how many users there are.
	Members(ctx context.Context, room, after string, limit int) (members []json.RawMessage, count int, more bool, err error)
	// OnFound sets f, which is called with each member who turns out to be gone, as after the death of a node, once the
	// member is out of the room. It is also called with each member who turns out to be here although others were told
	// otherwise, or nothing. Count is the number of users in the room at that time.
	OnFound(f func(room string, member json.RawMessage, count int, here bool))
}

// Entrance says how a socket enters a room.
type Entrance struct {
	Room    string
	User    string          // names the user among all
	Member  json.RawMessage // what others may know of the user
	Again   bool            // the socket has entered the room before, and has not exited since
	Members int             // at most so many are returned
	Joined  Announcement    // sent to the others when this is the user's first socket in the room
}

// Holding is a user in a room as a node holds it.
type Holding struct {
	Room    string
	User    string          // names the user uniquely; text behind a U+0000 does not count in the order of names
	Member  json.RawMessage // what others may know of the user
	Held    bool            // this node holds the user already, or has tried to
	Told    bool            // Hold has returned without an error, and the user has not been released since
	Replace bool            // Member replaces the one that is there; otherwise it counts only when there is none yet
	Joined  Announcement    // when the user has come
	Changed Announcement    // sent when Member has been replaced, with the Quiet of Joined
}

// Announcement is an event that a room gets while it has at most Quiet users.
type Announcement struct {
	Event string
	Args  packet.Args
	Quiet int
	// Volatile drops it for clients that are behind.
	Volatile bool
	// Except is a room whose sockets do not get it, or empty. Enter excepts the socket instead.
	Except string
}

// Entered is what Enter finds in a room.
type Entered struct {
	Count   int               // of users
	Members []json.RawMessage // some of them, in no order
	History []Record          // all events that are remembered, the oldest first
	Dropped string            // the id of the newest event that is not remembered any more; empty when there is none
	Cut     bool              // there were earlier events about which nothing is known
}

// Record is an event that was sent to a room.
type Record struct {
	ID    string // later ones are greater
	Value json.RawMessage
}

// Posting is an event to be sent to a room and remembered.
type Posting struct {
	Room  string
	Once  string // two postings with the same one are sent once; empty: always sent
	Value func(id string) (json.RawMessage, error)
	ID    func(after string) string // returns an id that is greater than after
	Event string
	Limit RoomLimits
}

// RoomLimits bound how much is remembered of a room.
type RoomLimits struct {
	Messages, Bytes, Once int
}

// Posted says what became of a posting.
type Posted struct {
	ID    string
	Again bool            // the event had been sent before, with this ID
	Value json.RawMessage // of that time
}

// Shared returns the store of the rooms of all nodes. It is nil when there is one node only, or when the adapter keeps
// no rooms.
func (ns *Namespace) Shared() Shared {
	shared, _ := ns.adapter.(Shared)
	return shared
}
