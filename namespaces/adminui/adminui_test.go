package adminui

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gatehouse/namespaces"
	"gatehouse/namespaces/namespacestest"
	"gatehouse/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNothingIsCountedWhileNobodyWatches(t *testing.T) {
	u, err := New(Config{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	other := namespaces.New("/app")
	hooks := u.Hooks()
	e := namespaces.Emitted{Event: "e", Rooms: []string{"r"}, Receivers: 3}
	if n := testing.AllocsPerRun(100, func() { hooks.Emitted(other, e) }); n != 0 || u.counted.take() == nil {
		t.Errorf("an emit that nobody watches costs %v allocations", n)
	}
	if got := u.counted.take(); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
	u.until.Store(time.Now().Add(time.Hour).UnixNano())
	e.Receivers = 0 // so that nothing is shown: there is no hub
	hooks.Emitted(other, e)
	if got := u.counted.take(); len(got) != 1 || got[0].Type != "packetsOut" {
		t.Errorf("while somebody watches: %v", got)
	}
}

func TestEventsAreShownUpToAPace(t *testing.T) {
	u, err := New(Config{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	shown := 0
	for range 10 * mostEvents {
		if u.mayShow() {
			shown++
		}
	}
	if shown < mostEvents || shown > 5*mostEvents {
		t.Errorf("%d of %d events are shown at once", shown, 10*mostEvents)
	}
}

func TestCredentialsOfClientsAreNotShown(t *testing.T) {
	var hub *namespacestest.Hub
	u, err := New(Config{Open: true, Hub: func() *namespaces.Hub { return hub.Hub }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	hub = namespacestest.Mount(t, u.Definition(), namespaces.New("/app"))
	ada, operator := hub.Enter("/app", namespacestest.As("ada")), hub.Enter(Name)
	operator.Expect("config")
	for _, name := range []string{"auth:refresh", "say"} {
		u.Hooks().EventHandled(ada.Socket(), namespaces.Handled{Name: name})
	}
	for {
		e := operator.Next()
		if e.Name != "event_received" {
			continue
		}
		var namespace, id string
		var said []any
		if e.Decode(&namespace, &id, &said); said[0] != "say" {
			t.Errorf("shown: %v", said)
		}
		return
	}
}

// The interface counts a room twice that it is told of in socket_connected and in room_joined.
func TestARoomOfTheAdmissionIsToldOnce(t *testing.T) {
	var hub *namespacestest.Hub
	u, err := New(Config{Open: true, Hub: func() *namespaces.Hub { return hub.Hub }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	app := namespaces.New("/app")
	app.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("desk") })
	hub = namespacestest.MountWith(t, namespaces.Config{Hooks: []namespaces.Hooks{u.Hooks()}}, u.Definition(), app)
	operator := hub.Enter(Name)
	shown := func(event string) namespacestest.Event {
		for {
			if e := operator.Next(); e.Name == event {
				return e
			}
		}
	}
	shown("server_stats")
	ada := hub.Enter("/app", namespacestest.As("ada"))
	var came socket
	shown("socket_connected").Decode(&came)
	if len(came.Rooms) != 1 || came.Rooms[0] != ada.ID() || came.Data.Subject != "ada" {
		t.Errorf("a socket that has come is shown as %+v", came)
	}
	var namespace, room, id string
	if shown("room_joined").Decode(&namespace, &room, &id); room != "desk" || id != ada.ID() {
		t.Errorf("%s is told to have joined %q", id, room)
	}
	for _, s := range u.everySocket(t.Context()) {
		if s.ID == ada.ID() && (len(s.Rooms) != 2 || s.Rooms[1] != "desk") {
			t.Errorf("who comes to watch sees it in %v", s.Rooms)
		}
	}
}

func TestArgumentsHaveTheNameFirst(t *testing.T) {
	args, err := packet.NewArgs(1, "x")
	if err != nil {
		t.Fatal(err)
	}
	if got := arguments("e", args); len(got) != 3 || got[0] != "e" {
		t.Errorf("%v", got)
	}
}

func TestWhatANodeSaysOfItsSocketsIsBounded(t *testing.T) {
	large := socket{ID: "a", Rooms: slices.Repeat([]string{strings.Repeat("r", 512)}, 1024)}
	for name, c := range map[string]struct {
		one  socket
		want int
	}{"many rooms": {large, 1}, "few rooms": {socket{ID: "a", Rooms: []string{"a"}}, mostDescribed}} {
		d, added := descriptions{}, 0
		for range 2 * mostDescribed {
			if !d.add(c.one) {
				break
			}
			added++
		}
		text, err := json.Marshal(d.all)
		if err != nil || added != c.want || len(d.all) != c.want || len(text) > mostDescribedBytes+2*mostDescribed {
			t.Errorf("%s: %d sockets in %d bytes, %v", name, added, len(text), err)
		}
	}
}
