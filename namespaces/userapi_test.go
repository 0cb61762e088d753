package namespaces_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

func TestARefusalCarriesDataOfOnesOwn(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
		switch s.Identity().Subject {
		case "ann":
			return &namespaces.Error{Code: "unpaid", Message: "Pay first.", Data: map[string]any{"due": 12}}
		case "bob":
			return &namespaces.Error{Code: "unpaid", Message: "Pay first.", Data: func() {}} // no JSON
		case "eve":
			return &namespaces.Error{Code: "unpaid", Message: "Pay first.", Data: spoilt{}}
		}
		return nil
	})
	namespaces.Handle(ns, "buy", func(context.Context, *namespaces.Socket, namespaces.None) error {
		return &namespaces.Error{Code: "sold_out", Message: "Sold out.", Data: []int{1, 2}}
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.say(connectTo("/", "ann"))
		p.expect(`4{"message":"Pay first.","data":{"due":12}}`)
		for _, who := range []string{"bob", "eve"} {
			p.say(connectTo("/", who))
			p.expect(`4{"message":"Pay first.","data":{"code":"unpaid"}}`)
		}
		p.enter("/", "joe")
		p.say(`27["buy"]`)
		p.expect(`37[{"ok":false,"error":{"code":"sold_out","message":"Sold out.","data":[1,2]}}]`)
	})
}

type spoilt struct{}

func (spoilt) MarshalJSON() ([]byte, error) { panic("spoilt") }

// TestWhoDisconnectsStillHasTheirRooms is Node's "disconnecting": the rooms are there, and others in them can be told.
func TestWhoDisconnectsStillHasTheirRooms(t *testing.T) {
	ns := namespaces.New("/")
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { _ = s.Join("desk") })
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, _ string) {
		_ = s.To(s.Rooms()...).Emit("left", s.Identity().Subject)
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann, bob := newPeer(t, h), newPeer(t, h)
		ann.enter("/", "ann")
		bob.enter("/", "bob")
		ann.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		bob.expect(`2["left","ann"]`)
	})
}

func TestASocketLeavesAllItsRooms(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		id := p.enter("/", "ann")
		s, _ := ns.Socket(id)
		check(t, s.Join("a", "b"))
		s.LeaveAll()
		check(t, ns.To("a", "b").Emit("no"))
		check(t, ns.To(id).Emit("yes"))
		p.expect(`2["yes"]`)
		if rooms := maps.Collect(ns.Rooms()); len(rooms) != 0 {
			t.Fatalf("rooms are left: %v", rooms)
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAUserIsReachedOnAllDevices(t *testing.T) {
	ns := namespaces.New("/a")
	run(t, namespaces.Config{Gate: new(office)}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		phone, tablet, other, bob := newPeer(t, h), newPeer(t, h), newPeer(t, h), newPeer(t, h)
		s := phone.enterWith(ns, `{"sub":"ann"}`)
		tablet.enterWith(ns, `{"sub":"ann"}`)
		other.enterWith(ns, `{"sub":"ann","iss":"elsewhere"}`)
		bob.enterWith(ns, `{"sub":"bob"}`)
		all := []*peer{phone, tablet, other, bob}
		expect := func(frames ...string) {
			t.Helper()
			for i, p := range all {
				p.expect(strings.Fields(frames[i])...)
			}
		}

		check(t, ns.User("ann").Emit("x"))
		expect(`2/a,["x"]`, `2/a,["x"]`, `2/a,["x"]`, ``)
		check(t, ns.User("ann", "").Emit("x"))
		expect(`2/a,["x"]`, `2/a,["x"]`, ``, ``)
		check(t, ns.User("ann", "elsewhere").Emit("x"))
		expect(``, ``, `2/a,["x"]`, ``)
		check(t, ns.User("ann").User("bob").Except(s.ID()).Emit("x"))
		expect(``, `2/a,["x"]`, `2/a,["x"]`, `2/a,["x"]`)
		check(t, ns.User("nobody").Emit("x"))
		expect(``, ``, ``, ``)

		if err := s.Join("\x00subject\x00bob"); !errors.Is(err, namespaces.ErrRoomName) {
			t.Errorf("a room with the name of a user: %v", err)
		}
		phone.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		synctest.Wait()
		check(t, ns.User("ann").Disconnect(true))
		expect(``, `1/a,`, `1/a,`, ``)
		if n := ns.User("ann").Count(); n != 0 {
			t.Errorf("%d sockets of a user who is gone", n)
		}
	})
}

func TestSocketsAndRoomsAreIteratedOver(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		var ids []string
		for _, rooms := range [][]string{{"a"}, {"a", "b"}, nil} {
			id := newPeer(t, h).enter("/", "ann")
			s, _ := ns.Socket(id)
			check(t, s.Join(rooms...))
			ids = append(ids, id)
		}
		slices.Sort(ids)
		if rooms := maps.Collect(ns.Rooms()); !maps.Equal(rooms, map[string]int{"a": 2, "b": 1}) {
			t.Errorf("rooms: %v", rooms)
		}
		var all []string
		for s := range ns.All() {
			all = append(all, s.ID())
		}
		if slices.Sort(all); !slices.Equal(all, ids) {
			t.Errorf("sockets %v, want %v", all, ids)
		}
		n := 0
		for s := range ns.In("a").Except("b").All() {
			n++
			s.LeaveAll() // nothing is locked
		}
		for range ns.All() {
			break
		}
		for range ns.Rooms() {
			break
		}
		if n != 1 {
			t.Errorf("%d sockets in a and not in b", n)
		}
	})
}

func TestRoomsThatComeAndGoAreTold(t *testing.T) {
	var mu sync.Mutex
	var told []string
	tell := func(what string) func(*namespaces.Namespace, string) {
		return func(ns *namespaces.Namespace, room string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, what+ns.Name()+room)
		}
	}
	ns := namespaces.New("/n/")
	cfg := namespaces.Config{Hooks: []namespaces.Hooks{{RoomMade: tell("+"), RoomGone: tell("-")}}}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		first, second := newPeer(t, h), newPeer(t, h)
		one, _ := ns.Socket(first.enter("/n/", "ann"))
		two, _ := ns.Socket(second.enter("/n/", "bob"))
		check(t, one.Join("a", "b"))
		check(t, two.Join("a"))
		one.Leave("a")
		two.Leave("a")
		check(t, two.Join("a"))
		first.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"+/n/a", "+/n/b", "-/n/a", "+/n/a", "-/n/b"}; !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

func TestAllThatGoesOutIsHeard(t *testing.T) {
	var mu sync.Mutex
	var heard []string
	ns := namespaces.New("/")
	ns.OnOutgoing(func(e namespaces.Emitted) {
		mu.Lock()
		defer mu.Unlock()
		to := strings.Join(e.Rooms, "+")
		if e.Socket != nil {
			to = e.Socket.Identity().Subject
		}
		heard = append(heard, e.Event+string(e.Args.AppendJSON(nil))+" to "+to)
	})
	ns.OnOutgoing(func(namespaces.Emitted) { panic("listener") })
	namespaces.On(ns, "ask", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) (string, error) {
		_, err := s.EmitAck(ctx, "question")
		return "answer", err
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		check(t, s.Emit("one", 1))
		check(t, ns.To("a", "b").Emit("room"))
		p.say(`20["ask"]`, `30[]`)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"one1 to ann", "room to a+b", "question to ann"}; !slices.Equal(heard, want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
	})
}

func TestAQuestionHasATypedAnswer(t *testing.T) {
	type size struct{ W, H int }
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		p.onSend = func(string) { go p.push("30" + `[{"W":3,"H":4}]`) }
		got, err := namespaces.Ask[size](t.Context(), s, "size")
		if err != nil || got != (size{3, 4}) {
			t.Errorf("%+v, %v", got, err)
		}
		p.onSend = func(string) { go p.push("31" + `["wide"]`) }
		if _, err := namespaces.Ask[size](t.Context(), s, "size"); err == nil || namespaces.Failed(err) != true {
			t.Errorf("an answer that is no size: %v", err)
		}
	})
}

func TestKeysKeepValuesApart(t *testing.T) {
	var seat, row namespaces.Key[int]
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		if _, ok := seat.Get(s); ok {
			t.Error("a value that nobody has set")
		}
		s.SetData("mine")
		seat.Set(s, 7)
		row.Set(s, 1)
		s.SetData("still mine")
		row.Delete(s)
		one, ok := seat.Get(s)
		_, other := row.Get(s)
		data, _ := namespaces.Data[string](s)
		if one != 7 || !ok || other || data != "still mine" {
			t.Errorf("%d %v %v %q", one, ok, other, data)
		}
	})
}

// TestValuesOfTheConnectionReachAllHandlers checks that for values that a handler around the server has put into a
// request.
func TestValuesOfTheConnectionReachAllHandlers(t *testing.T) {
	type tenant struct{}
	ns := namespaces.New("/")
	var seen []any
	see := func(ctx context.Context) {
		seen = append(seen, ctx.Value(tenant{}))
		child, cancel := context.WithCancel(ctx)
		seen = append(seen, child.Value(tenant{}), ctx.Value(tenant{}), ctx.Err())
		cancel()
	}
	ns.Admit(func(ctx context.Context, _ *namespaces.Socket) error { see(ctx); return nil })
	ns.OnConnect(func(ctx context.Context, _ *namespaces.Socket) { see(ctx) })
	namespaces.Handle(ns, "event", func(ctx context.Context, _ *namespaces.Socket, _ namespaces.None) error { see(ctx); return nil })
	ns.OnDisconnect(func(ctx context.Context, _ *namespaces.Socket, _ string) { see(ctx) })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		request, end := context.WithCancel(context.WithValue(context.Background(), tenant{}, "acme"))
		end() // of the request; the socket lives on
		p := &peer{t: t, conn: &conn{values: request}}
		p.client = h.Connect(p.conn)
		p.enter("/", "ann")
		p.say(`2["event"]`)
		p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		synctest.Wait()
		if len(seen) != 16 {
			t.Fatalf("seen %v", seen)
		}
		for i, v := range seen {
			if want := any("acme"); i%4 < 3 && v != want || i%4 == 3 && v != nil {
				t.Errorf("%d: %v", i, v)
			}
		}
	})
}

func TestWhoEmitsLearnsThatItWasWritten(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(ctx context.Context, s *namespaces.Socket) error {
		if err := s.EmitSent(ctx, "early"); !errors.Is(err, namespaces.ErrNotAdmitted) {
			t.Errorf("during admission: %v", err)
		}
		return nil
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		p.onFrame = func(f *packet.Frame) { f.Sent(true) }
		check(t, s.EmitSent(t.Context(), "x"))
		p.onFrame = func(f *packet.Frame) { f.Sent(false) }
		if err := s.EmitSent(t.Context(), "x"); !errors.Is(err, namespaces.ErrClosed) {
			t.Errorf("a frame that was dropped: %v", err)
		}
		p.onFrame = func(*packet.Frame) {}
		if err := s.EmitSent(t.Context(), "x"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a frame that waits: %v", err)
		}
		p.onFrame = nil
		go p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		if err := s.EmitSent(t.Context(), "x"); !errors.Is(err, namespaces.ErrClosed) {
			t.Errorf("a socket that ends: %v", err)
		}
	})
}

func TestEventsMayStayUncompressed(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		var flags []bool
		p.onFrame = func(f *packet.Frame) { flags = append(flags, f.Uncompressed) }
		check(t, s.Emit("x"))
		check(t, ns.Emit("x"))
		check(t, s.Uncompressed().Emit("x"))
		check(t, ns.Uncompressed().Emit("x"))
		check(t, ns.In(s.ID()).Uncompressed().Emit("x"))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = s.Uncompressed().EmitAck(ctx, "x")
		_, _ = ns.Uncompressed().EmitAck(ctx, "x")
		if want := []bool{false, false, true, true, true, true, true}; !slices.Equal(flags, want) {
			t.Errorf("uncompressed: %v, want %v", flags, want)
		}
	})
}

func TestTheSocketTellsOfItsConnection(t *testing.T) {
	one, two := namespaces.New("/one"), namespaces.New("/two")
	run(t, namespaces.Config{}, []*namespaces.Namespace{one, two}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		a, _ := one.Socket(p.enter("/one", "ann"))
		b, _ := two.Socket(p.enter("/two", "ann"))
		if a.ConnID() != b.ConnID() || a.Transport() != "websocket" {
			t.Errorf("%q and %q over %q", a.ConnID(), b.ConnID(), a.Transport())
		}
	})
}
