package cluster

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
)

// chatRooms is how many rooms of a chat a socket may be in.
const chatRooms = 4

// chatter is a node with the chat.
type chatter struct {
	*member
	marks *atomic.Int32 // how many marks of other nodes have come; nil in the chat
}

func joinChat(t *testing.T, r *redisServer, cfg NodeConfig) chatter {
	t.Helper()
	client := r.client()
	cfg.Client = func() (rueidis.Client, error) { return client, nil }
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	m := startMember(t, cfg, "/unused")
	var err error
	m.hub, err = namespaces.NewHub(namespaces.Config{Gate: everybody, Adapter: m.node.Adapter, SocketLimits: namespaces.SocketLimits{MaxRooms: chatRooms}}, chat.New(chat.Config{Limits: chat.Limits{HistoryMessages: 50}}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.leave)
	m.until("the node is ready", func() bool { return m.node.Status().Ready })
	return chatter{member: m}
}

// talker is a client of a chat.
type talker struct {
	*guest
	asked int
}

// visitChat connects a client to the chat as a user.
func (c chatter) visitChat(user string) *talker {
	g, _ := c.returnToChat(user, "")
	return g
}

// returnToChat connects a client to the chat with its private id.
func (c chatter) returnToChat(user, pid string) (*talker, reply) {
	c.t.Helper()
	g := &guest{m: c.member}
	g.client = c.hub.Connect(g)
	g.client.Message(false, fmt.Appendf(nil, `0/chat,{"token":%q,"pid":%q,"offset":""}`, user, pid))
	c.until("the client is admitted", func() bool { return len(g.texts()) > 0 })
	var in reply
	_ = json.Unmarshal([]byte(strings.TrimPrefix(g.texts()[0], "0/chat,")), &in)
	g.reset()
	return &talker{guest: g}, in
}

// ask sends an event and returns its acknowledgement.
func (g *talker) ask(event string, in any) json.RawMessage {
	g.m.t.Helper()
	g.asked++
	text, _ := json.Marshal(in)
	g.client.Message(false, fmt.Appendf(nil, `2/chat,%d[%q,%s]`, g.asked, event, text))
	prefix, answer := fmt.Sprintf(`3/chat,%d[`, g.asked), ""
	g.m.until("the acknowledgement of "+event, func() bool {
		for _, got := range g.texts() {
			if rest, ok := strings.CutPrefix(got, prefix); ok {
				answer = strings.TrimSuffix(rest, "]")
			}
		}
		return answer != ""
	})
	return json.RawMessage(answer)
}

type roomView struct {
	OK       bool
	Count    int
	Members  []chat.Member
	History  []chat.Message
	Complete bool
}

func (g *talker) join(room, since string) (v roomView) {
	g.m.t.Helper()
	answer := g.ask("room:join", map[string]string{"room": room, "since": since})
	if err := json.Unmarshal(answer, &v); err != nil || !v.OK {
		g.m.t.Fatalf("%s, %v", answer, err)
	}
	return v
}

func (g *talker) say(room, text, nonce string) (id string) {
	g.m.t.Helper()
	var sent struct {
		OK bool
		ID string
	}
	answer := g.ask("message:send", map[string]string{"room": room, "text": text, "nonce": nonce})
	if err := json.Unmarshal(answer, &sent); err != nil || !sent.OK {
		g.m.t.Fatalf("%s, %v", answer, err)
	}
	return sent.ID
}

// heard returns the texts of the messages that have come.
func (g *talker) heard() (texts []string) {
	for _, got := range g.texts() {
		if rest, ok := strings.CutPrefix(got, `2/chat,["message",`); ok {
			var m chat.Message
			_ = json.Unmarshal([]byte(strings.TrimSuffix(rest, "]")), &m)
			texts = append(texts, m.Text)
		}
	}
	return texts
}

func textsOf(history []chat.Message) (texts []string) {
	for _, m := range history {
		texts = append(texts, m.Text)
	}
	return texts
}

var chatFleets = []NodeConfig{
	{}, {Secret: []byte("a secret of the fleet that is long enough")}, {Mode: ModePubSub}, {Mode: ModeSharded},
}

// A room of the chat is one on all nodes: its history, its members, its nonces.
func TestARoomOfTheChatIsOneOnAllNodes(t *testing.T) {
	for _, cfg := range chatFleets {
		t.Run(string(cfg.withDefaults().Mode)+" "+map[bool]string{true: "signed", false: "open"}[cfg.Secret != nil], func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			one, two := joinChat(t, r, cfg), joinChat(t, r, cfg)
			for _, m := range []chatter{one, two} {
				m.until("the namespace is heard", func() bool { return m.node.Status().Ready })
			}
			ann, bob, tab := one.visitChat("ann"), two.visitChat("bob"), two.visitChat("ann")
			if v := ann.join("r", ""); v.Count != 1 || !v.Complete || len(v.History) > 0 {
				t.Errorf("%+v", v)
			}
			first := ann.say("r", "one", "n1")
			v := bob.join("r", "")
			if !slices.Equal(textsOf(v.History), []string{"one"}) || !v.Complete || v.Count != 2 || len(v.Members) != 2 {
				t.Errorf("%+v", v)
			}
			ann.m.until("ann hears of bob", func() bool {
				return slices.Contains(ann.texts(), `2/chat,["member:joined",{"room":"r","user":"bob","name":"bob"}]`)
			})
			bob.say("r", "two", "")
			ann.m.until("ann hears bob", func() bool { return slices.Contains(ann.heard(), "two") })
			tab.join("r", "")
			if again := tab.say("r", "one", "n1"); again != first { // the same user, on another node
				t.Errorf("%s, want %s", again, first)
			}
			if v := tab.join("r", first); !slices.Equal(textsOf(v.History), []string{"two"}) || !v.Complete {
				t.Errorf("%+v", v)
			}
			ann.ask("room:leave", map[string]string{"room": "r"})
			if v := bob.join("r", "0000000000000001"); v.Count != 2 || v.Complete || len(v.History) != 2 {
				t.Errorf("ann is there with another tab; %+v", v)
			}
			tab.client.Closed(namespaces.End{Reason: "transport close"})
			bob.m.until("bob hears that ann has left", func() bool {
				return slices.Contains(bob.texts(), `2/chat,["member:left",{"room":"r","user":"ann","name":"ann"}]`)
			})
		})
	}
}

// A socket that cannot enter a room takes no other socket out of it, not even one of the same user.
func TestAFailedJoinLeavesTheUsersOtherSocketInTheRoom(t *testing.T) {
	for _, mode := range []Mode{ModeStreams, ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			one := joinChat(t, startRedis(t), NodeConfig{Mode: mode})
			ann, tab, bob := one.visitChat("ann"), one.visitChat("ann"), one.visitChat("bob")
			ann.join("r", "")
			for i := range chatRooms {
				tab.ask("room:join", map[string]string{"room": fmt.Sprint("another ", i)})
			}
			if got := string(tab.ask("room:join", map[string]string{"room": "r"})); !strings.Contains(got, chat.CodeTooManyRooms) {
				t.Fatal(got)
			}
			if v := bob.join("r", ""); v.Count != 2 {
				t.Errorf("ann is there; %+v", v)
			}
			for _, text := range ann.texts() {
				if strings.Contains(text, `"member:left"`) {
					t.Error(text)
				}
			}
			ann.ask("room:leave", map[string]string{"room": "r"})
			if v := bob.join("r", ""); v.Count != 1 {
				t.Errorf("ann has left; %+v", v)
			}
		})
	}
}

// A user whom the API takes out of a room, and who joins again, is there once, and nobody stays after leaving.
func TestWhoIsTakenOutOfARoomAndComesBackCountsOnce(t *testing.T) {
	for _, mode := range []Mode{ModeStreams, ModePubSub} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			one := joinChat(t, startRedis(t), NodeConfig{Mode: mode})
			ann, bob := one.visitChat("ann"), one.visitChat("bob")
			first := ann.join("r", "")
			bob.join("r", "")
			bob.say("r", "before", "")
			ns, _ := one.hub.Namespace("/chat")
			if err := ns.In("room:r").Leave("room:r"); err != nil {
				t.Fatal(err)
			}
			one.until("both are out", func() bool {
				return strings.Contains(string(ann.ask("message:send", map[string]string{"room": "r", "text": "x"})), chat.CodeNotInRoom)
			})
			one.until("ann is no member any more", func() bool { return bob.join("r", "").Count == 1 })
			if v := ann.join("r", ""); first.Count != 1 || v.Count != 2 || !slices.Contains(textsOf(v.History), "before") {
				t.Errorf("before %+v, after %+v", first, v)
			}
			bob.say("r", "after", "")
			one.until("ann is in the room again", func() bool { return slices.Contains(ann.heard(), "after") })
			ann.ask("room:leave", map[string]string{"room": "r"})
			if v := bob.join("r", ""); v.Count != 1 {
				t.Errorf("ann has left; %+v", v)
			}
		})
	}
}

// A socket that enters a room while others send to it from all nodes misses no message between the history and its events,
// and gets none twice; all see one order, that of the history.
func TestEnteringABusyRoomMissesNothingOnAnyNode(t *testing.T) {
	r := startRedis(t)
	one, two := joinChat(t, r, NodeConfig{}), joinChat(t, r, NodeConfig{})
	senders := []*talker{one.visitChat("ann"), two.visitChat("bob")}
	for _, s := range senders {
		s.join("r", "")
	}
	const each = 20
	var sending sync.WaitGroup
	for i, s := range senders {
		sending.Go(func() {
			for k := range each {
				s.say("r", fmt.Sprint(i, " ", k), "")
			}
		})
	}
	var views []roomView
	late := []*talker{one.visitChat("cat"), two.visitChat("dan"), two.visitChat("eve")}
	for _, l := range late {
		views = append(views, l.join("r", ""))
	}
	sending.Wait()
	order := textsOf(one.visitChat("fay").join("r", "").History)
	if len(order) != 2*each {
		t.Fatalf("%d messages", len(order))
	}
	for i, l := range late {
		l.m.until("all has come", func() bool { return len(views[i].History)+len(l.heard()) >= 2*each })
		if got := append(textsOf(views[i].History), l.heard()...); !slices.Equal(got, order) {
			t.Errorf("%q\nwant %q", got, order)
		}
	}
	for _, s := range senders {
		s.m.until("all has come", func() bool { return len(s.heard()) >= 2*each })
		if !slices.Equal(s.heard(), order) {
			t.Errorf("%q\nwant %q", s.heard(), order)
		}
	}
}

// Where nodes publish, a socket that enters a busy room may get a message twice, but misses none: the room is heard before
// its history is read.
func TestEnteringABusyRoomMissesNothingWhereNodesPublish(t *testing.T) {
	for _, mode := range []Mode{ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			one, two := joinChat(t, r, NodeConfig{Mode: mode}), joinChat(t, r, NodeConfig{Mode: mode})
			for _, m := range []chatter{one, two} {
				m.until("the namespace is heard", func() bool { return m.node.Status().Ready })
			}
			sender, late := one.visitChat("ann"), two.visitChat("bob")
			for i := range 4 { // as many as a socket may be in
				name := fmt.Sprint("r", i)
				sender.join(name, "")
				var sending sync.WaitGroup
				sending.Go(func() {
					for k := range 20 {
						sender.say(name, fmt.Sprint(name, " ", k), "")
					}
				})
				view := late.join(name, "")
				sending.Wait()
				late.m.until("all of "+name+" has come", func() bool {
					for k := range 20 {
						if text := fmt.Sprint(name, " ", k); !slices.Contains(textsOf(view.History), text) && !slices.Contains(late.heard(), text) {
							return false
						}
					}
					return true
				})
			}
		})
	}
}

// The members of a node that dies leave its rooms, and only they.
func TestMembersLapseWithTheirNode(t *testing.T) {
	t.Parallel() // it waits until a lease has lapsed
	r := startRedis(t)
	one, two := joinChat(t, r, NodeConfig{}), joinChat(t, r, NodeConfig{})
	ann, bob, tab, cat := one.visitChat("ann"), two.visitChat("bob"), two.visitChat("ann"), two.visitChat("cat")
	for _, g := range []*talker{ann, bob, tab, cat} {
		g.join("r", "")
	}
	client := r.client()
	until(t, "the node has a lease", func() bool {
		leases, _ := client.Do(t.Context(), client.B().Hlen().Key("socket.io:{socket.io}:%2Fchat:leases").Build()).AsInt64()
		return leases == 2
	})
	two.node.end() // the node says and does nothing any more
	one.until("ann hears that bob and cat have left", func() bool {
		left := 0
		for _, text := range ann.texts() {
			if strings.Contains(text, `"member:left"`) {
				left++
			}
		}
		return left == 2
	})
	if v := ann.join("r", ""); v.Count != 1 || len(v.Members) != 1 || v.Members[0].User != "ann" {
		t.Errorf("%+v", v)
	}
}

// A Redis that comes back empty has the members of all nodes again soon, and answers say that the history is not complete.
func TestARedisThatWasEmptiedHasTheMembersAgain(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	one, two := joinChat(t, r, NodeConfig{}), joinChat(t, r, NodeConfig{})
	ann, bob := one.visitChat("ann"), two.visitChat("bob")
	ann.join("r", "")
	bob.join("r", "")
	last := ann.say("r", "before", "")
	client := r.client()
	until(t, "the nodes have leases", func() bool {
		leases, _ := client.Do(t.Context(), client.B().Hlen().Key("socket.io:{socket.io}:%2Fchat:leases").Build()).AsInt64()
		return leases == 2
	})
	r.do(client, "FLUSHALL")
	until(t, "both are members again", func() bool {
		members, _ := client.Do(t.Context(), client.B().Hlen().Key("socket.io:{socket.io}:%2Fchat:members:room%3Ar").Build()).AsInt64()
		return members == 2
	})
	if v := bob.join("r", last); v.Complete || v.Count != 2 || len(v.History) > 0 {
		t.Errorf("%+v", v)
	}
}
