package namespaces_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// broken is the end of a transport whose client comes back.
var broken = namespaces.End{Reason: namespaces.ReasonTransportClose, Lost: true}

// recovering is a hub that keeps sessions for a minute.
func recovering() namespaces.Config {
	return namespaces.Config{Recovery: namespaces.Recovery{For: time.Minute}}
}

// session is what the JavaScript client keeps of a socket.
type session struct{ sid, pid, offset string }

var granted = regexp.MustCompile(`^0(?:/[a-z]+,)?\{"sid":"([^"]+)","pid":"([^"]+)"\}$`)

// visit is a client that keeps the private id and the offset, as socket.io-client does, and brings them when it comes
// back.
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

// come connects, with the private id and the offset of the session before.
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

// lose ends the connection; the client has not received the last messages.
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

// lounge is a namespace whose users enter a room of their choice. It writes down the calls of its handlers.
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

// last returns the offset in the newest frame with attachments, which receive does not decode.
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

// A client that has received nothing yet has no offset, or the offset of an earlier session. It is recovered, too.
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
			if round%4 == 1 { // and breaks again before any of it has come through
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

// A connection that the server still takes for alive is no obstacle: it is closed without a word.
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

// later is an offset that the server has not given out yet.
func later(offset string) string { return offset[:len(offset)-1] + "zz" }

// A client is still recovered when its missed messages fill the tail.
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

// Old messages are forgotten, but a client that has received them is recovered.
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

// EmitAck on a parked socket fails, and so does one under way when a socket is parked.
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
