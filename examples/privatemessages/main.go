// Command privatemessages lets people who chose a name write to one another.
// Somebody with two tabs is one person: both get what is written. Its page, in
// public, is a front end as written for Node's server.
//
//	go run ./examples/privatemessages
package main

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"unicode/utf8"

	"gatehouse/examples/internal/site"
	"gatehouse/namespaces"
)

//go:embed public
var public embed.FS

const maxText = 2000 // characters

func main() {
	files, err := fs.Sub(public, "public")
	if err != nil {
		panic(err)
	}
	site.Main(files, messages())
}

// message is what one person writes to another, who are named by their ids.
type message struct {
	From string `json:"from"`
	To   string `json:"to"`
	Text string `json:"text"`
}

func messages() *namespaces.Namespace {
	ns := namespaces.New("/")
	people := newDirectory()

	// As io.use in Node: look at the auth payload, refuse, or note the user.
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
		var auth struct{ Session, Name string }
		if err := json.Unmarshal(s.Request().Auth, &auth); err != nil {
			return namespaces.BadRequest("A name is needed.")
		}
		me, err := people.enter(auth.Session, auth.Name)
		if err != nil {
			return err
		}
		s.SetData(me)
		return s.Join(me.ID)
	})

	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) {
		me, _ := namespaces.Data[*person](s)
		_ = s.Emit("session", session{Session: me.secret, Person: *me}) // an error: it has gone again
		everybody, first := people.arrived(me)
		_ = s.Emit("people", everybody)
		if first {
			_ = s.Others().Emit("person connected", me)
		}
	})

	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, _ string) {
		if me, ok := namespaces.Data[*person](s); ok && people.left(me) {
			_ = ns.Emit("person disconnected", me.ID)
		}
	})

	namespaces.Handle(ns, "private message", func(_ context.Context, s *namespaces.Socket, in message) error {
		me, _ := namespaces.Data[*person](s)
		if in.Text == "" || utf8.RuneCountInString(in.Text) > maxText || !people.knows(in.To) {
			return namespaces.BadRequest("Say something of at most 2000 characters to somebody who is known.")
		}
		in.From = me.ID
		return s.To(in.To, me.ID).Emit("private message", in) // the other's tabs, and one's own others
	})
	return ns
}

// session is what a page keeps to come back as the same person.
type session struct {
	Session string `json:"session"`
	Person  person `json:"person"`
}
