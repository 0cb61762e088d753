package namespaces_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

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

// A session that lapses ends with the reason for which its connection ended.
func TestLapsedSession(t *testing.T) {
	var log []string
	ns := lounge(&log)
	cfg := recovering()
	cfg.Hooks = []namespaces.Hooks{{
		SocketParked:  func(_ *namespaces.Socket, reason string) { log = append(log, "parked "+reason) },
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

// A client that leaves for good has no parked socket.
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

// A handler that runs when the connection breaks goes on, and its events are not lost; the events that wait behind it
// are handled before those of the next connection.
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

// A handler that runs while its client comes back acts on the socket that goes on. Its context ends.
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

// The admission runs for a client that comes back, as for any other: it may refuse, and its joins and emits take
// effect.
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

// A recovered socket does not stay where its present identity may not be; its refresh handlers decide that.
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

// The newest connection of a user replaces the oldest, even a parked one. A return does not count as one more
// connection.
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

// judge is a rechecker that refuses the identities that it has been told of.
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
		return handshake.Identity{Subject: fmt.Sprint("anonymous:", n), Method: handshake.MethodAnonymous}, nil
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

// Without recovery there are no private ids and no offsets, and nothing is parked.
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
