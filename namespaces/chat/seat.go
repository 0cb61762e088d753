package chat

import (
	"context"
	"slices"
	"strings"
	"sync"

	"gatehouse/namespaces"
)

// seat is the rooms that a socket has joined, and whose socket it is.
type seat struct {
	account *account // fixed

	// mu is held for the whole of a change, so that who joins again and who is taken out come one after the other. It comes
	// before those of rooms.
	mu     sync.Mutex
	rooms  map[string]*room
	moving bool // from or to another node, which nobody is told of

	ending   sync.Mutex // guards ended, and adding to settling
	ended    bool
	settling sync.WaitGroup // what follows when others have moved the socket
}

// seat gives a socket its seat.
func (c *chat) seat(s *namespaces.Socket) {
	c.share.Do(c.shareRooms)
	who := s.Identity().User()
	c.naming.Settle(who.Issuer)
	s.SetData(&seat{account: c.rooms.arrive(who), rooms: make(map[string]*room)})
}

// seatOf returns a socket's seat; its connect handler has made it.
func seatOf(s *namespaces.Socket) *seat {
	at, _ := namespaces.Data[*seat](s)
	return at
}

func (at *seat) room(name string) *room {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.rooms[name]
}

// end waits for what is being settled, and has nothing more settled.
func (at *seat) end() {
	at.ending.Lock()
	at.ended = true
	at.ending.Unlock()
	at.settling.Wait()
}

// settle runs f in a goroutine that end waits for, unless the socket has ended: then it leaves all rooms anyway.
func (at *seat) settle(f func()) {
	at.ending.Lock()
	defer at.ending.Unlock()
	if !at.ended {
		at.settling.Go(f)
	}
}

// moved takes a socket out of rooms, or puts it into some, for who asks for that outside of the chat, such as a back end. The
// members follow on a goroutine: this one may be somebody's who holds a room, and must not wait.
func (c *chat) moved(s *namespaces.Socket, leave, join []string) {
	left := slices.DeleteFunc(slices.Clone(leave), func(name string) bool { return !s.Joined(name) })
	s.Leave(leave...)
	_ = s.Join(join...) // fails for a socket that ends, or is in too many
	if at := seatOf(s); at != nil && len(left) > 0 {
		at.settle(func() { c.takenOut(at, s, left) })
	}
}

// takenOut makes a socket no member of rooms that it is not in any more, and tells it, because it did not ask to leave.
func (c *chat) takenOut(at *seat, s *namespaces.Socket, left []string) {
	at.mu.Lock()
	defer at.mu.Unlock()
	u := c.userOf(s)
	for _, joined := range left {
		name, ok := strings.CutPrefix(joined, key(""))
		if !ok || at.rooms[name] == nil {
			continue
		}
		now, here := c.ns.Socket(s.ID()) // another one, when its client has come back
		if !here || now.Joined(joined) {
			continue
		}
		c.exit(context.Background(), at, name, now)
		_ = now.Emit("member:left", membership{name, u.User, u.Name})
	}
}
