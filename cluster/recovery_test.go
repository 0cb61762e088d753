package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// recovering is a fleet whose sessions are recovered anywhere.
func recovering(t *testing.T, r *redisServer, n int, define func(*namespaces.Namespace)) []*member {
	t.Helper()
	return fleet(t, r, n, NodeConfig{Recovery: time.Minute}, define)
}

// reply is the answer to a CONNECT.
type reply struct{ SID, PID string }

// come connects a client with its private id and offset.
func (m *member) come(subject, pid, offset string) (*guest, reply) {
	m.t.Helper()
	g := &guest{m: m}
	g.client = m.hub.Connect(g)
	auth, _ := json.Marshal(map[string]string{"token": subject, "pid": pid, "offset": offset})
	g.client.Message(false, append([]byte{'0'}, auth...))
	m.until("the client is admitted", func() bool { return len(g.texts()) > 0 })
	var in reply
	if err := json.Unmarshal([]byte(strings.TrimPrefix(g.texts()[0], "0")), &in); err != nil {
		m.t.Fatalf("%s: %v", g.texts()[0], err)
	}
	g.id = in.SID
	return g, in
}

// recovers connects a client that comes back and must be recovered.
func (m *member) recovers(session reply, offset string) *guest {
	m.t.Helper()
	g, again := m.come("ada", session.PID, offset)
	if again != session {
		m.t.Fatalf("%+v, want %+v", again, session)
	}
	return g
}

// events are the names of the events that a client got, and the offset of the last one.
func (g *guest) events() (names []string, offset string) {
	for _, text := range g.texts() {
		var in []any
		if strings.HasPrefix(text, "2") && json.Unmarshal([]byte(text[1:]), &in) == nil {
			names = append(names, in[0].(string))
			offset, _ = in[len(in)-1].(string)
		}
	}
	return names, offset
}

func (g *guest) expectEvents(want ...string) (offset string) {
	g.m.t.Helper()
	g.m.until(fmt.Sprintf("%q have come, not %q", want, g.texts()), func() bool { got, _ := g.events(); return len(got) >= len(want) })
	got, offset := g.events()
	if !slices.Equal(got, want) {
		g.m.t.Errorf("%q, want %q", got, want)
	}
	return offset
}

// stored waits until Redis has a session as it is now.
func (m *member) stored(id string) { m.storedIn("/", id) }

func (m *member) storedIn(namespace, id string) {
	m.t.Helper()
	m.until("the session is stored", func() bool {
		a := m.node.adapter(namespace)
		owner, _, _, err := a.lookUp(m.t.Context(), id)
		a.holdings.mu.Lock()
		defer a.holdings.mu.Unlock()
		one := a.holdings.held[id]
		return err == nil && one != nil && one.owner == owner && !one.queued && !one.changed
	})
}

// A client whose node dies goes on at another one, with its id, rooms and data, and gets all events once and in order.
func TestAClientOfANodeThatDiesIsRecoveredOnAnother(t *testing.T) {
	type wish struct{ Colour string }
	nodes := recovering(t, startRedis(t), 3, func(ns *namespaces.Namespace) {
		namespaces.Handle(ns, "paint", func(_ context.Context, s *namespaces.Socket, w wish) error {
			s.SetData(w)
			return s.Join("colour:" + w.Colour)
		})
	})
	g, first := nodes[0].come("ada", "", "")
	g.client.Message(false, []byte(`21["paint",{"Colour":"red"}]`))
	nodes[0].until("the answer has come", func() bool { return slices.ContainsFunc(g.texts(), func(s string) bool { return s[0] == '3' }) })
	s, _ := nodes[0].ns.Socket(g.id)
	_ = s.Emit("direct")
	g.expectEvents("direct")
	_ = nodes[1].ns.In("colour:red").Emit("one")
	offset := g.expectEvents("direct", "one")
	_ = nodes[1].ns.In("colour:red").Emit("two")
	_ = nodes[2].ns.In("colour:blue").Emit("not")
	_ = nodes[2].ns.Except("colour:red").Emit("not")
	g.expectEvents("direct", "one", "two")
	_ = s.Emit("three")
	_ = nodes[0].ns.In("colour:red", "room").Emit("four")
	g.expectEvents("direct", "one", "two", "three", "four")
	nodes[0].die()
	_ = nodes[1].ns.In(first.SID).Emit("five")
	_ = nodes[1].ns.In("colour:red").Emit("six")

	back := nodes[1].recovers(first, offset)
	back.expectEvents("two", "three", "four", "five", "six")
	nodes[1].until("the socket is there", func() bool { _, ok := nodes[1].ns.Socket(first.SID); return ok })
	s, _ = nodes[1].ns.Socket(first.SID)
	if w, ok := namespaces.Data[wish](s); !ok || w.Colour != "red" || !s.Recovered() {
		t.Errorf("data %+v %t, recovered %t", w, ok, s.Recovered())
	}
	rooms := s.Rooms()
	slices.Sort(rooms)
	if !slices.Equal(rooms, []string{"colour:red", "room"}) {
		t.Errorf("rooms %q", rooms)
	}
	_ = nodes[2].ns.In("colour:red").Emit("seven")
	last := back.expectEvents("two", "three", "four", "five", "six", "seven")
	nodes[1].stored(first.SID)

	// It goes on to the next node. Its connection at the previous node, which is still open, is closed.
	third := nodes[2].recovers(first, last)
	nodes[1].until("the former owner has nothing of it", func() bool {
		_, there := nodes[1].ns.Socket(first.SID)
		back.mu.Lock()
		defer back.mu.Unlock()
		return !there && back.closed
	})
	_ = nodes[1].ns.In("colour:red").Emit("eight")
	third.expectEvents("eight")
}

// A client that is away while all nodes are replaced, one after the other or all at once, goes on at a node that it has
// never seen: its events are read back from the stream.
func TestAClientIsRecoveredWhenAllNodesHaveBeenReplaced(t *testing.T) {
	for name, ends := range map[string]func(*member){"stopped": (*member).leave, "killed": (*member).die} {
		t.Run(name, func(t *testing.T) {
			r := startRedis(t)
			former := recovering(t, r, 2, enters)
			g, first := former[0].come("ada", "", "")
			g.enter("one")
			former[0].stored(first.SID)
			_ = former[1].ns.In("one").Emit("first")
			offset := g.expectEvents("first")
			former[0].stored(first.SID)
			g.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose, Lost: true})
			for i, event := range []string{"second", "third"} {
				_ = former[i].ns.In("one").Emit(event)
				_ = former[i].ns.In("other").Emit("not")
				if err := former[i].node.adapter("/").carrier.flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			ends(former[0])
			ends(former[1])

			later := joinFleet(t, r, NodeConfig{Name: "later", Recovery: time.Minute}, enters)
			_ = later.ns.In("one").Emit("fourth")
			back := later.recovers(first, offset)
			back.expectEvents("second", "third", "fourth")
		})
	}
}

// A client that enters or leaves a room just when an event to it is carried out gets, recovered on another node, exactly the
// events that it would have got at its first one.
func TestARoomIsEnteredAndLeftBeforeAnEventOrBehindIt(t *testing.T) {
	nodes := recovering(t, startRedis(t), 2, func(ns *namespaces.Namespace) {
		ns.OnOutgoing(func(e namespaces.Emitted) { // at once when the event has been queued
			for s := range ns.All() {
				switch e.Event {
				case "before the entry":
					_ = s.Join("late")
				case "not for who is out":
					s.Leave("out")
				}
			}
		})
	})
	g, first := nodes[0].come("ada", "", "")
	s, _ := nodes[0].ns.Socket(g.id)
	_ = s.Join("out")
	nodes[0].stored(g.id)
	_ = s.Emit("hello")
	offset := g.expectEvents("hello")
	_ = nodes[0].ns.In("late").Emit("before the entry")
	_ = nodes[0].ns.In("room").Except("out").Emit("not for who is out")
	nodes[0].until("the socket has moved", func() bool { return s.Joined("late") && !s.Joined("out") })
	_ = nodes[0].ns.In("late").Emit("behind the entry")
	_ = nodes[0].ns.In("room").Except("out").Emit("for who is not out any more")
	g.expectEvents("hello", "behind the entry", "for who is not out any more")
	_ = s.Join("another") // the record now names the later events as sent, which the client has not got
	nodes[0].stored(g.id)
	nodes[0].die()

	nodes[1].recovers(first, offset).expectEvents("behind the entry", "for who is not out any more")
}

// While an event gets its place no socket is admitted, enters a room or leaves one.
func TestNobodyMovesWhileAnEventGetsItsPlace(t *testing.T) {
	m := recovering(t, startRedis(t), 1, nil)[0]
	g, _ := m.come("ada", "", "")
	s, _ := m.ns.Socket(g.id)
	newcomer := &guest{m: m}
	newcomer.client = m.hub.Connect(newcomer)
	var moves sync.WaitGroup
	op := namespaces.Operation{Packet: packet.Packet{Type: packet.Event, Namespace: "/", Event: "news"}}
	_ = m.node.adapter("/").local.BroadcastAt(&op, func() {
		moves.Go(func() { _ = s.Join("late") })
		moves.Go(func() { s.Leave("room") })
		newcomer.client.Message(false, []byte("0"))
		for range 1000 {
			runtime.Gosched()
		}
		if s.Joined("late") || !s.Joined("room") || len(newcomer.texts()) > 0 {
			t.Error("somebody has moved")
		}
	})
	moves.Wait()
	m.until("the newcomer is admitted", func() bool { return len(newcomer.texts()) > 0 })
	if !s.Joined("late") || s.Joined("room") {
		t.Error("the socket has not moved")
	}
}

// A socket that an operation for all nodes takes out of a room, or puts into one, has that change where it is
// recovered, although its own node could not store it any more.
func TestWhatAllNodesAreToldOfASessionHoldsWhereItIsRecovered(t *testing.T) {
	nodes := recovering(t, startRedis(t), 2, nil)
	g, first := nodes[0].come("ada", "", "")
	s, _ := nodes[0].ns.Socket(g.id)
	_ = s.Join("den")
	nodes[0].stored(g.id)
	_ = s.Emit("hello")
	offset := g.expectEvents("hello")
	nodes[0].die()
	_ = nodes[1].ns.In(g.id).Leave("den")
	_ = nodes[1].ns.In(g.id).Join("hall")
	_ = nodes[1].ns.In("den").Emit("for who is in the den")
	_ = nodes[1].ns.In("hall").Emit("for who is in the hall")

	nodes[1].recovers(first, offset).expectEvents("for who is in the hall")
	nodes[1].until("the socket is there", func() bool { _, ok := nodes[1].ns.Socket(first.SID); return ok })
	s, _ = nodes[1].ns.Socket(first.SID)
	if s.Joined("den") || !s.Joined("hall") {
		t.Errorf("rooms %q", s.Rooms())
	}
}

// A node that loses its connection shortly after it has started reads nothing twice that was there before it, such as takeovers,
// which have no number: the client of one of them would not be sent what came behind it.
func TestANewNodeThatConnectsAgainReadsNothingTwice(t *testing.T) {
	r := startRedis(t)
	nodes := recovering(t, r, 2, enters)
	g, first := nodes[0].come("ada", "", "")
	g.enter("one")
	_ = nodes[1].ns.In("one").Emit("before")
	offset := g.expectEvents("before")
	nodes[0].stored(first.SID)
	nodes[1].recovers(first, offset)
	nodes[1].stored(first.SID)
	fresh := joinFleet(t, r, NodeConfig{Recovery: time.Minute, Name: "fresh"}, enters)
	fresh.until("it is ready", fresh.hearsRooms)
	_ = nodes[0].ns.In("one").Emit("missed")
	listener := fresh.visit()
	listener.enter("one")
	client, stream := r.client(), fresh.node.adapter("/").streamName()
	length := func() uint64 { n, _ := r.do(client, "XLEN", stream).AsUint64(); return n }
	unread := length() - fresh.node.counts.Read.Load()
	r.do(client, "CLIENT", "KILL", "TYPE", "normal")
	_ = nodes[0].ns.In("one").Emit("more")
	fresh.until("it reads again", func() bool { names, _ := listener.events(); return slices.Contains(names, "more") })
	if read := fresh.node.counts.Read.Load(); read > length()-unread {
		t.Errorf("it has read %d entries, %d of the stream were there before it", read, unread)
	}
	fresh.recovers(first, offset).expectEvents("missed", "more")
}

// A local broadcast is for whoever was at its node when it was sent, also when that has moved before it is back from Redis.
func TestALocalBroadcastGoesAfterWhoHasMoved(t *testing.T) {
	nodes := recovering(t, startRedis(t), 2, enters)
	g, first := nodes[0].come("ada", "", "")
	g.enter("one")
	_ = nodes[1].ns.In("one").Emit("before")
	offset := g.expectEvents("before")
	nodes[0].stored(first.SID)
	l := nodes[0].node.adapter("/").lane()
	read := func() string { l.mu.Lock(); defer l.mu.Unlock(); return l.place }
	before := read()
	back := nodes[1].recovers(first, offset)
	nodes[0].until("its socket has ended", func() bool { return !nodes[0].node.adapter("/").local.HasRoom("one") })
	_ = nodes[0].ns.In("one").Local().Emit("not for it any more")
	_ = nodes[0].ns.In("one").Emit("for all")
	back.expectEvents("for all")
	l.mu.Lock()
	l.place = before // as if it had not read of the takeover
	l.mu.Unlock()
	_ = nodes[0].ns.In("one", "two").Local().Emit("late")
	_ = nodes[0].ns.In("two").Local().Emit("for another room")
	back.expectEvents("for all", "late")
}
