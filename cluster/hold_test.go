package cluster

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
	relays "gatehouse/namespaces/relay"
)

// joinRelay starts a node with a configured namespace that tells who is in its rooms.
func joinRelay(t *testing.T, r *redisServer, cfg NodeConfig, quiet int) chatter {
	t.Helper()
	client := r.client()
	cfg.Client = func() (rueidis.Client, error) { return client, nil }
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	m := startMember(t, cfg, "/unused")
	rules := relays.Config{Rooms: []relays.RoomRule{{Match: "doc:{id}", Join: "true", Presence: true}}}
	definition, one, err := relays.Mount("/chat", rules, relays.Deps{Grace: 50 * time.Millisecond, Quiet: quiet})
	if err != nil {
		t.Fatal(err)
	}
	marks := new(atomic.Int32)
	count := namespaces.Hooks{Emitted: func(_ *namespaces.Namespace, e namespaces.Emitted) {
		if e.Event == "mark" {
			marks.Add(1)
		}
	}}
	hub := namespaces.Config{
		Gate: everybody, Adapter: m.node.Adapter, Hooks: []namespaces.Hooks{count}, Recovery: namespaces.Recovery{For: cfg.Recovery},
	}
	if m.hub, err = namespaces.NewHub(hub, definition); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.leave()
		one.Close()
	})
	m.until("the node is ready", func() bool { return m.node.Status().Ready })
	return chatter{m, marks}
}

// present joins doc:1 or asks who is there, and returns the answer in short: "2: ann bob".
func (g *talker) present(event, after string) string {
	g.m.t.Helper()
	var v struct {
		OK      bool
		Count   int
		Members []struct {
			User  string
			State json.RawMessage
		}
		More bool
	}
	answer := g.ask(event, map[string]string{"room": "doc:1", "after": after})
	if err := json.Unmarshal(answer, &v); err != nil || !v.OK {
		g.m.t.Fatalf("%s, %v", answer, err)
	}
	text := fmt.Sprint(v.Count, ":")
	for _, m := range v.Members {
		text += " " + m.User + string(m.State)
	}
	return text
}

// news returns the presence events that a client has got, in short: "joined bob".
func (g *talker) news() (all []string) {
	for _, text := range g.texts() {
		rest, ok := strings.CutPrefix(text, `2/chat,["presence:`)
		if !ok {
			continue
		}
		kind, content, _ := strings.Cut(strings.TrimSuffix(rest, "]"), `",`)
		var c struct {
			User  string
			Count int
		}
		_ = json.Unmarshal([]byte(content), &c)
		if kind == "count" {
			c.User = fmt.Sprint(c.Count)
		}
		all = append(all, kind+" "+c.User)
	}
	return all
}

func (g *talker) hears(news ...string) {
	g.m.t.Helper()
	g.m.until(fmt.Sprintf("the news are %q, not %q", news, g.news()), func() bool { return slices.Equal(g.news(), news) })
}

// A configured room has one presence on all nodes: one list, and one announcement when a user comes or goes.
func TestPresenceIsOneOnAllNodes(t *testing.T) {
	for _, mode := range []Mode{ModeStreams, ModePubSub} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			one, two := joinRelay(t, r, NodeConfig{Mode: mode}, 0), joinRelay(t, r, NodeConfig{Mode: mode}, 0)
			for _, m := range []chatter{one, two} {
				m.until("the nodes know each other", func() bool { return len(m.node.Nodes()) == 2 })
			}
			ann, bob, tab := one.visitChat("ann"), two.visitChat("bob"), two.visitChat("ann")
			if got := ann.present("room:join", ""); got != "1: ann" {
				t.Errorf("the first is told %q", got)
			}
			two.hasHeard(one) // or bob would hear of ann
			if got := bob.present("room:join", ""); got != "2: ann bob" {
				t.Errorf("the second is told %q", got)
			}
			ann.hears("joined bob")
			ann.ask("presence:set", map[string]any{"room": "doc:1", "state": 1})
			bob.hears("state ann")
			if got := tab.present("room:join", ""); got != "2: ann1 bob" {
				t.Errorf("another tab is told %q", got)
			}
			if got := tab.present("presence:get", "ann"); got != "2: bob" {
				t.Errorf("behind ann are %q", got)
			}
			ann.ask("room:leave", map[string]string{"room": "doc:1"})
			tab.client.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
			bob.hears("state ann", "left ann")
			if got := bob.present("presence:get", ""); got != "1: bob" {
				t.Errorf("at the end there are %q", got)
			}
		})
	}
}

// A user whose session moves to another node stays in the room, is there once, and leaves no ghost at the node of before.
func TestPresenceMovesWithASession(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	one, two := joinRelay(t, r, NodeConfig{Recovery: time.Minute}, 0), joinRelay(t, r, NodeConfig{Recovery: time.Minute}, 0)
	for _, m := range []chatter{one, two} {
		m.until("the nodes know each other", func() bool { return len(m.node.Nodes()) == 2 })
	}
	held := func(m chatter) int {
		users, err := m.node.adapter("/chat").list(t.Context(), m.node.uid)
		if err != nil {
			t.Fatal(err)
		}
		return len(users)
	}
	bob := two.visitChat("bob")
	bob.present("room:join", "")
	ann, session := one.returnToChat("ann", "")
	if got := ann.present("room:join", ""); got != "2: ann bob" {
		t.Errorf("ann is told %q", got)
	}
	one.storedIn("/chat", session.SID)
	ann, again := two.returnToChat("ann", session.PID)
	if again != session {
		t.Fatalf("%+v, want %+v", again, session)
	}
	one.until("the first node has nobody", func() bool { return held(one) == 0 })
	two.until("the second has both", func() bool { return bob.present("presence:get", "") == "2: ann bob" })
	ann.ask("room:leave", map[string]string{"room": "doc:1"})
	two.until("ann is gone", func() bool { return bob.present("presence:get", "") == "1: bob" })
}

func TestAQuietRoomTellsTheCountOfAllNodes(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	one, two := joinRelay(t, r, NodeConfig{}, 1), joinRelay(t, r, NodeConfig{}, 1)
	ann, bob := one.visitChat("ann"), two.visitChat("bob")
	ann.present("room:join", "")
	bob.present("room:join", "")
	ann.hears("count 2")
	bob.ask("room:leave", map[string]string{"room": "doc:1"})
	ann.hears("count 2", "count 1")
}

func TestPresenceLapsesWithItsNodeAndOutlivesRedis(t *testing.T) {
	t.Parallel() // it waits until a lease has lapsed
	r := startRedis(t)
	one, two := joinRelay(t, r, NodeConfig{}, 0), joinRelay(t, r, NodeConfig{}, 0)
	ann, bob := one.visitChat("ann"), two.visitChat("bob")
	ann.present("room:join", "")
	bob.present("room:join", "")
	ann.hears("joined bob")
	client := r.client()
	until(t, "the nodes have leases", func() bool {
		leases, _ := client.Do(t.Context(), client.B().Hlen().Key("socket.io:{socket.io}:%2Fchat:leases").Build()).AsInt64()
		return leases == 2
	})
	one.node.mu.RLock()
	a := one.node.adapters["/chat"]
	one.node.mu.RUnlock()
	if err := a.bury(t.Context(), two.node.uid); err != nil { // as if only that node could not reach Redis for a while
		t.Fatal(err)
	}
	ann.hears("joined bob", "left bob", "joined bob") // when it is back
	r.do(client, "FLUSHALL")
	until(t, "both are members again", func() bool { return ann.present("presence:get", "") == "2: ann bob" })
	until(t, "the node has a lease again", func() bool {
		leases, _ := client.Do(t.Context(), client.B().Hlen().Key("socket.io:{socket.io}:%2Fchat:leases").Build()).AsInt64()
		return leases == 2
	})
	two.node.end() // the node says and does nothing any more
	ann.hears("joined bob", "left bob", "joined bob", "left bob")
	if got := ann.present("presence:get", ""); got != "1: ann" {
		t.Errorf("at the end there are %q", got)
	}
}

// While Redis is away, or does not answer, a join is answered with the members that this node knows. When it is back,
// users who have come, gone or set a state meanwhile are known everywhere, and are announced once; none is lost and
// none stays.
func TestPresenceWithRedisAway(t *testing.T) {
	back := func(r *redisServer) { r.start() } // empty
	for name, c := range map[string]struct {
		mode       Mode
		begin, end func(*redisServer)
	}{
		"it is gone, in the mode streams":  {ModeStreams, (*redisServer).kill, back},
		"it is gone, in the mode pubsub":   {ModePubSub, (*redisServer).kill, back},
		"it does not answer for some time": {ModeStreams, func(r *redisServer) { r.signal(syscall.SIGSTOP) }, func(r *redisServer) { r.signal(syscall.SIGCONT) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // Redis is waited for
			r := startRedis(t)
			cfg := NodeConfig{Mode: c.mode, Settings: Settings{Patience: 100 * time.Millisecond}}
			one, two := joinRelay(t, r, cfg, 0), joinRelay(t, r, cfg, 0)
			ann, bob, dan := one.visitChat("ann"), two.visitChat("bob"), two.visitChat("dan")
			ann.present("room:join", "")
			bob.present("room:join", "")
			ann.hears("joined bob")
			two.hasHeard(one) // or dan would hear of bob
			dan.present("room:join", "")
			ann.hears("joined bob", "joined dan")
			for _, m := range []chatter{one, two} {
				m.until("Redis has been looked at", func() bool { return m.epoch() != "" })
			}

			c.begin(r)
			if got := ann.present("presence:get", ""); got != "1: ann" {
				t.Errorf("without Redis the node says %q", got)
			}
			cleo := one.visitChat("cleo")
			if got := cleo.present("room:join", ""); got != "2: ann cleo" {
				t.Errorf("without Redis who joins is told %q", got)
			}
			ann.ask("presence:set", map[string]any{"room": "doc:1", "state": 7})
			bob.ask("room:leave", map[string]string{"room": "doc:1"})
			c.end(r)

			for _, g := range []*talker{ann, cleo, dan} {
				g.m.until("all know who is there", func() bool { return g.present("presence:get", "") == "3: ann7 cleo dan" })
			}
			if c.mode == ModeStreams { // messages that are published while a link is away are lost
				ann.hearsIn("joined bob", "joined dan", "joined cleo", "state ann", "left bob")
				dan.hearsIn("joined cleo", "state ann", "left bob")
			}
		})
	}
}

// hasHeard waits until all messages of another node so far have come to this one.
func (m chatter) hasHeard(other chatter) {
	m.t.Helper()
	before := m.marks.Load()
	chat, _ := other.hub.Namespace("/chat")
	if err := chat.Emit("mark"); err != nil {
		m.t.Fatal(err)
	}
	m.until("the mark has come", func() bool { return m.marks.Load() > before })
}

// epoch returns the epoch of the rooms in Redis.
func (m chatter) epoch() string {
	m.node.mu.RLock()
	defer m.node.mu.RUnlock()
	p := &m.node.adapters["/chat"].present
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.epoch
}

// hearsIn waits until a client has got each of the changes exactly once, in any order, and nothing else. A state may come
// twice, because it is not known whether a Redis that did not answer has taken it.
func (g *talker) hearsIn(news ...string) {
	g.m.t.Helper()
	slices.Sort(news)
	heard := func() []string {
		all, told := g.news(), map[string]bool{}
		return slices.Sorted(slices.Values(slices.DeleteFunc(all, func(one string) bool {
			again := told[one] && strings.HasPrefix(one, "state ")
			told[one] = true
			return again
		})))
	}
	g.m.until(fmt.Sprintf("%s has the news %q", g.id, news), func() bool { return len(heard()) >= len(news) })
	if got := heard(); !slices.Equal(got, news) {
		g.m.t.Errorf("the news are %q, want %q", got, news)
	}
}
