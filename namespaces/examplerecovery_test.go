package namespaces_test

import (
	"context"
	"fmt"
	"time"

	"gatehouse/namespaces"
)

// A user whose connection breaks for a moment is not announced, neither as gone nor as new.
func ExampleSocket_Recovered() {
	hall := namespaces.New("/hall")

	hall.OnConnect(func(_ context.Context, s *namespaces.Socket) {
		if s.Recovered() {
			return // it has been greeted before, and has its rooms and data
		}
		s.Join("hall")
		hall.In("hall").Emit("arrived", s.Identity().Subject)
	})

	hall.OnDisconnect(func(_ context.Context, s *namespaces.Socket, reason string) {
		if reason == namespaces.ReasonRecovered || reason == namespaces.ReasonMoved {
			return // its client has come back, and another socket goes on
		}
		hall.In("hall").Emit("left", s.Identity().Subject)
	})

	cfg := namespaces.Config{Gate: open, Recovery: namespaces.Recovery{For: 2 * time.Minute}}
	hub, err := namespaces.NewHub(cfg, hall)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := hub.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
}
