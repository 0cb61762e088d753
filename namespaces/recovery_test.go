package namespaces_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// broken is how a transport ends whose client comes back.
var broken = namespaces.End{Reason: namespaces.ReasonTransportClose, Lost: true}

// recovering is a hub that keeps things for a minute.
func recovering() namespaces.Config {
	return namespaces.Config{Recovery: namespaces.Recovery{For: time.Minute}}
}

// session is what the JavaScript client keeps of a socket.
type session struct{ sid, pid, offset string }

var granted = regexp.MustCompile(`^0(?:/[a-z]+,)?\{"sid":"([^"]+)","pid":"([^"]+)"\}$`)

// visit is a client as socket.io-client is one: it keeps the private id and the offset, and brings them when it comes back.
type visit struct {
	*peer
	session
	token     string
	namespace string
	recovered bool
	events    []string // received, without offsets
}

func arrive(t *testing.T, h *namespaces.Hub, namespace, token string) *visit {
	t.Helper()
	v := &visit{token: token, namespace: namespace}
	v.come(t, h)
	return v
}

// come connects, with what is known of the session before.
func (v *visit) come(t *testing.T, h *namespaces.Hub) {
	t.Helper()
	v.peer = newPeer(t, h)
	v.ask()
	v.look()
}

// ask sends CONNECT.
func (v *visit) ask() {
	auth := map[string]string{"token": v.token}
	if v.pid != "" {
		auth["pid"] = v.pid
		if v.offset != "" {
			auth["offset"] = v.offset
		}
	}
	raw, _ := json.Marshal(auth)
	v.say("0" + prefix(v.namespace) + string(raw))
}

// look reads what has been sent.
func (v *visit) look() {
	v.t.Helper()
	synctest.Wait()
	for _, frame := range v.take() {
		if m := granted.FindStringSubmatch(frame); m != nil {
			v.recovered = m[2] == v.pid
			if v.recovered && m[1] != v.sid {
				v.t.Fatal("recovered with another id")
			}
			v.sid, v.pid = m[1], m[2]
			continue
		}
		v.receive(frame)
	}
}

func (v *visit) receive(frame string) {
	body, ok := strings.CutPrefix(frame, "2"+prefix(v.namespace))
	if !ok {
		v.events = append(v.events, frame)
		return
	}
	asked := body[0] != '['
	body = strings.TrimLeft(body, "0123456789")
	var args []any
	if err := json.Unmarshal([]byte(body), &args); err != nil {
		v.t.Fatalf("%s: %v", frame, err)
	}
	if offset, ok := args[len(args)-1].(string); ok && !asked {
		v.offset = offset
		args = args[:len(args)-1]
	}
	raw, _ := json.Marshal(args)
	v.events = append(v.events, string(raw))
}

// received fails unless exactly these events came since the last call.
func (v *visit) received(events ...string) {
	v.t.Helper()
	v.look()
	if !slices.Equal(v.events, events) {
		v.t.Fatalf("received %q, want %q", v.events, events)
	}
	v.events = nil
}

func (v *visit) cut() {
	v.t.Helper()
	v.look()
	v.lose()
}

// lose ends the connection with what has been sent last not received.
func (v *visit) lose() {
	v.gone(broken)
	v.conn.Close(0, "")
	synctest.Wait()
	v.take()
}

// mustRecover comes back and fails unless the session goes on.
func (v *visit) mustRecover(h *namespaces.Hub) {
	v.t.Helper()
	v.come(v.t.(*testing.T), h)
	if !v.recovered {
		v.t.Fatal("not recovered")
	}
}

func (v *visit) mustNotRecover(h *namespaces.Hub) {
	v.t.Helper()
	v.come(v.t.(*testing.T), h)
	if v.recovered {
		v.t.Fatal("recovered")
	}
}

// lounge is a namespace that everybody enters with a room of their own choice, and that writes down what it is told.
func lounge(log *[]string) *namespaces.Namespace {
	ns := namespaces.New("/")
	note := func(format string, args ...any) { *log = append(*log, fmt.Sprintf(format, args...)) }
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) {
		note("connect %s %v", s.Identity().Subject, s.Recovered())
	})
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, reason string) {
		note("disconnect %s: %s", s.Identity().Subject, reason)
	})
	namespaces.Handle(ns, "join", func(_ context.Context, s *namespaces.Socket, room string) error { return s.Join(room) })
	return ns
}

func TestRecoveredSocketGoesOn(t *testing.T) {
	var log []string
	ns := lounge(&log)
	namespaces.Handle(ns, "set", func(_ context.Context, s *namespaces.Socket, v string) error { s.SetData(v); return nil })
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		ann.say(`2["join","red"]`, `2["set","hers"]`)
		_ = ns.In("red").Emit("a", 1)
		ann.received(`["a",1]`)
		id := ann.sid
		ann.cut()

		_ = ns.In("red").Emit("b", 2)
		_ = ns.Emit("c")
		_ = ns.In(id).Emit("d", []byte{1, 2})
		_ = ns.In("blue").Emit("not hers")
		_ = ns.In("red").Except(id).Emit("not hers either")
		_ = ns.In("red").Volatile().Emit("gone", 1)
		ann.mustRecover(h)
		ann.received(`["b",2]`, `["c"]`, `51-["d",{"_placeholder":true,"num":0},"`+ann.last()+`"]<0102>`)

		s, ok := ns.Socket(id)
		if data, _ := namespaces.Data[string](s); !ok || !s.Recovered() || data != "hers" || !slices.Equal(s.Rooms(), []string{"red"}) {
			t.Errorf("socket: %v, recovered %v, data %q, rooms %q", ok, s.Recovered(), data, s.Rooms())
		}
		_ = ns.In("red").Emit("e", 3)
		ann.received(`["e",3]`)
		if want := []string{"connect ann false", "disconnect ann: recovered", "connect ann true"}; !slices.Equal(log, want) {
			t.Errorf("handlers: %q, want %q", log, want)
		}
	})
}

// last is the offset in the newest frame with attachments, which receive does not take apart.
func (v *visit) last() string {
	v.look()
	for _, e := range slices.Backward(v.events) {
		if strings.HasPrefix(e, "5") {
			args := e[strings.Index(e, "[") : strings.LastIndex(e, "]")+1]
			var list []any
			_ = json.Unmarshal([]byte(args), &list)
			v.offset, _ = list[len(list)-1].(string)
			return v.offset
		}
	}
	return ""
}

// A client that has received nothing yet has no offset, or that of a session before, and is recovered.
func TestRecoveryWithoutAnOffset(t *testing.T) {
	for _, offset := range []string{"", "of a session before"} {
		t.Run(offset, func(t *testing.T) {
			ns := namespaces.New("/")
			run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				ann := &visit{token: "ann", namespace: "/", session: session{offset: offset, pid: offset}}
				ann.come(t, h)
				ann.cut()
				ann.mustRecover(h)
				ann.received()
				ann.cut()
				_ = ns.Emit("a")
				ann.mustRecover(h)
				ann.received(`["a"]`)
			})
		})
	}
}

// Each message comes once and in order, however often the connection breaks and wherever.
func TestRecoveryAnyNumberOfTimes(t *testing.T) {
	ns := namespaces.New("/")
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		var want []string
		emit := func() {
			want = append(want, fmt.Sprintf(`["n",%d]`, len(want)))
			_ = ns.Emit("n", len(want)-1)
		}
		for round := range 20 {
			emit()
			ann.look()
			emit() // on its way when the connection breaks
			if round%3 == 0 {
				ann.look()
			}
			ann.lose()
			emit()
			if round%4 == 1 { // and breaks again before anything of it has come through
				peer := newPeer(t, h)
				ann.peer = peer
				ann.ask()
				ann.lose()
			}
			emit()
			ann.mustRecover(h)
		}
		ann.received(want...)
	})
}

// A connection that the server still believes in is no obstacle: it is closed without a word.
func TestRecoveryOfAHalfOpenConnection(t *testing.T) {
	var log []string
	one, two := lounge(&log), namespaces.New("/two")
	run(t, recovering(), []*namespaces.Namespace{one, two}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		also := &visit{token: "ann", namespace: "/two", peer: ann.peer}
		also.ask()
		also.look()
		old := ann.peer
		_ = one.Emit("lost on its way")
		_ = two.Emit("too")
		old.take()

		ann.mustRecover(h)
		ann.received(`["lost on its way"]`)
		old.expect()
		if closed, _, _ := old.isClosed(); !closed {
			t.Error("the old connection is open")
		}
		also.peer = ann.peer
		also.ask()
		if also.look(); !also.recovered {
			t.Error("the other namespace was not recovered")
		}
		also.received(`["too"]`)
		old.gone(broken)
		if st := h.Stats(); st.Sockets != 2 || st.Parked != 0 || st.Clients != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestWhatIsNotRecovered(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	cases := map[string]struct {
		meanwhile func(h *namespaces.Hub, ns *namespaces.Namespace, ann *visit)
		why       namespaces.RecoveryFailure
	}{
		"away for too long":         {func(*namespaces.Hub, *namespaces.Namespace, *visit) { time.Sleep(time.Minute) }, "unknown"},
		"too many messages":         {func(_ *namespaces.Hub, ns *namespaces.Namespace, _ *visit) { flood(ns, 257) }, "offset"},
		"too many bytes":            {func(_ *namespaces.Hub, ns *namespaces.Namespace, _ *visit) { _ = ns.Emit("a", long) }, "offset"},
		"an offset that is made up": {func(_ *namespaces.Hub, _ *namespaces.Namespace, v *visit) { v.offset = "x" }, "offset"},
		"an offset from the future": {func(_ *namespaces.Hub, _ *namespaces.Namespace, v *visit) { v.offset = later(v.offset) }, "offset"},
		"an endless offset":         {func(_ *namespaces.Hub, _ *namespaces.Namespace, v *visit) { v.offset = long }, ""},
		"a private id that is made up": {func(_ *namespaces.Hub, _ *namespaces.Namespace, v *visit) {
			v.pid = v.sid + strings.Repeat("A", len(v.pid)-len(v.sid))
		}, "unknown"},
		"a short private id": {func(_ *namespaces.Hub, _ *namespaces.Namespace, v *visit) { v.pid = v.sid }, "unknown"},
		"another user":       {func(_ *namespaces.Hub, _ *namespaces.Namespace, v *visit) { v.token = "eve" }, "user"},
		"revoked": {func(h *namespaces.Hub, _ *namespaces.Namespace, v *visit) {
			if n := h.Revoke(func(id handshake.Identity) bool { return id.Subject == "ann" }, ""); n != 1 {
				v.t.Errorf("%d revoked", n)
			}
		}, "unknown"},
		"disconnected":      {func(_ *namespaces.Hub, ns *namespaces.Namespace, v *visit) { _ = ns.In(v.sid).Disconnect(false) }, "unknown"},
		"disconnected hard": {func(_ *namespaces.Hub, ns *namespaces.Namespace, v *visit) { _ = ns.In(v.sid).Disconnect(true) }, "unknown"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := recovering()
			var why []namespaces.RecoveryFailure
			cfg.Hooks = []namespaces.Hooks{{RecoveryFailed: func(_ *namespaces.Socket, f namespaces.RecoveryFailure) { why = append(why, f) }}}
			ns := namespaces.New("/")
			run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				ann := arrive(t, h, "/", "ann")
				_ = ns.Emit("first")
				ann.received(`["first"]`)
				ann.cut()
				c.meanwhile(h, ns, ann)
				synctest.Wait()
				before := ann.sid
				ann.mustNotRecover(h)
				ann.received()
				if ann.sid == before {
					t.Error("a new socket has the old id")
				}
				if c.why == "" && len(why) != 0 || c.why != "" && !slices.Equal(why, []namespaces.RecoveryFailure{c.why}) {
					t.Errorf("hook: %q, want %q", why, c.why)
				}
				if parked := h.Stats().Parked; parked > 1 || c.why == "offset" && parked != 0 {
					t.Errorf("%d parked", parked)
				}
			})
		})
	}
}

func flood(ns *namespaces.Namespace, n int) {
	for i := range n {
		_ = ns.Emit("n", i)
	}
}

// later is an offset of the same server that has not been given yet.
func later(offset string) string { return offset[:len(offset)-1] + "zz" }

// What fills the tail to the last message, and a client that has the message before it, are still recovered.
func TestRecoveryOfAFullTail(t *testing.T) {
	ns := namespaces.New("/")
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		flood(ns, 300)
		ann.look()
		ann.events = nil
		ann.cut()
		flood(ns, 256)
		ann.mustRecover(h)
		if len(ann.events) != 256 || ann.events[0] != `["n",0]` || ann.events[255] != `["n",255]` {
			t.Errorf("%d events", len(ann.events))
		}
	})
}

// What was sent long ago is forgotten, but the client that has got it goes on.
func TestOldMessagesAreNotKept(t *testing.T) {
	ns := namespaces.New("/")
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann, bob := arrive(t, h, "/", "ann"), arrive(t, h, "/", "bob")
		_ = ns.Emit("a")
		ann.received(`["a"]`) // bob's is lost on its way
		time.Sleep(2 * time.Minute)
		ann.cut()
		bob.lose()
		ann.mustRecover(h)
		bob.mustNotRecover(h)
	})
}

// The client takes a last argument that is a string for the offset: a volatile event that ends so has an offset too.
func TestVolatileEventsDoNotMisleadTheClient(t *testing.T) {
	ns := namespaces.New("/")
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		_ = ns.Emit("a", 1)
		_ = ns.Volatile().Emit("typing", "bob")
		_ = ns.Volatile().Emit("nothing")
		s, _ := ns.Socket(ann.sid)
		_ = s.Volatile().Emit("number", 7)
		_ = s.Volatile().Emit("direct", "x")
		ann.received(`["a",1]`, `["typing","bob"]`, `["nothing"]`, `["number",7]`, `["direct","x"]`)
		ann.cut()
		_ = ns.Volatile().Emit("typing", "bob")
		_ = ns.Emit("b")
		ann.mustRecover(h)
		ann.received(`["b"]`)
		ann.cut()
		ann.mustRecover(h)
		ann.received()
	})
}

// Nothing can be asked of a parked socket, and what is asked of a socket that becomes one is not answered any more.
func TestAcknowledgementsOfParkedSockets(t *testing.T) {
	ns := namespaces.New("/")
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann, bob := arrive(t, h, "/", "ann"), arrive(t, h, "/", "bob")
		s, _ := ns.Socket(ann.sid)
		failed := make(chan error, 1)
		go func() { _, err := s.EmitAck(context.Background(), "question"); failed <- err }()
		ann.received(`["question"]`)
		ann.cut()
		if err := <-failed; err == nil {
			t.Error("answered")
		}
		if _, err := s.EmitAck(context.Background(), "question"); err == nil {
			t.Error("asked")
		}
		asked := make(chan namespaces.Answers, 1)
		go func() { a, _ := ns.EmitAck(context.Background(), "all"); asked <- a }()
		bob.received(`["all"]`)
		bob.say(`32[1]`)
		if a := <-asked; len(a.Replies) != 1 || a.Missing != 0 {
			t.Errorf("%+v", a)
		}
		ann.mustRecover(h)
		ann.received()
	})
}

// A parked socket is no connected one, and stays in its rooms.
func TestWhatAParkedSocketIs(t *testing.T) {
	var log []string
	ns := lounge(&log)
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		ann.say(`2["join","red"]`)
		s, _ := ns.Socket(ann.sid)
		ann.cut()
		_, found := ns.Socket(ann.sid)
		listed := 0
		for range ns.In("red").Sockets(context.Background()) {
			listed++
		}
		if found || s.Connected() || ns.Len() != 0 || listed != 0 || ns.In("red").Count() != 0 {
			t.Error("it is found, connected, counted or listed")
		}
		if st := h.Stats(); st.Parked != 1 || st.Sockets != 0 || st.Clients != 0 || st.Rooms != 1 {
			t.Errorf("%+v", st)
		}
		_ = ns.In("red").Join("blue", "green")
		s.Leave("red")
		_ = s.Emit("direct", 1)
		_ = ns.In("blue").Emit("room")
		if s.Request() == nil || !slices.Equal(s.Rooms(), []string{"green", "blue"}) && !slices.Equal(s.Rooms(), []string{"blue", "green"}) {
			t.Errorf("rooms %q", s.Rooms())
		}
		ann.mustRecover(h)
		ann.received(`["direct",1]`, `["room"]`)
	})
}

// A session that lapses ends as its connection did.
func TestLapsedSession(t *testing.T) {
	var log []string
	ns := lounge(&log)
	cfg := recovering()
	cfg.Hooks = []namespaces.Hooks{{
		SocketParked:  func(s *namespaces.Socket, reason string) { log = append(log, "parked "+reason) },
		SessionLapsed: func(s *namespaces.Socket) { log = append(log, "lapsed "+s.Identity().Subject) },
	}}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		ann.say(`2["join","red"]`)
		ann.cut()
		time.Sleep(time.Minute - time.Second)
		if h.Stats().Parked != 1 {
			t.Error("it lapsed before its time")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st := h.Stats(); st != (namespaces.Stats{}) {
			t.Errorf("ghosts: %+v", st)
		}
		if want := []string{"connect ann false", "parked transport close", "lapsed ann", "disconnect ann: transport close"}; !slices.Equal(log, want) {
			t.Errorf("%q, want %q", log, want)
		}
	})
}

// What a client leaves behind for good is not parked.
func TestWhoLeavesIsNotParked(t *testing.T) {
	ns := namespaces.New("/")
	namespaces.Handle(ns, "kick", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		s.Disconnect(false)
		return nil
	})
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		for _, message := range []string{"1", `2["kick"]`, "not a packet"} {
			ann := arrive(t, h, "/", "ann")
			ann.say(message)
			ann.gone(broken)
			ann.mustNotRecover(h)
			ann.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		}
		if st := h.Stats(); st != (namespaces.Stats{}) {
			t.Errorf("%+v", st)
		}
	})
}

// A handler that is at work when the connection breaks goes on, and what it sends is not lost; the events behind it are
// handled before those of the connection that follows.
func TestHandlersAcrossABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		ns := lounge(&log)
		goOn := make(chan struct{})
		namespaces.Handle(ns, "work", func(_ context.Context, s *namespaces.Socket, n int) error {
			<-goOn
			log = append(log, fmt.Sprint("work ", n))
			_ = s.Emit("done", n)
			return ns.Emit("all", n)
		})
		h := newHub(t, recovering(), ns)
		ann := arrive(t, h, "/", "ann")
		ann.say(`2["work",1]`, `2["work",2]`)
		ann.cut()
		goOn <- struct{}{}
		synctest.Wait()
		ann.mustRecover(h)
		ann.say(`2["work",3]`)
		ann.received(`["done",1]`, `["all",1]`)
		close(goOn)
		ann.received(`["done",2]`, `["all",2]`, `["done",3]`, `["all",3]`)
		want := []string{"connect ann false", "work 1", "work 2", "disconnect ann: recovered", "connect ann true", "work 3"}
		if !slices.Equal(log, want) {
			t.Errorf("%q, want %q", log, want)
		}
	})
}

// What a handler does that is at work when its client comes back is done to the socket that goes on. Its context ends.
func TestHandlersOfASocketThatWasTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		var kept namespaces.Key[int]
		goOn := make(chan struct{})
		namespaces.Handle(ns, "work", func(ctx context.Context, s *namespaces.Socket, how string) error {
			kept.Set(s, 1)
			<-goOn
			if ctx.Err() == nil {
				t.Error("the context goes on")
			}
			switch how {
			case "rooms":
				s.Leave("red")
				return s.Join("blue")
			case "end":
				s.Disconnect(false)
			}
			return nil
		})
		ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { _ = s.Join("red") })
		h := newHub(t, recovering(), ns)
		ann := arrive(t, h, "/", "ann")
		ann.say(`2["work","rooms"]`)
		ann.cut()
		ann.mustRecover(h)
		goOn <- struct{}{}
		synctest.Wait()
		s, ok := ns.Socket(ann.sid)
		if v, _ := kept.Get(s); !ok || v != 1 || !slices.Contains(s.Rooms(), "blue") {
			t.Errorf("%v, kept %d, rooms %q", ok, v, s.Rooms())
		}
		all := 0
		for range ns.All() {
			all++
		}
		if indexed := ns.IndexedUsers("ann"); indexed != 1 || all != 1 {
			t.Errorf("%d sockets of the user are known, %d in all", indexed, all)
		}
		ann.say(`2["work","end"]`)
		ann.cut()
		ann.mustRecover(h)
		goOn <- struct{}{}
		ann.received("1")
		if ns.Len() != 0 || ns.IndexedUsers("ann") != 0 {
			t.Error("it has not ended")
		}
	})
}

// The admission runs for a client that comes back as for any: it may refuse, and what it joins and sends counts.
func TestAdmissionOfAReturn(t *testing.T) {
	var refuse bool
	var seen []string
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
		if refuse {
			return namespaces.Forbidden("not now")
		}
		seen = append(seen, fmt.Sprintf("%s %v", s.ID(), s.Recovered()))
		_ = s.Emit("welcome")
		if s.Recovered() {
			return s.Join("late")
		}
		return nil
	})
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		ann.received(`["welcome"]`)
		ann.cut()
		_ = ns.Emit("missed")
		refuse = true
		ann.come(t, h)
		ann.received(`4{"message":"not now","data":{"code":"forbidden"}}`)
		refuse = false
		ann.gone(broken)
		ann.mustRecover(h)
		ann.received(`["missed"]`, `["welcome"]`)
		_ = ns.In("late").Emit("in")
		ann.received(`["in"]`)
		if want := []string{ann.sid + " false", ann.sid + " true"}; !slices.Equal(seen, want) {
			t.Errorf("the admission saw %q, want %q", seen, want)
		}
	})
}

// A session that ends while the admission of its client runs is not recovered: the admission runs once more, for a new
// socket.
func TestSessionThatEndsDuringTheAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		goOn := make(chan struct{}, 1)
		goOn <- struct{}{}
		ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
			<-goOn
			return s.Join(fmt.Sprintf("%v", s.Recovered()))
		})
		h := newHub(t, recovering(), ns)
		ann := arrive(t, h, "/", "ann")
		ann.cut()
		before := ann.sid
		peer := newPeer(t, h)
		ann.peer = peer
		ann.ask()
		_ = ns.In(before).Disconnect(false)
		close(goOn)
		ann.look()
		s, ok := ns.Socket(ann.sid)
		if ann.recovered || ann.sid == before || !ok || s.Recovered() || !slices.Equal(s.Rooms(), []string{"false"}) {
			t.Errorf("recovered %v, rooms %q", ann.recovered, s.Rooms())
		}
	})
}

// Where the identity of now may not be, a recovered socket does not stay; its refresh handlers say so.
func TestRefreshHandlersSeeAReturn(t *testing.T) {
	ns := namespaces.New("/")
	ns.OnRefresh(func(_ context.Context, s *namespaces.Socket, _ handshake.Identity) error { s.Leave("red"); return nil })
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) {
		if s.Recovered() && s.Joined("red") {
			t.Error("it is still there")
		}
		_ = s.Join("red")
	})
	run(t, recovering(), []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		ann.cut()
		ann.mustRecover(h)
	})
}

// The newest connection of a user replaces the oldest, a parked one among them; a return is not one more.
func TestParkedSocketsCountForTheirUser(t *testing.T) {
	cfg := recovering()
	cfg.MaxPerUser = 1
	one, two := namespaces.New("/"), namespaces.New("/two")
	run(t, cfg, []*namespaces.Namespace{one, two}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		also := &visit{token: "ann", namespace: "/two", peer: ann.peer}
		also.ask()
		also.look()
		ann.cut()
		ann.mustRecover(h)
		also.peer = ann.peer
		also.ask()
		if also.look(); !also.recovered {
			t.Error("the other namespace had to give way")
		}
		ann.cut()
		arrive(t, h, "/", "ann")
		ann.mustNotRecover(h)
		if st := h.Stats(); st.Parked != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A parked session ends with its identity.
func TestParkedSocketsExpire(t *testing.T) {
	cfg := recovering()
	cfg.Gate = namespaces.GateFunc(func(context.Context, *handshake.Request) (handshake.Identity, error) {
		return handshake.Identity{Subject: "ann", ExpiresAt: time.Now().Add(10 * time.Second)}, nil
	})
	var log []string
	run(t, cfg, []*namespaces.Namespace{lounge(&log)}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		ann.cut()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if want := []string{"connect ann false", "disconnect ann: token expired"}; !slices.Equal(log, want) {
			t.Errorf("%q, want %q", log, want)
		}
		ann.mustNotRecover(h)
	})
}

// judge is a rechecker that finds those good that it has not been told of.
type judge struct{ revoked map[string]bool }

func (j *judge) Recheck(id handshake.Identity) error {
	if j.revoked[id.TokenID] {
		return &handshake.Refusal{Code: handshake.CodeTokenInvalid, Message: "revoked"}
	}
	return nil
}

// A session that began with a credential which has been revoked is not recovered with a new one of the same user, even if
// nobody has looked for it yet.
func TestReturnToARevokedSession(t *testing.T) {
	cfg := recovering()
	j := &judge{map[string]bool{}}
	cfg.Rechecker = j
	cfg.Gate = namespaces.GateFunc(func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
		var auth struct{ Token string }
		_ = json.Unmarshal(r.Auth, &auth)
		return handshake.Identity{Subject: "ann", TokenID: auth.Token}, nil
	})
	run(t, cfg, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "stolen")
		ann.cut()
		j.revoked["stolen"] = true
		ann.token = "new"
		ann.mustNotRecover(h)
		if st := h.Stats(); st.Parked != 0 {
			t.Error("the session is still there")
		}
	})
}

// A guest, who has another name on each connection, keeps the first one.
func TestRecoveryOfAGuest(t *testing.T) {
	cfg := recovering()
	n := 0
	cfg.Gate = namespaces.GateFunc(func(context.Context, *handshake.Request) (handshake.Identity, error) {
		n++
		return handshake.Identity{Subject: fmt.Sprint("anonymous:", n), Method: handshake.WayAnonymous}, nil
	})
	ns := namespaces.New("/")
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "")
		ann.cut()
		ann.mustRecover(h)
		if s, _ := ns.Socket(ann.sid); s.Identity().Subject != "anonymous:1" {
			t.Errorf("it is %s now", s.Identity().Subject)
		}
	})
}

// Who leaves many sockets behind makes room for others, and the lot is bounded.
func TestParkedSocketsAreBounded(t *testing.T) {
	cfg := recovering()
	cfg.Recovery.Parked = 10
	lapsed := 0
	cfg.Hooks = []namespaces.Hooks{{SessionLapsed: func(*namespaces.Socket) { lapsed++ }}}
	ns := namespaces.New("/")
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		bob := arrive(t, h, "/", "bob")
		bob.cut()
		var many []*visit
		for range 20 {
			ann := arrive(t, h, "/", "ann")
			ann.cut()
			many = append(many, ann)
		}
		if st := h.Stats(); st.Parked != 10 || lapsed != 11 {
			t.Errorf("%+v, %d lapsed", st, lapsed)
		}
		bob.mustRecover(h)
		many[0].mustNotRecover(h)
		many[19].mustRecover(h)
	})
}

// Thousands of sockets whose network breaks at one moment are parked, collect, and come back.
func TestTenThousandParked(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 10_000
	ns := namespaces.New("/")
	cfg := recovering()
	cfg.MaxPending = n + 1
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		all := make([]*visit, n)
		for i := range all {
			all[i] = arrive(t, h, "/", "u")
		}
		for _, v := range all {
			v.gone(broken)
		}
		synctest.Wait()
		if st := h.Stats(); st.Parked != n || st.Clients != 0 {
			t.Fatalf("%+v", st)
		}
		flood(ns, 3)
		for _, v := range all[:100] {
			v.mustRecover(h)
			v.received(`["n",0]`, `["n",1]`, `["n",2]`)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := h.Stats(); st.Parked != 0 || st.Sockets != 100 {
			t.Fatalf("%+v", st)
		}
	})
}

// The private id is a secret: nobody is told it but the client.
func TestPrivateIDStaysOut(t *testing.T) {
	ns := namespaces.New("/")
	var out bytes.Buffer
	cfg := recovering()
	cfg.Logger = slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		secret := strings.TrimPrefix(ann.pid, ann.sid)
		if len(secret) < 22 || secret == ann.pid {
			t.Errorf("the private id is %q", ann.pid)
		}
		ann.cut()
		ann.mustRecover(h)
		ann.cut()
		ann.offset = "made up"
		ann.mustNotRecover(h)
		if log := out.String(); strings.Contains(log, secret) || !strings.Contains(log, ann.sid) {
			t.Errorf("log: %s", log)
		}
	})
}

// Without recovery there is no private id, no offset, and nothing is parked.
func TestNoRecoveryWhereItIsOff(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		id := p.enter("/", "ann")
		_ = ns.Emit("a", 1)
		p.expect(`2["a",1]`)
		p.gone(broken)
		synctest.Wait()
		if st := h.Stats(); id == "" || st != (namespaces.Stats{}) {
			t.Errorf("%+v", st)
		}
	})
}

// A cluster's adapter gives offsets of its own.
func TestOffsetOfAnAdapter(t *testing.T) {
	ns := namespaces.New("/")
	var local namespaces.Local
	cfg := recovering()
	cfg.Adapter = func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) { local = l; return l, nil }
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		ann := arrive(t, h, "/", "ann")
		op := &namespaces.Operation{Packet: packet.Packet{Type: packet.Event, Namespace: "/", Event: "e", Offset: "12-0"}}
		_ = local.Broadcast(op)
		ann.received(`["e"]`)
		if ann.offset != "12-0" {
			t.Errorf("offset %q", ann.offset)
		}
		ann.cut()
		ann.mustRecover(h)
		ann.received()
	})
}
