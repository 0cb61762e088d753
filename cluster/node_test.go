package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Events that several nodes emit to a room at once reach all members in one order.
func TestARoomHasOneOrderOnAllNodes(t *testing.T) {
	r := startRedis(t)
	nodes := fleet(t, r, 3, NodeConfig{Settings: Settings{Patience: time.Minute}}, nil)
	var guests []*guest
	for _, m := range nodes {
		guests = append(guests, m.visit(), m.visit())
	}
	const each = 100
	var emitting sync.WaitGroup
	for i, m := range nodes {
		emitting.Go(func() {
			for k := range each {
				if err := m.ns.In("room").Emit("n", i, k, []byte{byte(k)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	emitting.Wait()
	first := guests[0].expect(3 * each)
	for i, g := range guests {
		if got := g.expect(3 * each); !slices.Equal(got, first) {
			t.Errorf("client %d sees another order than the first", i)
		}
	}
}

// Emits of a handler, to rooms and to one client, arrive in the order in which they were made.
func TestEmitsOfAHandlerKeepTheirOrder(t *testing.T) {
	r := startRedis(t)
	nodes := fleet(t, r, 2, NodeConfig{}, func(ns *namespaces.Namespace) {
		namespaces.On(ns, "go", func(_ context.Context, s *namespaces.Socket, n int) (namespaces.None, error) {
			for i := range n {
				_ = s.Namespace().In("room").Emit("room", i)
				_ = s.Emit("own", i)
				_ = s.Namespace().In("room").Local().Emit("local", i)
			}
			return namespaces.None{}, nil
		})
	})
	g := nodes[0].visit()
	g.client.Message(false, []byte(`20["go",50]`))
	got := g.expect(151)
	for i := range 50 {
		want := []string{fmt.Sprintf(`2["room",%d]`, i), fmt.Sprintf(`2["own",%d]`, i), fmt.Sprintf(`2["local",%d]`, i)}
		if !slices.Equal(got[3*i:3*i+3], want) {
			t.Fatalf("message %d: %q, want %q", i, got[3*i:3*i+3], want)
		}
	}
	if last := got[150]; !strings.HasPrefix(last, "30[") {
		t.Errorf("the acknowledgement is not behind what its handler emitted: %q", last)
	}
}

// Sockets of all nodes can be found, moved between rooms and disconnected from any of them.
func TestSocketsAreReachedFromAnyNode(t *testing.T) {
	r := startRedis(t)
	nodes := fleet(t, r, 3, NodeConfig{}, nil)
	one, two, three := nodes[0].visit(), nodes[1].visit(), nodes[2].visit()
	ctx := t.Context()
	if err := nodes[0].ns.In(two.id, three.id).Join("lounge", "bar"); err != nil {
		t.Fatal(err)
	}
	find := func(room string) []string {
		var ids []string
		for info, err := range nodes[0].ns.In(room).Sockets(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, info.ID)
		}
		slices.Sort(ids)
		return ids
	}
	both := []string{two.id, three.id}
	slices.Sort(both)
	until(t, "both are in the lounge", func() bool { return slices.Equal(find("lounge"), both) })
	if err := nodes[2].ns.In("bar").Except(three.id).Leave("lounge"); err != nil {
		t.Fatal(err)
	}
	until(t, "one has left", func() bool { return slices.Equal(find("lounge"), []string{three.id}) })
	if err := nodes[1].ns.In("bar").Emit("drink", []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*guest{two, three} {
		if got := g.expect(1); got[0] != `51-["drink",{"_placeholder":true,"num":0}]<0102>` {
			t.Errorf("%q", got)
		}
	}
	if err := nodes[0].ns.In("bar").Disconnect(false); err != nil {
		t.Fatal(err)
	}
	two.expect(2)
	until(t, "nobody else is left", func() bool { return slices.Equal(find("room"), []string{one.id}) })
}

// An operation that names more rooms than the other nodes would read is refused; the largest allowed one reaches
// them.
func TestAnOperationNamesAsManyAsTheOtherNodesRead(t *testing.T) {
	nodes := fleet(t, startRedis(t), 2, NodeConfig{}, nil)
	g := nodes[1].visit()
	names := make([]string, maxSelection)
	for i := range names {
		names[i] = fmt.Sprint("r", i)
	}
	names[0] = g.id
	if err := nodes[0].ns.In(names...).Emit("most"); err != nil {
		t.Fatal(err)
	}
	if got := g.expect(1); got[0] != `2["most"]` {
		t.Errorf("%q", got)
	}
	ns, more := nodes[0].ns, append(slices.Clone(names), "more")
	var listing error
	for _, err := range ns.In(more...).Sockets(t.Context()) {
		listing = err
	}
	for what, err := range map[string]error{
		"emit": ns.In(more...).Emit("x"), "except": ns.In().Except(more...).Emit("x"), "join": ns.In(more...).Join("x"),
		"rooms to join": ns.In("x").Join(more...), "disconnect": ns.In(more...).Disconnect(false), "list": listing,
	} {
		if !errors.Is(err, namespaces.ErrTooManyNames) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Acknowledgements of a broadcast come from all nodes. One that dies is named, and the others' answers still count.
func TestAcknowledgementsComeFromAllNodes(t *testing.T) {
	t.Parallel() // it waits until a node counts as gone
	r := startRedis(t)
	nodes := fleet(t, r, 3, NodeConfig{}, nil)
	for i, m := range nodes {
		g := m.visit()
		g.mu.Lock()
		g.answer = func(text string) string {
			head, _, _ := strings.Cut(text, "[")
			return "3" + strings.TrimPrefix(head, "2") + fmt.Sprintf(`["from %d",{"i":%d}]`, i, i)
		}
		g.mu.Unlock()
	}
	answers, err := nodes[1].ns.In("room").EmitAck(t.Context(), "who")
	if err != nil || len(answers.Replies) != 3 || answers.Missing != 0 {
		t.Fatalf("%+v, %v", answers, err)
	}
	for _, reply := range answers.Replies {
		if reply.Socket == "" || reply.Args.Len() != 2 {
			t.Errorf("%+v", reply)
		}
	}
	nodes[2].die()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	answers, err = nodes[1].ns.In("room").EmitAck(ctx, "who")
	var gone *namespaces.LostNodes
	if !errors.As(err, &gone) || !slices.Equal(gone.Names, []string{"node-2"}) || len(answers.Replies) != 2 || ctx.Err() != nil {
		t.Errorf("%+v, %v, %v", answers, err, ctx.Err())
	}
}

// A node without a namespace answers questions about it all the same, so that no node waits for it.
func TestANodeWithoutTheNamespaceIsNotWaitedFor(t *testing.T) {
	r := startRedis(t)
	nodes := fleet(t, r, 1, NodeConfig{}, func(ns *namespaces.Namespace) {
		ns.OnServer("ping", func(context.Context, packet.Args) (packet.Args, error) { return packet.Args{}, nil })
	})
	client := r.client()
	other := startMember(t, NodeConfig{Client: func() (rueidis.Client, error) { return client, nil }}, "/other")
	var err error
	if other.hub, err = namespaces.NewHub(namespaces.Config{Gate: everybody, Adapter: other.node.Adapter}, other.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.leave)
	until(t, "both are known", func() bool {
		return len(nodes[0].node.Nodes()) == 2 && len(other.node.Nodes()) == 2 && other.node.Status().Ready
	})
	ns := nodes[0].ns
	if answers, err := ns.EmitAck(t.Context(), "who"); err != nil || answers.Missing != 0 {
		t.Errorf("%+v, %v", answers, err)
	}
	if answers, err := ns.EmitAck(t.Context(), "who", []byte{1}); err != nil || answers.Missing != 0 {
		t.Errorf("with binary: %+v, %v", answers, err)
	}
	if answers, err := ns.ServerEmitAck(t.Context(), "ping"); err != nil || len(answers.Replies) != 0 {
		t.Errorf("%+v, %v", answers, err)
	}
	for info, err := range ns.In("room").Sockets(t.Context()) {
		t.Errorf("%+v, %v", info, err)
	}
}

// Events from server to server reach the others and bring their answers.
func TestServersAnswerEachOther(t *testing.T) {
	r := startRedis(t)
	heard := make(chan string, 10)
	nodes := fleet(t, r, 3, NodeConfig{}, func(ns *namespaces.Namespace) {
		ns.OnServer("ping", func(_ context.Context, args packet.Args) (packet.Args, error) {
			heard <- string(args.Raw(0))
			return args, nil
		})
		ns.OnServer("fail", func(context.Context, packet.Args) (packet.Args, error) {
			return packet.Args{}, &namespaces.Error{Code: "no", Message: "Not today."}
		})
	})
	if err := nodes[0].ns.ServerEmit("ping", "hello"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := <-heard; got != `"hello"` {
			t.Errorf("%s", got)
		}
	}
	answers, err := nodes[0].ns.ServerEmitAck(t.Context(), "ping", 1, []byte{7})
	if err != nil || len(answers.Replies) != 2 || answers.Replies[0].Args.Len() != 2 {
		t.Errorf("%+v, %v", answers, err)
	}
	answers, err = nodes[0].ns.ServerEmitAck(t.Context(), "fail")
	if err != nil || len(answers.Replies) != 2 || !strings.Contains(string(answers.Replies[0].Args.Raw(0)), "Not today.") {
		t.Errorf("%+v, %v", answers, err)
	}
}

// While Redis is away a node serves its own clients; its operations reach the other nodes once when Redis is back.
func TestANodeAloneServesItsOwnAndComesBack(t *testing.T) {
	r := startRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	nodes := fleet(t, r, 2, NodeConfig{Settings: Settings{Patience: 100 * time.Millisecond}}, nil)
	here, there := nodes[0].visit(), nodes[1].visit()
	emit := func(n int) {
		if err := nodes[0].ns.In("room").Emit("n", n); err != nil {
			t.Error(err)
		}
	}
	emit(0)
	there.expect(1)
	r.kill()
	for n := 1; n < 20; n++ {
		emit(n)
	}
	here.expect(20)
	if !nodes[0].node.Status().Alone {
		t.Error("the node does not know that it is alone")
	}
	r.start()
	until(t, "the node is together with the others", func() bool { return !nodes[0].node.Status().Alone })
	emit(20)
	for _, g := range []*guest{here, there} {
		for n, text := range g.expect(21) {
			if text != fmt.Sprintf(`2["n",%d]`, n) {
				t.Fatalf("message %d is %q of %q", n, text, g.texts())
			}
		}
	}
}

// Messages that somebody writes into Redis reach clients only when they are valid, and with a secret only when they
// are signed.
func TestNonsenseInRedisReachesNobody(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	fine := `{"packet":{"type":2,"data":["hi"],"nsp":"/"},"opts":{"rooms":[],"except":[],"flags":{}}}`
	add := func(fields ...string) { r.do(client, append([]string{"XADD", "socket.io", "*"}, fields...)...) }
	for _, secret := range []string{"", "a secret of the fleet that is long enough"} {
		m := joinFleet(t, r, NodeConfig{Secret: []byte(secret)}, nil)
		g := m.visit()
		refused := m.node.counts.Refused.Load()
		bad := []string{
			`{"packet":{"type":2,"data":["disconnect"]},"opts":{"rooms":[],"except":[]}}`,
			`{"packet":{"type":2,"data":["auth:revoked"]},"opts":{"rooms":[],"except":[]}}`,
			`{"packet":{"type":2,"data":[]},"opts":{"rooms":[],"except":[]}}`,
			`{"packet":{"type":2,"data":["a",{"_placeholder":true,"num":0}]},"opts":{"rooms":[],"except":[]}}`,
			`{"packet":{"type":0,"data":["a"]},"opts":{"rooms":[],"except":[]}}`,
			`{"packet":{"type":2,"data":["a",` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `]},"opts":{"rooms":[]}}`,
			`{"packet":{"type":2,"data":["a"]},"opts":{"rooms":{"a":1},"except":[]}}`,
			`{"packet":null,"opts":null}`, `{`, `[]`, `AAAA`, `not base64!`, "",
		}
		for _, data := range bad {
			add("uid", "emitter", "nsp", "/", "type", "3", "data", data)
		}
		add("uid", "emitter", "nsp", "/", "type", "x", "data", fine)
		add("uid", "", "nsp", "/", "type", "3", "data", fine)
		add("uid", "x", "nsp", "/", "type", "3", "data", fine, "n", "-1")
		add("a", "b")
		add("uid", "emitter", "nsp", "/", "type", "3", "data", fine)
		want := refused + uint64(len(bad)) + 4
		if secret != "" {
			want++
		}
		until(t, "all has been read", func() bool { return m.node.counts.Refused.Load() == want })
		if secret == "" {
			if got := g.expect(1); !slices.Equal(got, []string{`2["hi"]`}) {
				t.Errorf("%q", got)
			}
		} else if got := g.texts(); len(got) > 0 {
			t.Errorf("unsigned, and heard: %q", got)
		}
		m.leave()
	}
}

// With a secret the nodes of a fleet hear each other.
func TestASignedFleetHearsItself(t *testing.T) {
	r := startRedis(t)
	nodes := fleet(t, r, 2, NodeConfig{Secret: []byte("a secret of the fleet that is long enough"), Settings: Settings{Streams: 3}}, nil)
	there := nodes[1].visit()
	if err := nodes[0].ns.In("room").Emit("hi"); err != nil {
		t.Fatal(err)
	}
	there.expect(1)
	for _, err := range nodes[0].ns.In("room").Sockets(t.Context()) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := nodes[0].node.counts.Refused.Load(); n > 0 {
		t.Errorf("%d messages were refused", n)
	}
}
