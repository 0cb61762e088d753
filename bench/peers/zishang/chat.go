package main

import (
	"sync"

	"github.com/zishang520/socket.io/v2/socket"
)

// chat is Gatehouse's chat on this library.
type chat struct {
	nsp socket.Namespace

	mu    sync.Mutex // guards rooms
	rooms map[string]*room
}

func mountChat(nsp socket.Namespace) {
	c := &chat{nsp: nsp, rooms: map[string]*room{}}
	_ = nsp.On("connection", func(clients ...any) {
		s := clients[0].(*socket.Socket)
		u := s.Data().(*user)
		_ = s.On("room:join", reply(func(in map[string]any) any { return c.join(s, u, text(in, "room"), text(in, "since")) }))
		_ = s.On("room:leave", reply(func(in map[string]any) any {
			c.leave(s, u, text(in, "room"))
			s.Leave(socket.Room(text(in, "room")))
			return map[string]bool{"ok": true}
		}))
		_ = s.On("message:send", reply(func(in map[string]any) any {
			name := text(in, "room")
			if !s.Rooms().Has(socket.Room(name)) {
				return map[string]any{"ok": false, "error": map[string]string{"code": "forbidden", "message": "join the room first"}}
			}
			return c.room(name).send(u, text(in, "text"), text(in, "nonce"))
		}))
		_ = s.On("disconnecting", func(...any) {
			for _, name := range s.Rooms().Keys() {
				c.leave(s, u, string(name))
			}
		})
	})
}

// reply acknowledges an event with what answer gives for its first argument.
func reply(answer func(map[string]any) any) func(...any) {
	return func(args ...any) {
		in, _ := args[0].(map[string]any)
		out := answer(in)
		if ack, ok := args[len(args)-1].(socket.Ack); ok {
			ack([]any{out}, nil)
		}
	}
}

func text(in map[string]any, key string) string {
	value, _ := in[key].(string)
	return value
}

func (c *chat) join(s *socket.Socket, u *user, name, since string) joined {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rooms[name] == nil {
		c.rooms[name] = newRoom(c.nsp, name)
	}
	return c.rooms[name].join(s, u, since)
}

func (c *chat) room(name string) *room {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rooms[name]
}

func (c *chat) leave(s *socket.Socket, u *user, name string) {
	if !s.Rooms().Has(socket.Room(name)) || name == string(s.Id()) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rooms[name]; r != nil && r.leave(s, u) == 0 {
		delete(c.rooms, name)
	}
}
