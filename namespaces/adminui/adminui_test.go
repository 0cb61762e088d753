package adminui

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
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
	if n := testing.AllocsPerRun(100, func() { hooks.Emitted(other, e) }); n != 0 {
		t.Errorf("an emit that nobody watches costs %v allocations", n)
	}
	happens := func() string {
		for range 2 {
			u.Traffic().Received(10)
			u.Traffic().Sent(20)
		}
		u.Traffic().Opened()
		u.Traffic().Closed("ping timeout")
		var all []string
		for _, h := range u.traffic.take() {
			all = append(all, fmt.Sprint(h.Type, " ", h.SubType, " ", h.Count))
		}
		return strings.Join(all, ", ")
	}
	if got := happens(); got != "" {
		t.Errorf("counted %v", got)
	}
	u.traffic.on.Store(true)
	if got := happens(); got != "bytesIn  20, bytesOut  40, packetsIn  2, packetsOut  2, rawConnection  1, rawDisconnection ping timeout 1" {
		t.Errorf("while somebody watches: %v", got)
	}
	if got := u.traffic.take(); len(got) != 0 {
		t.Errorf("counted twice: %v", got)
	}
	(*Traffic)(nil).Sent(1)
}

func TestEventsAreShownUpToAPace(t *testing.T) {
	u, err := New(Config{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	shown := 0
	for range 10 * mostEvents {
		if u.mayShow(0) {
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

// The interface would count a room twice that is in socket_connected and in room_joined.
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
	for _, text := range u.everySocket(t.Context()).all {
		var s socket
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
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

func TestTheRoomsOfWhoComesBackAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := new(UI)
		many, few := slices.Repeat([]string{strings.Repeat("r", 400)}, 1024), []string{"id", "desk"}
		for i, want := range []bool{true, true, false} {
			if got := u.mayList(many); got != want {
				t.Errorf("thousand rooms for the %dth time: %v", i+1, got)
			}
		}
		for range 1000 {
			if !u.mayList(few) {
				t.Fatal("two rooms do not fit")
			}
		}
		time.Sleep(time.Second)
		if !u.mayList(many) {
			t.Error("a second later there is no room")
		}
	})
}

func TestWhatIsSaidOfSocketsIsBounded(t *testing.T) {
	large := socket{ID: "a", Rooms: slices.Repeat([]string{strings.Repeat("r", 512)}, 1024)}
	small := socket{ID: "a", Rooms: []string{"a"}}
	for name, c := range map[string]struct {
		one             socket
		most, mostBytes int
		want            int
	}{
		"to a node, many rooms":         {large, mostDescribed, mostDescribedBytes, 1},
		"to a node, few rooms":          {small, mostDescribed, mostDescribedBytes, mostDescribed},
		"to who watches, few rooms":     {small, mostSockets, mostListed, mostSockets},
		"nothing when there is no room": {large, mostSockets, 1, 0},
	} {
		d, added := descriptions{most: c.most, mostBytes: c.mostBytes}, 0
		for range 2 * mostSockets {
			if !d.add(c.one) {
				break
			}
			added++
		}
		text, err := json.Marshal(d.all)
		if err != nil || added != c.want || len(d.all) != c.want || !d.full || len(text) > c.mostBytes+2*c.most {
			t.Errorf("%s: %d sockets in %d bytes, %v", name, added, len(text), err)
		}
		if d.add(socket{}) {
			t.Errorf("%s: a small one is added behind one that was left out", name)
		}
	}
}

// A server with large events, many rooms and many namespaces does not overwhelm its watchers.
func TestWhatIsShownOfEventsIsBounded(t *testing.T) {
	u, err := New(Config{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	shown := 0
	for range 10 * mostShown / mostOfEvent {
		if u.mayShow(mostOfEvent) {
			shown++
		}
	}
	if most := mostShown / mostOfEvent; shown < most || shown > 2*most {
		t.Errorf("%d events of %d bytes are shown at once", shown, mostOfEvent)
	}
	large, err := packet.NewArgs(strings.Repeat("x", mostOfEvent))
	if err != nil {
		t.Fatal(err)
	}
	if got := arguments("e", large); len(got) != 2 || shownSize(large) != 0 || !strings.Contains(got[1].(string), "bytes") {
		t.Errorf("of a large event %.100q is shown", got)
	}
	if got := enumerate(slices.Repeat([]string{strings.Repeat("r", 100)}, 1000)); len(got) > 2*mostText || !strings.HasSuffix(got, " and 995 more") {
		t.Errorf("of 1000 rooms %q is shown", got)
	}
	if got := enumerate([]string{"a", "b"}); got != "a, b" {
		t.Errorf("of two rooms %q is shown", got)
	}
}

// The list of sockets never gets so long that a watcher becomes a slow consumer at once, and the log says when it is not
// complete.
func TestWhoComesIsToldOfAsManySocketsAsThereIsRoomFor(t *testing.T) {
	var hub *namespacestest.Hub
	log := make(chan string, 100)
	u, err := New(Config{Open: true, Hub: func() *namespaces.Hub { return hub.Hub }, Logger: slog.New(slog.NewTextHandler(lines(log), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	app := namespaces.New("/app")
	app.Admit(func(_ context.Context, s *namespaces.Socket) error {
		for i := range 1000 {
			if err := s.Join(fmt.Sprintf("%0500d", i)); err != nil {
				return err
			}
		}
		return nil
	})
	hub = namespacestest.Mount(t, u.Definition(), app)
	for i := range 9 {
		hub.Enter("/app", namespacestest.As(fmt.Sprint(i)))
	}
	operator := hub.Enter(Name)
	list := operator.Next()
	for list.Name != "all_sockets" {
		list = operator.Next()
	}
	var sockets []socket
	if list.Decode(&sockets); len(sockets) < 8 || len(sockets) > 9 { // the operator's own socket is among them
		t.Errorf("%d of 10 sockets, 9 with half a megabyte, are listed", len(sockets))
	}
	if line := <-log; !strings.Contains(line, "some of the sockets") || !strings.Contains(line, fmt.Sprint("shown=", len(sockets))) {
		t.Errorf("the log says %q", line)
	}
}

func TestOfVeryManyNamespacesTheSumIsShown(t *testing.T) {
	var hub *namespacestest.Hub
	u, err := New(Config{Open: true, Hub: func() *namespaces.Hub { return hub.Hub }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.Close)
	all := []namespaces.Definition{u.Definition()}
	for i := range mostSpaces + 1 {
		all = append(all, namespaces.New(fmt.Sprintf("/%d", i)))
	}
	hub = namespacestest.Mount(t, all...)
	now := u.stats()
	if last := now.Namespaces[len(now.Namespaces)-1]; len(now.Namespaces) != mostSpaces+1 || last.Name != "and 2 more" {
		t.Errorf("%d namespaces are shown, at last %+v", len(now.Namespaces), last)
	}
}

// lines collects what a logger writes.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}
