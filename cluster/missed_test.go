package cluster

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"gatehouse/namespaces"
)

// The operations of a node are numbered. OnMissed is called right behind the operation that shows a gap.
func TestAGapIsToldWithTheOperationThatShowsIt(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	var told atomic.Pointer[namespaces.Missed]
	m := joinFleet(t, r, NodeConfig{}, func(ns *namespaces.Namespace) {
		ns.OnMissed(func(gap namespaces.Missed) {
			told.Store(&gap)
			_ = ns.In().Local().Emit("missed", gap.Operations)
		})
		ns.OnMissed(func(namespaces.Missed) { panic("ends nothing") })
	})
	g := m.visit()
	client := r.client()
	write := func(number uint64, event string) {
		e := entry{
			uid: "another", namespace: "/", kind: typeBroadcast, number: number,
			data: `{"opts":{"rooms":[],"except":[],"flags":{}},"packet":{"type":2,"data":["` + event + `"]}}`,
		}
		r.do(client, append([]string{"XADD", m.node.cfg.streamName(0), "*"}, e.fields(signer{}, m.node.cfg.streamName(0), m.node.cfg.Now())...)...)
	}
	write(1, "first")
	write(5, "fifth")
	write(6, "sixth")
	if got, want := g.expect(4), []string{`2["first"]`, `2["fifth"]`, `2["missed",3]`, `2["sixth"]`}; !slices.Equal(got, want) {
		t.Errorf("heard %s, want %s", strings.Join(got, " "), strings.Join(want, " "))
	}
	if gap := told.Load(); gap == nil || *gap != (namespaces.Missed{Node: "another", Operations: 3}) {
		t.Errorf("told of %+v", gap)
	}
}

func TestAChatIsToldOfAGap(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	c := joinChat(t, r, NodeConfig{Mode: ModePubSub})
	g := c.visitChat("ada")
	g.ask("room:join", map[string]any{"room": "lobby"})
	g.reset()
	a := c.node.adapter("/chat")
	a.arrived("another", 1)
	a.arrived("another", 3)
	if got := g.expect(1); got[0] != `2/chat,["history:missed",{"room":"lobby"}]` {
		t.Errorf("heard %q", got)
	}
}
