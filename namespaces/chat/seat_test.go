package chat_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
)

// A user whom a back end or an operator takes out of a room is no member any more, is told so, and may join again.
func TestWhoIsTakenOutOfARoomIsNoMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, chat.Config{})
		watcher, one, two := s.user("ann"), s.user("bob"), s.user("bob")
		watcher.join("r")
		one.join("r")
		two.join("r")
		one.join("bob's")
		two.join("bob's")
		watcher.heard()
		if err := s.ns.In("room:bob's").Leave("room:r"); err != nil {
			t.Fatal(err)
		}
		left := `["member:left",{"room":"r","user":"bob","name":"BOB"}]`
		if got := watcher.heard(); !slices.Equal(got, []string{left}) {
			t.Errorf("the room heard %q", got)
		}
		if got := one.heard(); !slices.Contains(got, left) {
			t.Errorf("who was taken out heard %q", got)
		}
		if got := code(one.send("r", "hello")); got != chat.CodeNotInRoom {
			t.Errorf("a message of who was taken out: %q", got)
		}
		if got := two.join("r"); got["count"] != 2.0 {
			t.Errorf("count %v when one is back", got["count"])
		}
		if got := watcher.heard(); len(got) != 1 {
			t.Errorf("the room heard %q of who is back", got)
		}
	})
}

// A room that everybody is taken out of has no members left, as when they are disconnected.
func TestARoomThatIsEmptiedHasNoMembers(t *testing.T) {
	for name, empty := range map[string]func(ns *namespaces.Namespace) error{
		"taken out":    func(ns *namespaces.Namespace) error { return ns.In("room:r").Leave("room:r") },
		"disconnected": func(ns *namespaces.Namespace) error { return ns.In("room:r").Disconnect(false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, chat.Config{})
				for _, user := range []string{"ann", "bob"} {
					s.user(user).join("r")
				}
				if err := empty(s.ns); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := s.user("eve").join("r"); got["count"] != 1.0 {
					t.Errorf("count %v", got["count"])
				}
			})
		})
	}
}
