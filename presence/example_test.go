package presence_test

import (
	"fmt"
	"time"

	"gatehouse/handshake"
	"gatehouse/presence"
)

// Ada has two tabs: the room is told when the first comes and the last goes.
func Example() {
	told := make(chan string, 4)
	tracker := presence.New(time.Minute, func(room string, c presence.Change) {
		told <- fmt.Sprint(room, ": ", c.Member.Name, " ", map[presence.Kind]string{presence.Joined: "joined", presence.Left: "left"}[c.Kind])
	})
	defer tracker.Close()

	ada := handshake.UserKey{Subject: "u-17"}
	tracker.Enter("desk", presence.Member{Key: ada, User: "u-17", Name: "Ada"}, "tab 1")
	tracker.Enter("desk", presence.Member{Key: ada, User: "u-17", Name: "Ada"}, "tab 2")
	fmt.Println(<-told, tracker.Count("desk"))
	tracker.Leave("desk", ada, "tab 1", true) // true: she has left on purpose, and is not waited for
	tracker.Leave("desk", ada, "tab 2", true)
	fmt.Println(<-told, tracker.Count("desk"))
	// Output:
	// desk: Ada joined 1
	// desk: Ada left 0
}
