// Command chat is a room that everybody is in, with a list of users and a notice
// of who is typing: the first thing that many people write with Socket.IO. Its
// page, in public, is a front end as written for Node's server.
//
//	go run ./examples/chat
package main

import (
	"context"
	"embed"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"gatehouse/examples/internal/site"
	"gatehouse/namespaces"
)

//go:embed public
var public embed.FS

const (
	maxName = 32   // characters
	maxText = 2000 // characters
	members = "members"
)

// name is what a socket carries once it has joined.
type name string

func main() {
	files, err := fs.Sub(public, "public")
	if err != nil {
		panic(err)
	}
	site.Main(files, chat())
}

func chat() *namespaces.Namespace {
	ns := namespaces.New("/")
	namespaces.On(ns, "join", func(ctx context.Context, s *namespaces.Socket, wanted string) (welcome, error) {
		return join(ctx, s, name(strings.TrimSpace(wanted)))
	})
	namespaces.Handle(ns, "say", func(_ context.Context, s *namespaces.Socket, text string) error {
		me, joined := namespaces.Data[name](s)
		if !joined || text == "" || utf8.RuneCountInString(text) > maxText {
			return namespaces.BadRequest("Join first, and say something of at most 2000 characters.")
		}
		return ns.To(members).Emit("said", me, text)
	})
	namespaces.Handle(ns, "typing", func(_ context.Context, s *namespaces.Socket, on bool) error {
		me, joined := namespaces.Data[name](s)
		if !joined {
			return nil
		}
		return s.Volatile().To(members).Emit("typing", me, on)
	})
	ns.OnDisconnect(func(ctx context.Context, s *namespaces.Socket, _ string) {
		if me, joined := namespaces.Data[name](s); joined {
			tell(ctx, s, "left", me)
		}
	})
	return ns
}

// welcome is the acknowledgement of join.
type welcome struct {
	Users []name `json:"users"`
}

func join(ctx context.Context, s *namespaces.Socket, wanted name) (welcome, error) {
	if wanted == "" || utf8.RuneCountInString(string(wanted)) > maxName {
		return welcome{}, namespaces.BadRequest("A name has 1 to 32 characters.")
	}
	if _, joined := namespaces.Data[name](s); joined {
		return welcome{}, namespaces.BadRequest("You have a name already.")
	}
	s.SetData(wanted)
	if err := s.Join(members); err != nil {
		return welcome{}, err
	}
	tell(ctx, s, "joined", wanted)
	here, err := users(ctx, s.Namespace())
	return welcome{Users: here}, err
}

// tell tells the others who has come or gone, and who is there now.
func tell(ctx context.Context, s *namespaces.Socket, event string, who name) {
	if here, err := users(ctx, s.Namespace()); err == nil {
		_ = s.To(members).Emit(event, who, here) // fails only for values that cannot be encoded
	}
}

// users are the names in the room, sorted.
func users(ctx context.Context, ns *namespaces.Namespace) ([]name, error) {
	here := []name{}
	for info, err := range ns.In(members).Sockets(ctx) {
		if err != nil {
			return nil, err
		}
		if s, found := ns.Socket(info.ID); found {
			who, _ := namespaces.Data[name](s)
			here = append(here, who)
		}
	}
	slices.Sort(here)
	return here, nil
}
