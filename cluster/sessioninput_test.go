package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gatehouse/namespaces"
)

// Invalid records of a session, and invalid claims of a client, recover nobody: the client is admitted as a new one at once.
// The last case is valid, which shows why the others fail.
func TestNonsenseInARecordRecoversNobody(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := recovering(t, r, 2, nil)
	_, first := nodes[0].come("ada", "", "")
	nodes[0].stored(first.SID)
	good := inRedis(nodes[0], client, first.SID)
	key := nodes[0].node.adapter("/").sessionKey(first.SID)
	with := func(changes map[string]any) string {
		var fields map[string]any
		if err := json.Unmarshal([]byte(good["d"]), &fields); err != nil {
			t.Fatal(err)
		}
		maps.Copy(fields, changes)
		maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
		text, _ := json.Marshal(fields)
		return string(text)
	}
	stay := func(room any) map[string]any {
		return map[string]any{"stays": []any{map[string]any{"room": room, "from": "0-0"}}}
	}
	rooms := make([]any, 17_000)
	for i := range rooms {
		rooms[i] = map[string]any{"room": fmt.Sprint(i), "from": "0-0"}
	}
	day := (24 * time.Hour).Milliseconds()
	bad := map[string]string{
		"no text": "", "no JSON": "nonsense", "half of it": good["d"][:len(good["d"])/2], "a list": "[]", "a number": "1", "null": "null",
		"too large": strings.Repeat(" ", maxSession) + good["d"], "nested too deeply": strings.Repeat("[", 1<<17),
		"a later version": with(map[string]any{"v": formVersion + 1}), "another namespace": with(map[string]any{"namespace": "/other"}),
		"no id": with(map[string]any{"id": nil}), "another id": with(map[string]any{"id": strings.Repeat("x", len(first.SID))}),
		"no key": with(map[string]any{"key": nil}), "another key": with(map[string]any{"key": "x"}),
		"no user": with(map[string]any{"identity": nil}), "another user": with(map[string]any{"identity": map[string]any{"subject": "eve"}}),
		"a user that is a list":   with(map[string]any{"identity": []any{}}),
		"a user that has expired": with(map[string]any{"identity": map[string]any{"subject": "ada", "expires_at": "2001-01-01T00:00:00Z"}}),
		"a room that is a number": with(stay(7)), "a room that is a map": with(stay(map[string]any{})), "a room without a name": with(stay("")),
		"a room whose name is too long": with(stay(strings.Repeat("r", 1<<16))), "a room that means a user": with(stay("\x00subject\x00eve")),
		"too many rooms": with(map[string]any{"stays": rooms}), "rooms that are a text": with(map[string]any{"stays": "room"}),
		"places that are none": with(map[string]any{"baseAt": "x", "place": "-", "floor": "9-9-9"}),
		"stored long ago":      with(map[string]any{"stored": time.Now().UnixMilli() - day}), "stored tomorrow": with(map[string]any{"stored": time.Now().UnixMilli() + day}),
	}
	put := func(fields ...string) {
		r.do(client, "DEL", key)
		r.do(client, slices.Concat([]string{"HSET", key}, fields)...)
	}
	fails := func(name, pid string) {
		t.Helper()
		if _, again := nodes[1].come("ada", pid, ""); again.SID == first.SID {
			t.Errorf("%s: the client is recovered", name)
		}
	}
	for name, text := range bad {
		put("o", "dead.1", "d", text)
		fails(name, first.PID)
	}
	for name, owner := range map[string]string{"no owner": "", "over": over, "an owner that is too long": strings.Repeat("o", 1<<10)} {
		put("o", owner, "d", good["d"])
		fails(name, first.PID)
	}
	for _, other := range [][]string{{"SET", key, "text"}, {"RPUSH", key, "o", "d"}, {"HSET", key, "d", good["d"]}} {
		r.do(client, "DEL", key)
		r.do(client, other...)
		fails(other[0], first.PID)
	}
	put("o", "dead.1", "d", good["d"])
	secret := first.PID[len(first.SID):]
	for _, pid := range []string{
		"x", first.SID, secret + first.SID, first.SID + strings.Repeat("A", len(secret)), first.PID + "A", first.PID[:len(first.PID)-1] + "\x00",
		strings.Repeat("{", len(first.PID)), strings.Repeat("é", len(first.PID)/2), strings.Repeat("p", 1<<16),
	} {
		fails(fmt.Sprintf("private id %.50q", pid), pid)
	}
	nodes[1].recovers(first, "")
}

// A session keeps the rooms that its node had allowed; the node that it comes to allows no further ones.
func TestALowerLimitOfRoomsRecoversWhoHasMore(t *testing.T) {
	nodes := recovering(t, startRedis(t), 2, enters)
	g, in := nodes[0].come("ada", "", "")
	for _, room := range []string{"one", "two", "three"} {
		g.enter(room)
	}
	nodes[0].stored(in.SID)
	use, err := nodes[1].hub.PrepareLimits(namespaces.Config{SocketLimits: namespaces.SocketLimits{MaxRooms: 1}})
	if err != nil {
		t.Fatal(err)
	}
	use()
	for _, from := range []string{"another node", "the same node"} {
		g = nodes[1].recovers(in, "")
		s, _ := nodes[1].ns.Socket(in.SID)
		if got := slices.Sorted(slices.Values(s.Rooms())); !slices.Equal(got, []string{"one", "room", "three", "two"}) {
			t.Errorf("from %s into %q", from, got)
		}
		if err := s.Join("four"); !errors.Is(err, namespaces.ErrTooManyRooms) {
			t.Errorf("from %s, a room more: %v", from, err)
		}
		g.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose, Lost: true})
	}
}

// An invalid record under the key of a session is replaced when the session is stored: it does not stop the node from
// writing.
func TestNonsenseUnderTheKeyOfASessionStopsNobody(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := recovering(t, r, 2, enters)
	g, in := nodes[0].come("ada", "", "")
	nodes[0].stored(in.SID)
	key := nodes[0].node.adapter("/").sessionKey(in.SID)
	r.do(client, "DEL", key)
	r.do(client, "SET", key, "text")
	g.enter("one")
	nodes[0].stored(in.SID)
	_ = nodes[1].ns.In("one").Emit("in one")
	g.expectEvents("in one")
	r.do(client, "DEL", key)
	r.do(client, "SADD", key, "text")
	g.client.Message(false, []byte("1"))
	nodes[0].until("the end is stored", func() bool {
		o, err := client.Do(t.Context(), client.B().Hget().Key(key).Field("o").Build()).ToString()
		return err == nil && o == over
	})
	if nodes[0].node.Status().Alone {
		t.Error("the node is alone")
	}
}

// Of two nodes that take one session over at the same instant one gets it, and its client has each event once.
func TestOneOfTwoNodesGetsASession(t *testing.T) {
	nodes := recovering(t, startRedis(t), 3, enters)
	for round := range 5 {
		g, first := nodes[0].come("ada", "", "")
		g.enter("one")
		_ = nodes[0].ns.In(first.SID).Emit("before")
		offset := g.expectEvents("before")
		nodes[0].stored(first.SID)
		_ = nodes[0].ns.In(first.SID).Emit("missed")
		found, err := sessions{nodes[1].node.adapter("/")}.Find(t.Context(), first.SID)
		if err != nil || found == nil {
			t.Fatal(found, err)
		}
		var taken [2]*namespaces.Session
		var all sync.WaitGroup
		for i := range taken {
			all.Go(func() {
				copied := *found
				taken[i], _ = sessions{nodes[1+i].node.adapter("/")}.Take(t.Context(), &copied)
			})
		}
		all.Wait()
		if (taken[0] == nil) == (taken[1] == nil) {
			t.Fatalf("round %d: taken by %v", round, taken)
		}
		winner := nodes[1]
		if taken[0] == nil {
			winner = nodes[2]
		}
		back, again := winner.come("ada", first.PID, offset)
		if again.SID != first.SID {
			t.Fatalf("round %d: %+v, want %+v", round, again, first)
		}
		_ = nodes[0].ns.In(first.SID).Emit("after")
		back.expectEvents("missed", "after")
		back.client.Message(false, []byte("1"))
	}
}

// A client that comes back while Redis is away, stopped, full, or has forgotten everything, is admitted as a new one,
// after cluster.patience at most; once Redis is back, sessions are recovered again.
func TestWhoComesBackWithoutRedisIsANewClient(t *testing.T) {
	outages := map[string]func(r *redisServer, back func()){
		"away": func(r *redisServer, back func()) { r.kill(); back(); r.start() },
		"stopped": func(r *redisServer, back func()) {
			r.signal(syscall.SIGSTOP)
			back()
			r.signal(syscall.SIGCONT)
		},
		"full": func(r *redisServer, back func()) {
			c := r.client()
			r.do(c, "CONFIG", "SET", "maxmemory", "1")
			back()
			r.do(c, "CONFIG", "SET", "maxmemory", "0")
		},
		"empty": func(r *redisServer, back func()) { r.kill(); r.start(); back() },
	}
	for name, outage := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			nodes := fleet(t, r, 2, NodeConfig{Recovery: time.Minute, Settings: Settings{Patience: 300 * time.Millisecond}}, enters)
			_, first := nodes[0].come("ada", "", "")
			nodes[0].stored(first.SID)
			nodes[0].die()
			outage(r, func() {
				if _, again := nodes[1].come("ada", first.PID, ""); again.SID == first.SID {
					t.Error("the client is recovered")
				}
			})
			nodes[1].until("the node is with Redis again", func() bool { return !nodes[1].node.Status().Alone && nodes[1].node.Status().Backlog == 0 })
			_, second := nodes[1].come("bob", "", "")
			nodes[1].stored(second.SID)
			if _, again := nodes[1].come("bob", second.PID, ""); again != second {
				t.Errorf("%+v, want %+v", again, second)
			}
		})
	}
}

// The clocks of two nodes may differ by a minute, with a secret too.
func TestClocksThatDifferByAMinuteRecoverEverybody(t *testing.T) {
	r := startRedis(t)
	cfg := NodeConfig{Recovery: 30 * time.Second, Secret: []byte(strings.Repeat("secret ", 8))}
	var nodes []*member
	for i := range 3 {
		cfg.Name = fmt.Sprint("node-", i)
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(i-1) * time.Minute) }
		nodes = append(nodes, joinFleet(t, r, cfg, nil))
	}
	_, first := nodes[0].come("ada", "", "")
	for i := range 2 * len(nodes) {
		m := nodes[i%len(nodes)]
		if i > 0 {
			if _, again := m.come("ada", first.PID, ""); again != first {
				t.Fatalf("node %d: %+v, want %+v", i, again, first)
			}
		}
		m.stored(first.SID)
	}
}
