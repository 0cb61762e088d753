package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// In a fleet with a Node server every operation works in both directions.
func TestNodesStreamsAdapterIsPartOfTheFleet(t *testing.T) {
	r := startRedis(t)
	heard := make(chan string, 10)
	nodes := fleet(t, r, 2, NodeConfig{}, greets(heard))
	ours := []*guest{nodes[0].visit(), nodes[1].visit()}
	node := startPeer(t, "streams", r)
	readsTheStream(t, nodes[0], node)
	t.Run("ours reach Node's", func(t *testing.T) { oursReachNode(t, nodes, node, heard) })
	t.Run("Node's reach ours", func(t *testing.T) { nodeReachesOurs(t, nodes, ours, node, heard) })
	t.Run("questions of ours", func(t *testing.T) { oursAskNode(t, nodes, node) })
	t.Run("questions of Node's", func(t *testing.T) { nodeAsksOurs(t, ours, node) })
	t.Run("an emitter", func(t *testing.T) {
		ours[0].reset()
		r.do(r.client(), "XADD", "socket.io", "*", "uid", "emitter", "nsp", "/", "type", "3",
			"data", `{"packet":{"type":2,"data":["emitted",1]},"opts":{"rooms":["room"],"except":[]}}`)
		if got := ours[0].expect(1); got[0] != `2["emitted",1]` {
			t.Errorf("%q", got)
		}
	})
	t.Run("disconnecting", func(t *testing.T) {
		ours[1].reset()
		node.do(map[string]any{"do": "disconnect", "room": ours[1].id})
		ours[1].expect(1)
		if err := nodes[0].ns.In(node.id).Disconnect(false); err != nil {
			t.Fatal(err)
		}
		node.find("disconnected", nil)
	})
}

// greets makes a namespace answer the event "hello" of other servers and report its arguments.
func greets(heard chan string) func(*namespaces.Namespace) {
	return func(ns *namespaces.Namespace) {
		ns.OnServer("hello", func(_ context.Context, args packet.Args) (packet.Args, error) {
			if args.Len() == 0 {
				return packet.Args{}, nil
			}
			heard <- string(args.Raw(0))
			return packet.NewArgs("from gatehouse")
		})
	}
}

// readsTheStream waits until Node's server has begun to read: it starts at the end of the stream.
func readsTheStream(t *testing.T, m *member, node *peer) {
	t.Helper()
	seen := 0
	until(t, "Node's server reads the stream", func() bool {
		_ = m.ns.In(node.id).Emit("warm")
		node.mu.Lock()
		defer node.mu.Unlock()
		seen = 0
		node.said = slices.DeleteFunc(node.said, func(line string) bool { seen++; return strings.Contains(line, "warm") })
		return seen > 0
	})
}

func oursReachNode(t *testing.T, nodes []*member, node *peer, heard chan string) {
	if err := nodes[0].ns.In("room").Emit("event", 1, map[string]any{"b": []byte{1, 2}}); err != nil {
		t.Fatal(err)
	}
	if err := nodes[0].ns.In("room").Emit("plain", "é😀"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"got":["event",1,{"b":{"$bytes":[1,2]}}]}`, `{"got":["plain","é😀"]}`} {
		if got := findEvent(node); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if err := nodes[0].ns.In(node.id).Join("lounge"); err != nil {
		t.Fatal(err)
	}
	// With a second room the event takes the same channel as the join in the mode "sharded"; the room's own channel may
	// not be there yet.
	_ = nodes[0].ns.In("lounge", "nowhere").Emit("in the lounge")
	if err := nodes[0].ns.In("lounge").Leave("lounge"); err != nil {
		t.Fatal(err)
	}
	_ = nodes[0].ns.In("lounge", "nowhere").Emit("not there")
	_ = nodes[0].ns.Emit("last")
	for _, want := range []string{`{"got":["in the lounge"]}`, `{"got":["last"]}`} {
		if got := findEvent(node); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if err := nodes[0].ns.ServerEmit("hello", "servers"); err != nil {
		t.Fatal(err)
	}
	if got := node.find("heard", nil); got != `{"heard":["servers"]}` {
		t.Errorf("%s", got)
	}
	if got := <-heard; got != `"servers"` {
		t.Errorf("the other node heard %s", got)
	}
}

// findEvent returns the next event that Node's client got, without those that test whether it listens and those of its own
// server.
func findEvent(node *peer) string {
	for {
		if got := node.find("got", nil); !strings.Contains(got, "warm") && !strings.Contains(got, "1970") && !strings.Contains(got, "text") {
			return got
		}
	}
}

func nodeReachesOurs(t *testing.T, nodes []*member, ours []*guest, node *peer, heard chan string) {
	for _, g := range ours {
		g.reset()
	}
	node.do(map[string]any{"do": "emit", "room": "room", "event": "text", "args": []any{1, "é", nil}})
	node.do(map[string]any{"do": "bytes", "room": "room", "event": "bytes"})
	node.do(map[string]any{"do": "join", "room": ours[1].id, "rooms": []string{"bar"}})
	node.do(map[string]any{"do": "emit", "room": []string{"bar", "nowhere"}, "event": "in the bar", "args": []any{}})
	node.do(map[string]any{"do": "leave", "room": "bar", "rooms": []string{"bar"}})
	node.do(map[string]any{"do": "emit", "room": []string{"bar", "nowhere"}, "event": "not there", "args": []any{}})
	node.do(map[string]any{"do": "emit", "event": "last", "args": []any{}})
	common := []string{`2["text",1,"é",null]`, `51-["bytes",{"b":{"_placeholder":true,"num":0}},"1970-01-01T00:00:00.000Z"]<0102>`}
	if got, want := ours[0].expect(3), append(common, `2["last"]`); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	if got, want := ours[1].expect(4), append(common[:2:2], `2["in the bar"]`, `2["last"]`); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	node.do(map[string]any{"do": "server", "event": "hello", "args": []any{"from node"}})
	for range nodes {
		if got := <-heard; got != `"from node"` {
			t.Errorf("%s", got)
		}
	}
}

func oursAskNode(t *testing.T, nodes []*member, node *peer) {
	ids := map[string]namespaces.Info{}
	for info, err := range nodes[0].ns.In("room").Sockets(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids[info.ID] = info
	}
	if theirs, ok := ids[node.id]; !ok || len(ids) != 3 || !slices.Contains(theirs.Rooms, "room") || len(theirs.Handshake) == 0 {
		t.Errorf("%+v", ids)
	}
	if n, err := nodes[0].node.adapter("/").Nodes(t.Context()); n != 3 || err != nil {
		t.Errorf("%d nodes, %v", n, err)
	}
	answers, err := nodes[0].ns.In(node.id).EmitAck(t.Context(), "question")
	if err != nil || len(answers.Replies) != 1 || string(answers.Replies[0].Args.Raw(0)) != `"from node"` {
		t.Errorf("%+v, %v", answers, err)
	}
	answers, err = nodes[0].ns.ServerEmitAck(t.Context(), "hello", 7)
	var texts []string
	for _, a := range answers.Replies {
		texts = append(texts, string(a.Args.Raw(0)))
	}
	slices.Sort(texts)
	if want := []string{`"from gatehouse"`, `{"node":[7]}`}; err != nil || !slices.Equal(texts, want) {
		t.Errorf("%q, %v", texts, err)
	}
}

func nodeAsksOurs(t *testing.T, ours []*guest, node *peer) {
	var sockets []struct {
		ID    string
		Rooms []string
	}
	node.ask(map[string]any{"do": "fetch", "room": "room"}, &sockets)
	if len(sockets) != 3 || !slices.Contains(sockets[1].Rooms, "room") {
		t.Errorf("%+v", sockets)
	}
	for i, g := range ours {
		g.answers(func(id string) string { return fmt.Sprintf(`3%s["ours",%d]`, id, i) })
	}
	var replies []json.RawMessage
	node.ask(map[string]any{"do": "ask", "room": "room", "event": "question"}, &replies)
	if len(replies) != 3 {
		t.Errorf("%s", replies)
	}
	node.ask(map[string]any{"do": "serverAsk", "event": "hello", "args": []any{1}}, &replies)
	if len(replies) != 2 || string(replies[0]) != `"from gatehouse"` {
		t.Errorf("%s", replies)
	}
}

func (g *guest) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = nil
}

// answers makes the client acknowledge events that ask for it.
func (g *guest) answers(packet func(id string) string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = func(text string) string {
		id, _, _ := strings.Cut(strings.TrimPrefix(text, "2"), "[")
		if _, err := strconv.ParseUint(id, 10, 64); err != nil || !strings.HasPrefix(text, "2") {
			return "" // asks for none
		}
		return packet(id)
	}
}
