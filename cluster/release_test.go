package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/packet/msgpack"
)

// Two releases work side by side: a release ignores fields that it does not know, and drops and counts messages of versions
// that it does not know, which are not counted as lost.
func TestALaterReleaseIsUnderstoodAsFarAsItCanBe(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	m := joinFleet(t, r, NodeConfig{}, nil)
	g := m.visit()
	add := func(n int, version, event string) {
		r.do(client, "XADD", "socket.io", "*", "uid", "later", "nsp", "/", "type", "3", "v", version, "n", fmt.Sprint(n), "new", "field",
			"data", `{"packet":{"type":2,"data":["`+event+`"],"new":1},"opts":{"rooms":[],"except":[],"flags":{"new":{}},"new":[]},"new":null}`)
	}
	add(1, "1", "one")
	add(2, "2", "two")
	add(3, "1", "three")
	if got, want := g.expect(2), []string{`2["one"]`, `2["three"]`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if c := m.node.Counts(); c.Refused.Load() != 1 || c.Missing.Load() != 0 {
		t.Errorf("%d refused, %d missing", c.Refused.Load(), c.Missing.Load())
	}
	say := func(version int, name string) {
		b, _ := msgpack.AppendJSON(nil, fmt.Appendf(nil,
			`{"uid":"%s","nsp":"","type":102,"v":%d,"new":[],"data":{"node":{"name":%q,"beat":1,"new":{}},"new":1}}`, name, version, name), msgpack.Attachments{})
		r.do(client, "PUBLISH", "socket.io-gatehouse", rueidis.BinaryString(b))
	}
	say(2, "much-later")
	say(1, "later")
	until(t, "the later release is there", func() bool { return len(m.node.Nodes()) == 2 })
	if nodes := m.node.Nodes(); nodes[1].Name != "later" || m.node.Counts().Refused.Load() != 2 {
		t.Errorf("%+v, %d refused", nodes, m.node.Counts().Refused.Load())
	}
}

// The clocks of nodes may differ by a minute, also where messages are signed and dated. Three minutes are too much.
func TestClocksMayDifferByAMinute(t *testing.T) {
	r := startRedis(t)
	cfg := NodeConfig{Secret: []byte("a secret of the fleet that is long enough"), Settings: Settings{Patience: time.Second, BacklogAge: time.Second}}
	ahead := func(d time.Duration) *member {
		c := cfg
		c.Now = func() time.Time { return time.Now().Add(d) }
		return joinFleet(t, r, c, nil)
	}
	right, fast, slow, wrong := ahead(0), ahead(time.Minute), ahead(-time.Minute), ahead(5*time.Minute)
	for _, m := range []*member{right, fast, slow} {
		m.until("the nodes know each other", func() bool { return len(m.node.Nodes()) == 3 })
	}
	here, there := fast.visit(), slow.visit()
	_ = wrong.ns.In("room").Emit("wrong")
	_ = fast.ns.In("room").Emit("fast")
	_ = right.ns.In("room").Emit("right")
	for _, g := range []*guest{here, there} {
		g.expect(2)
		for _, text := range g.texts() {
			if strings.Contains(text, "wrong") {
				t.Error(text)
			}
		}
	}
	n := 0
	for _, err := range slow.ns.In("room").Sockets(t.Context()) {
		if n++; err != nil {
			t.Error(err)
		}
	}
	if n != 2 {
		t.Errorf("%d sockets", n)
	}
}

// A second node of one name does not start, and says what to do. When the first has left, or died, the name is free.
func TestTwoNodesOfOneNameAreRefused(t *testing.T) {
	t.Parallel() // it waits for as long as a node that has died would keep its name
	r := startRedis(t)
	one := joinFleet(t, r, NodeConfig{Name: "a"}, nil)
	if err := one.node.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := r.client()
	start := func() *Node {
		n, err := Start(NodeConfig{Name: "a", Client: func() (rueidis.Client, error) { return client, nil }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close(t.Context()) })
		return n
	}
	two := start()
	err := two.Join(t.Context())
	if !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), "cluster.name") || !strings.Contains(err.Error(), one.node.ID()) {
		t.Errorf("%v", err)
	}
	_ = two.Close(t.Context())
	one.leave()
	if err := start().Join(t.Context()); err != nil {
		t.Error(err)
	}
}
