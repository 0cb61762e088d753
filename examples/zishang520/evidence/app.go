package main

import (
	"regexp"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/zishang520/engine.io/v2/types"
	"github.com/zishang520/socket.io/v2/socket"

	"gatehouse/bridge"
)

// newApp is an application that does a little of everything which that library
// offers, so that one client can see what works. It is the same on every engine.
func newApp(opts *socket.ServerOptions, gate bridge.Gate) *socket.Server {
	io := socket.NewServer(nil, opts)
	listen(io.Of("/", nil), open)
	listen(io.Of(regexp.MustCompile(`^/made-\d+$`), nil), open)
	listen(io.Of("/late", nil), late)
	listen(io.Of("/guarded", nil), guarded)
	private := io.Of("/private", nil)
	private.Use(bridge.Middleware(gate))
	listen(private, func(s *socket.Socket) {
		on(s, "whoami", func(_ []any, ack socket.Ack) {
			id, _ := bridge.Identity(s)
			ack([]any{id.Subject}, nil)
		})
	})
	return io
}

// listen registers a connection listener with the types that are meant.
func listen(n socket.Namespace, connected func(*socket.Socket)) {
	_ = n.On("connection", func(args ...any) {
		s, _ := args[0].(*socket.Socket)
		connected(s)
	})
}

// on registers a listener whose acknowledgement is taken from the arguments.
// When the client has asked for none, it is a function that does nothing.
func on(s *socket.Socket, event string, heard func(args []any, ack socket.Ack)) {
	_ = s.On(event, func(args ...any) {
		if n := len(args) - 1; n >= 0 {
			if ack, ok := args[n].(socket.Ack); ok {
				heard(args[:n], ack)
				return
			}
		}
		heard(args, func([]any, error) {})
	})
}

// open has no middleware: everybody may do everything.
func open(s *socket.Socket) {
	on(s, "chat", func(args []any, _ socket.Ack) { _ = s.Nsp().Emit("message", args...) })
	on(s, "echo", func(args []any, ack socket.Ack) { ack(args, nil) })
	on(s, "goroutines", func(_ []any, ack socket.Ack) { ack([]any{runtime.NumGoroutine()}, nil) })
	on(s, "transport", func(_ []any, ack socket.Ack) { ack([]any{s.Conn().Transport().Name()}, nil) })
	on(s, "blob", func(_ []any, _ socket.Ack) {
		_ = s.Nsp().Emit("blob", "both", types.NewBytesBuffer([]byte{1, 2}), map[string]any{"in": []byte{3}})
	})
	on(s, "leave", func([]any, socket.Ack) { s.Disconnect(false) })
	on(s, "kick", func([]any, socket.Ack) { s.Disconnect(true) })
	rooms(s)
	asking(s)
	working(s)
}

func rooms(s *socket.Socket) {
	on(s, "join", func(args []any, ack socket.Ack) {
		s.Join(room(args))
		ack([]any{s.Rooms().Len()}, nil)
	})
	on(s, "part", func(args []any, ack socket.Ack) {
		s.Leave(room(args))
		ack([]any{s.Rooms().Len()}, nil)
	})
	on(s, "tell", func(args []any, ack socket.Ack) {
		_ = s.To(room(args)).Emit("told", args[1:]...)
		ack(nil, nil)
	})
}

func room(args []any) socket.Room {
	name, _ := args[0].(string)
	return socket.Room(name)
}

// asking listeners want to know something of their client before they answer.
func asking(s *socket.Socket) {
	on(s, "ask", func(args []any, ack socket.Ack) {
		s.EmitWithAck("question", args...)(func(answer []any, err error) { ack(answer, err) })
	})
	on(s, "ask:wait", func(args []any, ack socket.Ack) {
		answers := make(chan []any, 1)
		s.Timeout(10*time.Second).EmitWithAck("question", args...)(func(answer []any, _ error) { answers <- answer })
		ack(<-answers, nil)
	})
	on(s, "ask:all", func(args []any, ack socket.Ack) {
		s.Nsp().Timeout(5*time.Second).EmitWithAck("question", args...)(func(answers []any, _ error) { ack([]any{answers}, nil) })
	})
}

// working takes its time over each event and notes when two are under way.
func working(s *socket.Socket) {
	var busy, together atomic.Int32
	on(s, "work", func(args []any, _ socket.Ack) {
		if busy.Add(1) > 1 {
			together.Add(1)
		}
		time.Sleep(time.Millisecond)
		busy.Add(-1)
		_ = s.Emit("worked", args...)
	})
	on(s, "together", func(_ []any, ack socket.Ack) { ack([]any{together.Load()}, nil) })
}

// late registers its listeners after the client has sent events.
func late(s *socket.Socket) {
	time.Sleep(200 * time.Millisecond)
	on(s, "echo", func(args []any, ack socket.Ack) { ack(args, nil) })
}

// guarded has a middleware for events that does what middlewares do.
func guarded(s *socket.Socket) {
	s.Use(func(event []any, next func(error)) {
		switch event[0] {
		case "dropped":
		case "refused":
			next(errRefused)
		case "later":
			go next(nil)
		default:
			next(nil)
		}
	})
	_ = s.On("error", func(args ...any) {
		err, _ := args[0].(error)
		_ = s.Emit("failed", err.Error())
	})
	for _, event := range []string{"passed", "later", "refused", "dropped"} {
		on(s, event, func(args []any, _ socket.Ack) { _ = s.Emit("heard", append([]any{event}, args...)...) })
	}
}
