package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// spy is an adapter that writes down what goes through it.
type spy struct {
	namespaces.Local
	mu  sync.Mutex
	ops []string
}

func (s *spy) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops = append(s.ops, fmt.Sprintf(format, args...))
}

func (s *spy) expect(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.ops, want) {
		t.Errorf("the adapter got\n%q\nwant\n%q", s.ops, want)
	}
	s.ops = nil
}

func (s *spy) Broadcast(op *namespaces.Operation) error {
	s.note("%s %v %v %d %s", op.Packet.Event, op.Rooms, op.Except, op.Flags, op.Packet.Args.Raw(0))
	return s.Local.Broadcast(op)
}

func (s *spy) Send(to *namespaces.Socket, p *packet.Packet, f namespaces.Flags) error {
	s.note("%v %s to %s %d", p.Type, p.Event, to.Identity().Scopes[0], f)
	return s.Local.Send(to, p, f)
}

func (s *spy) Apply(sel *namespaces.Selection, c namespaces.Change) error {
	s.note("apply to %v: %+v", sel.Rooms, c)
	return s.Local.Apply(sel, c)
}

func (s *spy) ServerEmit(_ context.Context, event string, args packet.Args, to namespaces.Replies) error {
	s.note("to other nodes: %s %s", event, args.Raw(0))
	if to == nil {
		return nil
	}
	to.Expect(1)
	to.Reply(namespaces.Reply{Args: args})
	to.Expect(1)
	return &namespaces.LostNodes{Names: []string{"three"}}
}

func (s *spy) Close(context.Context) error {
	s.note("closed with %d sockets", s.Namespace().Len())
	return errors.New("the last words got lost")
}

// spied returns a configuration whose namespaces have spies, and the spies.
func spied() (namespaces.Config, map[string]*spy) {
	spies := map[string]*spy{}
	return namespaces.Config{Gate: open, Adapter: func(_ context.Context, local namespaces.Local) (namespaces.Adapter, error) {
		s := &spy{Local: local}
		spies[local.Namespace().Name()] = s
		return s, nil
	}}, spies
}

func TestAnAdapterGetsWhatIsDoneToSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, spies := spied()
		ns := namespaces.New("/")
		namespaces.On(ns, "ask", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (int, error) {
			return 1, s.Emit("before")
		})
		h, err := namespaces.NewHub(cfg, ns)
		if err != nil {
			t.Fatal(err)
		}
		spy := spies["/"]
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		_ = ns.In("a").Except("b").Volatile().Local().Emit("one", 1)
		_ = s.Emit("two")
		_ = s.Volatile().Emit("three")
		_ = ns.In("a").Join("b")
		_ = ns.In("a").Leave("b")
		_ = ns.In("a").Disconnect(true)
		spy.expect(t, "one [a] [b] 3 1", "EVENT two to ann 0", "EVENT three to ann 1",
			"apply to [a]: {Leave:[] Join:[b] Disconnect:false CloseTransport:false}",
			"apply to [a]: {Leave:[b] Join:[] Disconnect:false CloseTransport:false}",
			"apply to [a]: {Leave:[] Join:[] Disconnect:true CloseTransport:true}")
		p.say(`21["ask"]`)
		spy.expect(t, "EVENT before to ann 0", "ACK  to ann 0") // an adapter that delivers later keeps the order of the calls
		_ = ns.ServerEmit("flush", 7)
		answers, err := ns.ServerEmitAck(context.Background(), "count", 8)
		spy.expect(t, "to other nodes: flush 7", "to other nodes: count 8")
		var lost *namespaces.LostNodes
		if !errors.As(err, &lost) || len(answers.Replies) != 1 || answers.Missing != 1 {
			t.Errorf("%+v %v", answers, err)
		}
		if err := h.Close(context.Background()); err == nil || !strings.Contains(err.Error(), `close adapter of "/": the last words got lost`) {
			t.Error(err)
		}
		spy.expect(t, "closed with 0 sockets")
	})
}

func TestAnAdapterLivesAsLongAsItsHub(t *testing.T) {
	var ended <-chan struct{}
	fails := true
	made := &spy{}
	cfg := namespaces.Config{Gate: open, Adapter: func(ctx context.Context, local namespaces.Local) (namespaces.Adapter, error) {
		if local.Namespace().Name() == "/two" && fails {
			return nil, errors.New("no network")
		}
		if ended == nil {
			ended, made.Local = ctx.Done(), local
			return made, nil
		}
		return local, nil
	}}
	one, two := namespaces.New("/one"), namespaces.New("/two")
	if _, err := namespaces.NewHub(cfg, one, two); err == nil || !strings.Contains(err.Error(), `make adapter of namespace "/two": no network`) {
		t.Fatal(err)
	}
	made.expect(t, "closed with 0 sockets")
	select {
	case <-ended:
	default:
		t.Error("the context of an adapter outlived it")
	}
	fails = false
	h, err := namespaces.NewHub(cfg, one, two)
	if err != nil {
		t.Fatalf("the definitions are not free for another hub: %v", err)
	}
	if err := h.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// counting writes down the order in which replies come.
type counting struct {
	mu    sync.Mutex
	calls []string
}

func (c *counting) add(call string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

func (c *counting) Expect(n int) { c.add(fmt.Sprint("expect ", n)) }

func (c *counting) Reply(r namespaces.Reply) {
	c.add(fmt.Sprintf("%s %v", r.Args.Raw(0), r.Err))
}

// The acknowledgements of a broadcast are handed on as they come: another node waits for them.
func TestRepliesComeOneByOneBehindTheirNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var local namespaces.Local
		cfg := namespaces.Config{Adapter: func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) {
			local = l
			return l, nil
		}}
		c := newCrowd(t, cfg, "ann a", "bob a", "cid a")
		c.peers["ann"].onSend = func(string) { c.peers["ann"].push(`30["at once"]`) }
		to := &counting{}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		done := make(chan error, 1)
		go func() {
			op := &namespaces.Operation{Selection: namespaces.Selection{Rooms: []string{"a"}}}
			op.Packet = packet.Packet{Type: packet.Event, Namespace: "/", Event: "q"}
			done <- local.BroadcastAck(ctx, op, to)
		}()
		synctest.Wait()
		c.peers["ann"].onSend = nil
		if want := []string{"expect 3", `"at once" <nil>`}; !slices.Equal(to.calls, want) {
			t.Errorf("%q", to.calls)
		}
		c.peers["bob"].push(`30["later"]`)
		c.peers["cid"].gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		if err := <-done; err != nil {
			t.Error(err)
		}
		if want := []string{`"later" <nil>`, " " + namespaces.ErrClosed.Error()}; !slices.Equal(to.calls[2:], want) {
			t.Errorf("%q", to.calls)
		}
	})
}

func TestEventsOfOtherNodesHaveHandlers(t *testing.T) {
	var local namespaces.Local
	cfg := namespaces.Config{Gate: open, Adapter: func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) {
		local = l
		return l, nil
	}}
	ns := namespaces.New("/")
	ns.OnServer("double", func(_ context.Context, args packet.Args) (packet.Args, error) {
		var n int
		if err := args.Decode(0, &n); err != nil {
			return packet.Args{}, err
		}
		return packet.NewArgs(2 * n)
	})
	ns.OnServer("panic", func(context.Context, packet.Args) (packet.Args, error) { panic("oh") })
	h, err := namespaces.NewHub(cfg, ns)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close(context.Background()) }()
	args, _ := packet.NewArgs(21)
	answer, err := local.Serve(context.Background(), "double", args)
	if err != nil || string(answer.Raw(0)) != "42" {
		t.Errorf("%s %v", answer.Raw(0), err)
	}
	var unknown *namespaces.Error
	if _, err := local.Serve(context.Background(), "nothing", args); !errors.As(err, &unknown) || unknown.Code != namespaces.CodeUnknownEvent {
		t.Error(err)
	}
	if _, err := local.Serve(context.Background(), "panic", args); err == nil {
		t.Error("a panic is no answer")
	}
	for name, bad := range map[string]func(*namespaces.Namespace){
		"two handlers": func(ns *namespaces.Namespace) {
			h := func(context.Context, packet.Args) (packet.Args, error) { return packet.Args{}, nil }
			ns.OnServer("e", h)
			ns.OnServer("e", h)
		},
		"reserved": func(ns *namespaces.Namespace) { ns.OnServer("auth:x", nil) },
	} {
		ns := namespaces.New("/")
		bad(ns)
		if _, err := namespaces.NewHub(namespaces.Config{Gate: open}, ns); err == nil {
			t.Errorf("%s: mounted", name)
		}
	}
}

func TestAnAdapterHearsOfRoomsThatComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var local namespaces.Local
		var mu sync.Mutex
		news := map[string]bool{}
		look := func() string {
			mu.Lock()
			defer mu.Unlock()
			var found []string
			for name := range news {
				found = append(found, fmt.Sprint(name, " ", local.HasRoom(name)))
			}
			clear(news)
			slices.Sort(found)
			return strings.Join(found, ", ")
		}
		cfg := namespaces.Config{Adapter: func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) {
			local = l
			l.WatchRooms(func(name string) {
				mu.Lock()
				defer mu.Unlock()
				news[name] = true
			})
			return l, nil
		}}
		c := newCrowd(t, cfg, "ann a b", "bob b")
		if got := look(); got != "a true, b true" {
			t.Error(got)
		}
		_ = c.socks["bob"].Join("a")
		if got := look(); got != "" {
			t.Error(got)
		}
		c.peers["ann"].push("1")
		synctest.Wait()
		if got := look(); got != "" {
			t.Error(got)
		}
		c.socks["bob"].Leave("a")
		_ = c.socks["bob"].Join("c")
		if got := look(); got != "a false, c true" {
			t.Error(got)
		}
		if got := slices.Sorted(local.Rooms()); !slices.Equal(got, []string{"b", "c"}) {
			t.Error(got)
		}
		if id := c.socks["bob"].ID(); !local.HasRoom(id) || local.HasRoom(c.socks["ann"].ID()) {
			t.Error("a socket's id is a room as long as it is there")
		}
	})
}

func TestAHubFindsItsNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := namespaces.New("/a"), namespaces.New("/b")
		h := newHub(t, namespaces.Config{}, a, b)
		if ns, ok := h.Namespace("/a"); !ok || ns != a {
			t.Error(ns, ok)
		}
		if _, ok := h.Namespace("/c"); ok {
			t.Error("found what is not there")
		}
		n := 0
		for range h.Namespaces() {
			n++
		}
		if n != 2 {
			t.Errorf("%d namespaces", n)
		}
	})
}

func TestSeveralHooksAreToldOfEverything(t *testing.T) {
	var told [2][]string
	var hooks []namespaces.Hooks
	for i := range told {
		note := func(format string, args ...any) { told[i] = append(told[i], fmt.Sprintf(format, args...)) }
		hooks = append(hooks, namespaces.Hooks{}, namespaces.Hooks{
			SocketOpened: func(s *namespaces.Socket) { note("opened %v", s.Conn() != nil) },
			SocketClosed: func(_ *namespaces.Socket, reason string) { note("closed: %s", reason) },
			Refused:      func(label, code string) { note("refused %q %s", label, code) },
			RoomJoined:   func(_ *namespaces.Socket, room string) { note("joined %s", room) },
			RoomLeft:     func(_ *namespaces.Socket, room string) { note("left %s", room) },
			EventHandled: func(_ *namespaces.Socket, h namespaces.Handled) { note("handled %q %v", h.Event, h.Err) },
			Emitted: func(ns *namespaces.Namespace, e namespaces.Emitted) {
				note("emitted %s in %s to %d", e.Event, ns.Label(), e.Receivers)
			},
		})
	}
	ns := namespaces.New("/a")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("r") })
	namespaces.Handle(ns, "e", func(context.Context, *namespaces.Socket, namespaces.None) error { return ns.In("r").Emit("news") })
	run(t, namespaces.Config{Hooks: hooks}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		for _, m := range []string{connectTo("/b", "ann"), connectTo("/a", ""), connectTo("/a", "ann"), `2/a,["e"]`, `2/a,["made up"]`, "1/a,"} {
			p.say(m)
		}
		want := []string{`refused "" invalid_namespace`, `refused "/a" unauthenticated`, "opened true", "joined r", "emitted news in /a to 1",
			`handled "e" <nil>`, `handled "" unknown_event: This namespace has no such event.`, "left r", "closed: client namespace disconnect"}
		for i := range told {
			slices.Sort(told[i])
			slices.Sort(want)
			if !slices.Equal(told[i], want) {
				t.Errorf("hook %d was told\n%q\nwant\n%q", i, told[i], want)
			}
		}
	})
}
