package main

import (
	"context"
	"errors"
	"slices"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// lab has a handler for each kind of argument, answer, room operation and ending.
func lab() *namespaces.Namespace {
	ns := namespaces.New("/lab")
	handleArguments(ns)
	handleRooms(ns)
	handleEndings(ns)
	handleSockets(ns)
	ns.OnMissed(func(m namespaces.Missed) { _ = ns.In().Local().Emit("missed", m.Operations) })
	return ns
}

type blob struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
	Size int    `json:"size"`
}

type pushed struct {
	First []byte `json:"first"`
	List  []any  `json:"list"`
}

func handleArguments(ns *namespaces.Namespace) {
	namespaces.On3(ns, "many", func(_ context.Context, _ *namespaces.Socket, a, b, c any) (packet.Args, error) {
		return packet.NewArgs(c, b, a)
	})
	namespaces.On(ns, "ask", func(ctx context.Context, s *namespaces.Socket, question string) (string, error) {
		return ask(ctx, s, "question", question)
	})
	namespaces.On(ns, "blob", func(_ context.Context, _ *namespaces.Socket, in blob) (blob, error) {
		slices.Reverse(in.Data)
		return blob{Name: in.Name, Data: in.Data, Size: len(in.Data)}, nil
	})
	namespaces.Handle(ns, "push", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		return s.Emit("pushed", pushed{First: []byte{1, 2, 3}, List: []any{[]byte{4}, "five"}})
	})
}

// ask awaits the client's answer to one question.
func ask(ctx context.Context, s *namespaces.Socket, event, question string) (string, error) {
	args, err := s.EmitAck(ctx, event, question)
	if err != nil {
		return "", err
	}
	var answer string
	err = args.Decode(0, &answer)
	return answer, err
}

type shout struct {
	Room   string `json:"room"`
	Except string `json:"except"`
	Text   string `json:"text"`
}

func handleRooms(ns *namespaces.Namespace) {
	namespaces.On(ns, "join", func(_ context.Context, s *namespaces.Socket, room string) ([]string, error) {
		err := s.Join(room)
		return sortedRooms(s), err
	})
	namespaces.On(ns, "leave", func(_ context.Context, s *namespaces.Socket, room string) ([]string, error) {
		s.Leave(room)
		return sortedRooms(s), nil
	})
	namespaces.Handle(ns, "shout", func(_ context.Context, s *namespaces.Socket, in shout) error {
		return s.To(in.Room).Except(in.Except).Emit("heard", in.Text)
	})
	namespaces.Handle(ns, "all", func(_ context.Context, _ *namespaces.Socket, in shout) error {
		return ns.In(in.Room).Emit("heard", in.Text)
	})
	namespaces.Handle2(ns, "tell", func(_ context.Context, _ *namespaces.Socket, room string, data any) error {
		return ns.In(room).Emit("told", data)
	})
	namespaces.Handle2(ns, "hint", func(_ context.Context, _ *namespaces.Socket, room string, data any) error {
		return ns.In(room).Volatile().Emit("hinted", data)
	})
	namespaces.On(ns, "survey", func(ctx context.Context, _ *namespaces.Socket, room string) ([]string, error) {
		return survey(ctx, ns.In(room))
	})
}

func sortedRooms(s *namespaces.Socket) []string {
	return slices.Sorted(slices.Values(s.Rooms()))
}

// survey collects the answers of all selected sockets.
func survey(ctx context.Context, to namespaces.Broadcast) ([]string, error) {
	answers, err := to.EmitAck(ctx, "question", "your name?")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, reply := range answers.Replies {
		var name string
		if err := reply.Args.Decode(0, &name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

type gone struct {
	User   string   `json:"user"`
	Reason string   `json:"reason"`
	Rooms  []string `json:"rooms"`
}

func handleEndings(ns *namespaces.Namespace) {
	namespaces.Handle(ns, "kick", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		s.Disconnect(false)
		return nil
	})
	namespaces.Handle(ns, "kick:transport", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		s.Disconnect(true)
		return nil
	})
	namespaces.Handle(ns, "fail", func(context.Context, *namespaces.Socket, namespaces.None) error {
		return errors.New("the cause of the failure")
	})
	namespaces.Handle(ns, "panic", func(context.Context, *namespaces.Socket, namespaces.None) error {
		panic("out of cheese")
	})
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, reason string) {
		rooms := append([]string{}, sortedRooms(s)...) // an empty list, not null
		_ = ns.In("watchers").Emit("gone", gone{User: s.Identity().Subject, Reason: reason, Rooms: rooms})
	})
}
