package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
)

// enters makes a namespace take its client into a room, and answer when that is stored.
func enters(ns *namespaces.Namespace) {
	namespaces.Handle(ns, "enter", func(_ context.Context, s *namespaces.Socket, room string) error { return s.Join(room) })
}

// enter makes a client enter a room, and waits until it is there or has ended.
func (g *guest) enter(room string) {
	g.m.t.Helper()
	g.client.Message(false, []byte(`2["enter","`+room+`"]`))
	g.m.until("the client is in the room", func() bool {
		s, there := g.m.ns.Socket(g.id)
		return !there || slices.Contains(s.Rooms(), room)
	})
}

// inRedis returns the record of a session.
func inRedis(m *member, c rueidis.Client, id string) map[string]string {
	m.t.Helper()
	fields, err := c.Do(m.t.Context(), c.B().Hgetall().Key(m.node.adapter("/").sessionKey(id)).Build()).AsStrMap()
	if err != nil {
		m.t.Fatal(err)
	}
	return fields
}

// A node whose store Redis refuses, because another node has the session, ends its socket: neither storing again, nor the end,
// touches the other node's record.
func TestAStoreThatRedisRefusesEndsTheSessionHere(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	m := recovering(t, r, 1, enters)[0]
	key := func(id string) string { return m.node.adapter("/").sessionKey(id) }
	g, in := m.come("ada", "", "")
	m.stored(in.SID)
	r.do(client, "HSET", key(in.SID), "o", "another.1", "d", "its record") // the entry that would tell the node so is lost
	g.enter("one")
	m.until("the socket has ended", func() bool { _, there := m.ns.Socket(in.SID); return !there })
	m.until("its connection is closed", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.closed })
	sessions{m.node.adapter("/")}.Drop(in.SID, true)
	if err := m.node.adapter("/").carrier.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := inRedis(m, client, in.SID); got["o"] != "another.1" || got["d"] != "its record" {
		t.Errorf("the other node's record is %v", got)
	}
	m.node.adapter("/").holdings.mu.Lock()
	defer m.node.adapter("/").holdings.mu.Unlock()
	if n := len(m.node.adapter("/").holdings.held); n != 0 {
		t.Errorf("%d sessions are held", n)
	}
}

// A failover that loses a takeover leaves the record with the former owner. The new one takes it over anew when it stores the
// session the next time, and the client goes on at a third node with everything.
func TestATakeoverThatAFailoverLosesIsMadeAgain(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := recovering(t, r, 3, enters)
	_, first := nodes[0].come("ada", "", "")
	nodes[0].stored(first.SID)
	before := inRedis(nodes[0], client, first.SID)
	key := nodes[0].node.adapter("/").sessionKey(first.SID)

	g := nodes[1].recovers(first, "")
	nodes[1].stored(first.SID)
	r.do(client, "HSET", key, "o", before["o"], "d", before["d"], "s", before["s"])
	g.enter("one")
	nodes[1].stored(first.SID)
	_ = nodes[2].ns.In("one").Emit("in one")
	g.expectEvents("in one")
	nodes[1].die()

	back := nodes[2].recovers(first, "")
	back.expectEvents("in one")
	_ = nodes[0].ns.In("one").Emit("more")
	back.expectEvents("in one", "more")
}

// When a client comes back to the node that has its session, the node becomes a new owner: another node that has taken
// the session over before, and lost that in a failover, cannot repeat the takeover.
func TestWhoCameBackToTheFormerOwnerStaysThere(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	m := recovering(t, r, 1, enters)[0]
	_, first := m.come("ada", "", "")
	m.stored(first.SID)
	before := inRedis(m, client, first.SID)
	m.recovers(first, "")
	m.stored(first.SID)
	after := inRedis(m, client, first.SID)
	got, err := r.do(client, "EVAL", storeScript, "1", m.node.adapter("/").sessionKey(first.SID), "b.1", "late", "", "60000", before["o"]).AsInt64()
	if err != nil || got != 0 || after["o"] == before["o"] {
		t.Errorf("the store of another node returns %d, %v; the owner is %q, was %q", got, err, after["o"], before["o"])
	}
}

// A Redis that has lost its newest entries gets the sessions back that stood beside them, without a change of theirs.
func TestSessionsThatRedisHasLostAreStoredAgain(t *testing.T) {
	r := startRedis(t)
	nodes := recovering(t, r, 2, enters)
	g, first := nodes[0].come("ada", "", "")
	g.enter("one")
	_ = nodes[1].ns.In("one").Emit("before")
	offset := g.expectEvents("before")
	nodes[0].stored(first.SID)
	r.kill()
	r.start()
	client := r.client()
	nodes[1].until("the session is there again", func() bool { return inRedis(nodes[1], client, first.SID)["d"] != "" })
	nodes[0].die()
	_ = nodes[1].ns.In("one").Emit("after")
	back := nodes[1].recovers(first, offset)
	back.expectEvents("after")
}

// A Redis whose scripts were flushed still stores sessions, and no event comes twice.
func TestSessionsAreStoredThoughRedisForgetsTheScripts(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := recovering(t, r, 2, enters)
	g, first := nodes[0].come("ada", "", "")
	nodes[0].stored(first.SID)
	r.do(client, "SCRIPT", "FLUSH")
	g.enter("one")
	_ = nodes[0].ns.In("one").Emit("news")
	offset := g.expectEvents("news")
	nodes[0].until("the room is stored", func() bool { return strings.Contains(inRedis(nodes[0], client, first.SID)["d"], `"one"`) })
	nodes[0].stored(first.SID)
	nodes[0].die()
	_ = nodes[1].ns.In("one").Emit("after")
	back := nodes[1].recovers(first, offset)
	back.expectEvents("after")
}

// deaf is a carrier that carries no operations.
type deaf struct{ carrier }

func (deaf) publish(*action) {}

// A change stays unconfirmed when an earlier store comes back: if the node goes on alone then, it gives up the session and
// does not tell its client.
func TestAChangeIsOnItsWayUntilItsOwnStoreIsBack(t *testing.T) {
	a := &adapter{carrier: deaf{}, node: &Node{uid: "here"}}
	sessions{a}.Keep("session", true)
	one := a.holdings.held["session"]
	one.queued = false // written
	sessions{a}.Keep("session", true)
	one.queued = false
	one.kept(false)
	if !one.changed {
		t.Error("the second change counts as stored when the first one is")
	}
	one.kept(false)
	if one.changed {
		t.Error("a change is on its way when all are back")
	}
}
