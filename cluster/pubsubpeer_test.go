package cluster

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/namespaces"
)

// In a fleet with a Node server that has the classic adapter, or the sharded one, every operation works in both
// directions.
func TestNodesRedisAdaptersArePartOfTheFleet(t *testing.T) {
	for _, mode := range []Mode{ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			heard := make(chan string, 10)
			nodes := fleet(t, r, 2, NodeConfig{Mode: mode}, greets(heard))
			ours := []*guest{nodes[0].visit(), nodes[1].visit()}
			node := startPeer(t, string(mode), r)
			everybodyHears(t, nodes, ours, node)
			t.Run("ours reach Node's", func(t *testing.T) { oursReachNode(t, nodes, node, heard) })
			t.Run("Node's reach ours", func(t *testing.T) { nodeReachesOurs(t, nodes, ours, node, heard) })
			t.Run("except and volatile", func(t *testing.T) { selects(t, nodes, ours, node) })
			t.Run("questions of ours", func(t *testing.T) { oursAskNode(t, nodes, node) })
			t.Run("questions of Node's", func(t *testing.T) { nodeAsksOurs(t, ours, node) })
			if mode == ModePubSub {
				t.Run("all rooms", func(t *testing.T) { nodeListsRooms(t, ours, node) })
				t.Run("the emitter", func(t *testing.T) { emitterReachesAll(t, ours, node, heard) })
			}
			t.Run("disconnecting", func(t *testing.T) {
				ours[1].reset()
				node.do(map[string]any{"do": "disconnect", "room": ours[1].id})
				ours[1].expect(1)
				if err := nodes[0].ns.In(node.id).Disconnect(false); err != nil {
					t.Fatal(err)
				}
				node.find("disconnected", nil)
			})
			for _, m := range nodes {
				if c := m.node.Counts(); c.Refused.Load()+c.Missing.Load()+c.Dropped.Load() > 0 {
					t.Errorf("%d refused, %d missing, %d dropped", c.Refused.Load(), c.Missing.Load(), c.Dropped.Load())
				}
			}
		})
	}
}

// everybodyHears waits until the channel of the room is heard by all: subscribing takes its time.
func everybodyHears(t *testing.T, nodes []*member, ours []*guest, node *peer) {
	t.Helper()
	readsTheStream(t, nodes[0], node)
	for from := range nodes {
		until(t, "all members of the room hear", func() bool {
			for _, g := range ours {
				g.reset()
			}
			node.mu.Lock()
			node.said = nil
			node.mu.Unlock()
			_ = nodes[from].ns.In("room").Emit("warm")
			_ = nodes[from].ns.In("room").Emit("warm")
			node.do(map[string]any{"do": "emit", "room": "room", "event": "warm", "args": []any{}})
			node.find("got", nil)
			return len(ours[0].texts()) > 1 && len(ours[1].texts()) > 1
		})
	}
	// An operation under way has come when a later event has.
	node.do(map[string]any{"do": "emit", "room": "room", "event": "end of warming", "args": []any{}})
	for _, g := range ours {
		until(t, "the warming ends", func() bool { return slices.Contains(g.texts(), `2["end of warming"]`) })
	}
	until(t, "the warming ends", func() bool { return strings.Contains(node.find("got", nil), "end of warming") })
}

// selects tests everything that narrows a broadcast.
func selects(t *testing.T, nodes []*member, ours []*guest, node *peer) {
	for _, g := range ours {
		g.reset()
	}
	node.do(map[string]any{"do": "emit", "room": "room", "except": ours[0].id, "event": "except", "args": []any{}})
	node.do(map[string]any{"do": "emit", "room": []string{"room", "bar"}, "flag": "volatile", "event": "volatile", "args": []any{}})
	if got, want := ours[0].expect(1), []string{`2["volatile"]`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// In the mode "sharded" an event to one room takes another channel than one to two rooms.
	got := ours[1].expect(2)
	slices.Sort(got)
	if want := []string{`2["except"]`, `2["volatile"]`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	_ = nodes[1].ns.In("room").Except(node.id).Emit("not for Node's")
	_ = nodes[1].ns.In("room").Emit("for Node's")
	for got := ""; !strings.Contains(got, `"for Node's"`); {
		if got = findEvent(node); strings.Contains(got, "not for Node's") {
			t.Error(got)
		}
	}
}

func nodeListsRooms(t *testing.T, ours []*guest, node *peer) {
	want := []string{"bar", "room", node.id, ours[0].id, ours[1].id}
	slices.Sort(want)
	var rooms []string
	node.ask(map[string]any{"do": "rooms"}, &rooms)
	slices.Sort(rooms)
	if !slices.Equal(slices.DeleteFunc(rooms, func(r string) bool { return r == "lounge" }), slices.DeleteFunc(want, func(r string) bool { return r == "bar" })) {
		t.Errorf("%q, want %q", rooms, want)
	}
}

func emitterReachesAll(t *testing.T, ours []*guest, node *peer, heard chan string) {
	for _, g := range ours {
		g.reset()
	}
	emitter := func(call string, fields map[string]any, args ...any) {
		command := map[string]any{"do": "emitter", "call": call, "args": args}
		for k, v := range fields {
			command[k] = v
		}
		node.do(command)
	}
	emitter("emit", map[string]any{"room": "room"}, "emitted", 1)
	node.do(map[string]any{"do": "emitterBytes", "room": "room", "event": "bytes"})
	emitter("emit", map[string]any{"except": ours[1].id}, "except")
	emitter("socketsJoin", map[string]any{"room": ours[0].id}, []string{"den"})
	emitter("emit", map[string]any{"room": "den"}, "in the den")
	emitter("socketsLeave", map[string]any{"room": "den"}, "den")
	emitter("emit", map[string]any{"room": []string{"den"}}, "not there")
	emitter("emit", nil, "last")
	common := []string{`2["emitted",1]`, `51-["bytes",{"_placeholder":true,"num":0}]<03>`}
	if got, want := ours[0].expect(5), append(common[:2:2], `2["except"]`, `2["in the den"]`, `2["last"]`); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got, want := ours[1].expect(3), append(common[:2:2], `2["last"]`); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	for len(heard) > 0 {
		<-heard // of the questions before
	}
	emitter("serverSideEmit", nil, "hello", "from the emitter")
	for range 2 {
		if got := <-heard; got != `"from the emitter"` {
			t.Errorf("%s", got)
		}
	}
}

// Nodes in the modes that publish reach each other's sockets with every operation, signed or not.
func TestFleetsThatPublishReachEachOther(t *testing.T) {
	for _, cfg := range []NodeConfig{
		{Mode: ModePubSub}, {Mode: ModeSharded},
		{Mode: ModePubSub, Secret: []byte("a secret of the fleet that is long enough")},
		{Mode: ModeSharded, Secret: []byte("a secret of the fleet that is long enough")},
	} {
		t.Run(string(cfg.Mode)+" "+map[bool]string{true: "signed", false: "open"}[cfg.Secret != nil], func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			heard := make(chan string, 10)
			nodes := fleet(t, r, 3, cfg, greets(heard))
			var guests []*guest
			for _, m := range nodes {
				guests = append(guests, m.visit())
			}
			guests[2].answers(func(id string) string { return "3" + id + `["two",2]` })
			for _, m := range nodes {
				m.until("the rooms are heard", m.hearsRooms)
			}
			publishing(t, nodes, guests)
			if err := nodes[0].ns.ServerEmit("hello", "x"); err != nil {
				t.Error(err)
			}
			for range 2 {
				<-heard
			}
			for _, m := range nodes {
				if c := m.node.Counts(); c.Refused.Load()+c.Missing.Load()+c.Dropped.Load() > 0 {
					t.Errorf("%d refused, %d missing, %d dropped", c.Refused.Load(), c.Missing.Load(), c.Dropped.Load())
				}
			}
		})
	}
}

func publishing(t *testing.T, nodes []*member, guests []*guest) {
	if err := nodes[0].ns.In(guests[1].id, guests[2].id).Join("lounge"); err != nil {
		t.Fatal(err)
	}
	for n := range 50 {
		if err := nodes[0].ns.In("room").Emit("n", n, []byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range guests {
		got := g.expect(50)
		for n := range 50 {
			if want := `51-["n",`; !strings.HasPrefix(got[n], want) {
				t.Fatalf("%q", got[n])
			}
		}
	}
	answers, err := nodes[1].ns.In(guests[2].id).EmitAck(t.Context(), "who")
	if err != nil || len(answers.Replies) != 1 || answers.Replies[0].Args.Len() != 2 || answers.Replies[0].Socket != guests[2].id {
		t.Errorf("%+v, %v", answers, err)
	}
	var in []string
	for info, err := range nodes[2].ns.In("lounge").Sockets(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, info.ID)
	}
	want := []string{guests[1].id, guests[2].id}
	slices.Sort(in)
	slices.Sort(want)
	if !slices.Equal(in, want) {
		t.Errorf("%q, want %q", in, want)
	}
	if n, err := nodes[0].node.adapter("/").Nodes(t.Context()); n != 3 || err != nil {
		t.Errorf("%d nodes, %v", n, err)
	}
	var replies namespaces.Answers
	if replies, err = nodes[0].ns.ServerEmitAck(t.Context(), "hello"); err != nil || len(replies.Replies) != 2 {
		t.Errorf("%+v, %v", replies, err)
	}
}
