package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
)

// limited is a fleet with a limit of connections per user.
func limited(t *testing.T, r *redisServer, most int, cfg NodeConfig) []*member {
	t.Helper()
	members := make([]*member, 2)
	for i := range members {
		cfg.Name = fmt.Sprintf("node-%d", i)
		members[i] = joinLimited(t, r, cfg, most, nil)
	}
	for _, m := range members {
		m.until("all nodes are known", func() bool { return len(m.node.Nodes()) == len(members) })
	}
	return members
}

// sign is visitAs for ann, and waits until the node has counted it.
func (m *member) sign() *guest {
	m.t.Helper()
	g := m.visitAs("ann")
	m.until("the node counts it", func() bool { return m.node.users.has(counted{handshake.UserKey{Subject: "ann"}, g.id}) })
	return g
}

func (g *guest) gone() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// counted waits until Redis has these connections of ann.
func (r *redisServer) counted(m *member, client rueidis.Client, want ...*guest) {
	r.t.Helper()
	var ids []string
	for _, g := range want {
		ids = append(ids, g.id)
	}
	slices.Sort(ids)
	order := m.node.users.userKeys(handshake.UserKey{Subject: "ann"})[0]
	until(r.t, fmt.Sprintf("redis has %q", ids), func() bool {
		got, err := client.Do(r.t.Context(), client.B().Zrange().Key(order).Min("0").Max("-1").Build()).AsStrSlice()
		slices.Sort(got)
		return err == nil && slices.Equal(got, ids)
	})
}

func TestReq06_TheOldestConnectionOfAUserGivesWayOnAnyNode(t *testing.T) {
	for _, mode := range []Mode{ModeStreams, ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			client := r.client()
			nodes := limited(t, r, 2, NodeConfig{Mode: mode})
			first, bob := nodes[0].sign(), nodes[0].visitAs("bob")
			r.counted(nodes[0], client, first) // Redis decides which one is the oldest
			second, third := nodes[1].sign(), nodes[1].sign()
			first.m.until("the oldest is closed", first.gone)
			if got := first.texts(); !slices.Equal(got, []string{"1"}) { // so that it stays away
				t.Errorf("the oldest got %q", got)
			}
			r.counted(nodes[0], client, second, third)
			if second.gone() || third.gone() || bob.gone() {
				t.Error("another one was closed, too")
			}
		})
	}
}

// The keys of users are spread over the servers of a Redis Cluster; many users at one moment are told of together.
func TestUsersAreCountedOnARedisCluster(t *testing.T) {
	t.Parallel()
	rc := startRedisCluster(t, 3)
	for _, mode := range []Mode{ModeStreams, ModeSharded} {
		client := rc.client(t)
		cfg := NodeConfig{Mode: mode, Client: func() (rueidis.Client, error) { return client, nil }, Settings: Settings{Key: "on-a-cluster-" + string(mode)}}
		nodes := limited(t, rc.servers[0], 1, cfg)
		const users = 8
		var first, second [users]*guest
		for i := range users {
			first[i] = nodes[0].visitAs(fmt.Sprint("user", i))
		}
		nodes[0].until("all are counted", func() bool { return nodes[0].toldOf(users) })
		for i := range users {
			second[i] = nodes[1].visitAs(fmt.Sprint("user", i))
		}
		for i := range users {
			nodes[0].until(fmt.Sprintf("in the mode %s the older connection of user %d is closed", mode, i), first[i].gone)
			if second[i].gone() {
				t.Errorf("in the mode %s the newer connection of user %d was closed, too", mode, i)
			}
		}
		for _, m := range nodes {
			m.leave()
		}
	}
}

// toldOf reports whether Redis has been told about the given number of connections of this node.
func (m *member) toldOf(n int) bool {
	u := &m.node.users
	u.mu.Lock()
	here := len(u.here)
	waiting := u.doubt || len(u.changed) > 0
	u.mu.Unlock()
	if here != n || waiting {
		return false
	}
	for i := range n { // not one that is still on its way
		key := u.userKeys(handshake.UserKey{Subject: fmt.Sprint("user", i)})[0]
		client, err := m.node.cfg.Client()
		if err != nil {
			return false
		}
		if count, _ := client.Do(m.t.Context(), client.B().Zcard().Key(key).Build()).AsInt64(); count != 1 {
			return false
		}
	}
	return true
}

// A node of a release that does not count users together, or that has no limit, is not disturbed by those that do: it counts its
// own, and theirs make way for each other as before.
func TestUsersAreCountedBesideANodeThatDoesNotCountThem(t *testing.T) {
	r := startRedis(t)
	former := joinFleet(t, r, NodeConfig{Name: "former"}, nil)
	var nodes []*member
	for i := range 2 {
		nodes = append(nodes, joinLimited(t, r, NodeConfig{Name: fmt.Sprint("later-", i)}, 1, nil))
	}
	for _, m := range append([]*member{former}, nodes...) {
		m.until("all nodes are known", func() bool { return len(m.node.Nodes()) == 3 })
	}
	there, first := former.visitAs("ann"), nodes[0].sign()
	r.counted(nodes[0], r.client(), first)
	second := nodes[1].sign()
	first.m.until("the older of those that count is closed", first.gone)
	if there.gone() || second.gone() {
		t.Error("another one was closed, too")
	}
	for _, m := range []*member{former, nodes[0], nodes[1]} {
		if n := m.node.Counts().Refused.Load(); n != 0 {
			t.Errorf("%s has refused %d messages of others", m.node.cfg.Name, n)
		}
	}
}

// Connections of a node that is gone push no other out.
func TestConnectionsOfANodeThatIsGoneDoNotCount(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := limited(t, r, 2, NodeConfig{})
	first, lost := nodes[1].sign(), nodes[0].sign()
	r.counted(nodes[0], client, first, lost)
	nodes[0].die()
	users := &nodes[0].node.users
	r.do(client, "DEL", users.leaseKey(users.owner)) // it lapses
	third := nodes[1].sign()
	r.counted(nodes[1], client, first, third)
	if first.gone() {
		t.Error("the oldest connection had to make way for one of a node that is gone")
	}
}

// A client that is recovered on another node counts there only, though the node before had no time to say so.
func TestWhoIsRecoveredOnAnotherNodeCountsOnce(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := limited(t, r, 2, NodeConfig{Recovery: time.Minute})
	first, _ := nodes[1].come("ann", "", "")
	lost, in := nodes[0].come("ann", "", "")
	if err := nodes[0].ns.In("room").Emit("hi"); err != nil {
		t.Fatal(err)
	}
	offset := lost.expectEvents("hi")
	nodes[0].stored(lost.id)
	r.counted(nodes[0], client, first, lost)
	nodes[0].die()
	back, _ := nodes[1].come("ann", in.PID, offset)
	if back.id != lost.id {
		t.Fatalf("not recovered: %q", back.texts())
	}
	bob, _ := nodes[1].come("bob", "", "")
	owners := nodes[1].node.users.userKeys(handshake.UserKey{Subject: "ann"})[1]
	until(t, "the other node has it", func() bool {
		owner, err := client.Do(t.Context(), client.B().Hget().Key(owners).Field(back.id).Build()).ToString()
		return err == nil && strings.HasPrefix(owner, nodes[1].node.uid)
	})
	r.counted(nodes[1], client, first, back)
	if first.gone() || bob.gone() {
		t.Error("somebody had to make way")
	}
}

// While Redis is away each node counts its own. When it is back, with nothing in it, all are counted.
func TestUsersAreCountedByEachNodeWhileRedisIsAway(t *testing.T) {
	t.Parallel() // it waits until Redis is seen again
	r := startRedis(t)
	nodes := limited(t, r, 1, NodeConfig{Settings: Settings{Patience: 100 * time.Millisecond}})
	r.kill()
	first, second := nodes[0].sign(), nodes[0].sign()
	third := nodes[1].sign()
	first.m.until("the oldest of the node is closed", first.gone)
	if second.gone() || third.gone() {
		t.Error("another one was closed, too")
	}
	r.start()
	second.m.until("one of the two is closed", func() bool { return second.gone() || third.gone() })
	left := third
	if third.gone() { // both are told at once, and a moment decides
		left = second
	}
	r.counted(nodes[1], r.client(), left)
	if left.gone() {
		t.Error("both were closed")
	}
}

// BenchmarkClusterUserCount tells Redis of a connection that has come, and gone, alone and with others.
func BenchmarkClusterUserCount(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			node, _, _ := benchMember(b, startRedis(b), "")
			u := &node.users
			u.owner = "bench"
			u.most.Store(10)
			all, ages := make([]counted, n), make([]time.Duration, n)
			for i := range all {
				all[i] = counted{handshake.UserKey{Subject: fmt.Sprint("user", i)}, "a connection's id"}
			}
			for b.Loop() {
				if err := u.tellOf(b.Context(), all, ages, nil); err != nil {
					b.Fatal(err)
				}
				if err := u.tellOf(b.Context(), nil, nil, all); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*n*b.N), "µs/change")
		})
	}
}
