package main

import (
	"slices"

	"github.com/zishang520/socket.io/v2/socket"
	"go.uber.org/zap"

	"gatehouse/bridge"
	"gatehouse/handshake"
)

// lobby is the room that everybody is in.
const lobby = "lobby"

// newChat is an application as that library's users write it. All that it knows
// of Gatehouse is the middleware and the identity.
func newChat(gate bridge.Gate, log *zap.Logger) *socket.Server {
	io := socket.NewServer(nil, nil)
	chat := io.Of("/chat", nil)
	chat.Use(bridge.Middleware(gate))
	_ = chat.On("connection", func(args ...any) {
		s, _ := args[0].(*socket.Socket)
		id, _ := bridge.Identity(s)
		enter(s, id)
		log.Info("connected", zap.String("user", id.Subject))
		_ = s.On("disconnect", func(reason ...any) {
			log.Info("disconnected", zap.String("user", id.Subject), zap.Any("reason", reason[0]))
		})
	})
	return io
}

// enter routes a socket into its rooms and registers its events.
func enter(s *socket.Socket, id handshake.Identity) {
	s.Join(lobby, socket.Room("user:"+id.Subject))
	_ = s.On("room:join", func(args ...any) {
		in, answer := request(args)
		room := text(in, "room")
		if !mayEnter(id, room) {
			answer(refuse("forbidden", "this room is not yours"))
			return
		}
		s.Join(socket.Room(room))
		answer(map[string]any{"ok": true})
	})
	_ = s.On("message:send", func(args ...any) {
		in, answer := request(args)
		room := text(in, "room")
		if !s.Rooms().Has(socket.Room(room)) {
			answer(refuse("forbidden", "join the room first"))
			return
		}
		message := map[string]any{"room": room, "from": id.Subject, "text": in["text"]}
		_ = s.Nsp().To(socket.Room(room)).Emit("message", message)
		answer(map[string]any{"ok": true})
	})
}

// mayEnter: a room's name alone opens nothing.
func mayEnter(id handshake.Identity, room string) bool {
	return room == lobby || slices.Contains(id.Rooms, room)
}

// request takes an event's arguments apart: an object and, maybe, the function
// that acknowledges it.
func request(args []any) (in map[string]any, answer func(map[string]any)) {
	answer = func(map[string]any) {}
	if len(args) == 0 {
		return nil, answer
	}
	if ack, ok := args[len(args)-1].(socket.Ack); ok {
		answer = func(out map[string]any) { ack([]any{out}, nil) }
	}
	in, _ = args[0].(map[string]any)
	return in, answer
}

func text(in map[string]any, field string) string {
	s, _ := in[field].(string)
	return s
}

func refuse(code, message string) map[string]any {
	return map[string]any{"ok": false, "error": map[string]any{"code": code, "message": message}}
}
