package chat

import (
	"context"
	"slices"
	"strings"
	"sync"

	"gatehouse/namespaces"
)

// seat holds the rooms that a socket has joined, and its user.
type seat struct {
	account *account // fixed

	// mu is held for the whole of a change, so that a join and a removal come one after the other. It is locked before the
	// mu of a room.
	mu     sync.Mutex
	rooms  joinedRooms
	moving bool // the seat comes from another node or goes to one, which is not announced

	ended    bool
	ending   sync.Mutex     // guards ended, and adding to settling
	settling sync.WaitGroup // the work that follows when others have moved the socket
}

// joinedRooms are the rooms of a seat, sorted by name: most sockets are in few, for which a map would be large.
type joinedRooms []*room

func (all joinedRooms) find(name string) (at int, found bool) {
	return slices.BinarySearchFunc(all, name, func(r *room, name string) int { return strings.Compare(r.name, name) })
}

// get returns the room with the name, or nil.
func (all joinedRooms) get(name string) *room {
	if at, found := all.find(name); found {
		return all[at]
	}
	return nil
}

// put enters a room, in the place of one with its name.
func (all *joinedRooms) put(r *room) {
	at, found := all.find(r.name)
	if found {
		(*all)[at] = r
		return
	}
	*all = slices.Insert(*all, at, r)
}

// remove takes a room out and returns it, or nil when it is not there.
func (all *joinedRooms) remove(name string) *room {
	at, found := all.find(name)
	if !found {
		return nil
	}
	r := (*all)[at]
	*all = slices.Delete(*all, at, at+1)
	return r
}

// names returns the names of the rooms. Rooms may be left while the caller iterates.
func (all joinedRooms) names() []string {
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.name
	}
	return names
}

// seat gives a socket its seat.
func (c *chat) seat(s *namespaces.Socket) {
	c.share.Do(c.shareRooms)
	who := s.Identity().User()
	c.naming.Settle(who.Issuer)
	s.SetData(&seat{account: c.rooms.arrive(who)})
}

// seatOf returns a socket's seat; its connect handler has made it.
func seatOf(s *namespaces.Socket) *seat {
	at, _ := namespaces.Data[*seat](s)
	return at
}

func (at *seat) room(name string) *room {
	at.mu.Lock()
	defer at.mu.Unlock()
	return at.rooms.get(name)
}

// end waits for the settling under way, and lets no more begin.
func (at *seat) end() {
	at.ending.Lock()
	at.ended = true
	at.ending.Unlock()
	at.settling.Wait()
}

// settle runs f in a goroutine that end waits for. When the socket has ended, f does not run: the socket leaves all rooms
// anyway.
func (at *seat) settle(f func()) {
	at.ending.Lock()
	defer at.ending.Unlock()
	if !at.ended {
		at.settling.Go(f)
	}
}

// moved takes a socket out of rooms, or puts it into some, for a caller outside of the chat, such as a back end. The lists of
// members follow on a goroutine, because the caller may hold a room's lock and must not wait.
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
		if !ok || at.rooms.get(name) == nil {
			continue
		}
		now, here := c.ns.Socket(s.ID()) // another socket, when the client has come back
		if !here || now.Joined(joined) {
			continue
		}
		c.exitLocked(context.Background(), at, name, now)
		_ = now.Emit("member:left", membership{name, u.User, u.Name})
	}
}
