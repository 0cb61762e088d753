package cluster

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// counting is a client that counts the messages that it gets.
type counting struct {
	guest
	n    atomic.Int64
	come chan struct{} // gets a token for each message, when there is room

	reply atomic.Pointer[packet.Frame] // the first
}

func (c *counting) Send(f *packet.Frame) error {
	if c.reply.Load() == nil {
		c.reply.Store(f)
	}
	c.n.Add(1)
	select {
	case c.come <- struct{}{}:
	default:
	}
	return nil
}

// benchMember starts a node with one client.
func benchMember(b *testing.B, r *redisServer, secret string) (*Node, *namespaces.Namespace, *counting) {
	b.Helper()
	node, _, ns, c := benchMemberWith(b, r, NodeConfig{Secret: []byte(secret), Advertise: "127.0.0.1:1", Settings: Settings{BacklogBytes: 1 << 30}})
	return node, ns, c
}

func benchMemberWith(b testing.TB, r *redisServer, cfg NodeConfig) (*Node, *namespaces.Hub, *namespaces.Namespace, *counting) {
	b.Helper()
	client := r.client()
	cfg.Client, cfg.Logger = func() (rueidis.Client, error) { return client, nil }, slog.New(slog.DiscardHandler)
	node, err := Start(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ns := namespaces.New("/")
	hub, err := namespaces.NewHub(namespaces.Config{
		Gate: everybody, Adapter: node.Adapter, Recovery: namespaces.Recovery{For: cfg.Recovery},
	}, ns)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _, _ = hub.Close(context.Background()), node.Close(context.Background()) })
	if err := node.Join(b.Context()); err != nil {
		b.Fatal(err)
	}
	c := &counting{come: make(chan struct{}, 1)}
	hub.Connect(c).Message(false, []byte("0"))
	<-c.come
	c.n.Store(0)
	return node, hub, ns, c
}

// One broadcast after the other: it measures the time until a client of another node
// has each.
func BenchmarkClusterLatency(b *testing.B) {
	r := startRedis(b)
	_, ns, _ := benchMember(b, r, "")
	_, _, there := benchMember(b, r, "")
	for b.Loop() {
		if err := ns.Emit("event", 1); err != nil {
			b.Fatal(err)
		}
		<-there.come
	}
}

// Broadcasts as fast as possible, to a client on each of two nodes.
func BenchmarkClusterThroughput(b *testing.B) {
	r := startRedis(b)
	_, ns, here := benchMember(b, r, "")
	_, _, there := benchMember(b, r, "")
	emitted := int64(0)
	for b.Loop() {
		if err := ns.Emit("event", 1); err != nil {
			b.Fatal(err)
		}
		emitted++
		for emitted-min(here.n.Load(), there.n.Load()) > 1000 {
			<-there.come
		}
	}
}

// A request that another node serves, over the loopback.
func BenchmarkClusterHop(b *testing.B) {
	r := startRedis(b)
	const secret = "a secret of the fleet that is long enough"
	from, _, _ := benchMember(b, r, secret)
	to, _, _ := benchMember(b, r, secret)
	listener := httptest.NewServer(to.Owned(func(http.ResponseWriter, *http.Request, *Peer) {}, nil))
	defer listener.Close()
	until(b, "the nodes know each other", func() bool { return len(from.Nodes()) == 2 && len(to.Nodes()) == 2 })
	from.asking.mu.Lock()
	info := from.asking.infos[to.uid]
	info.Address, info.Beat = listener.Listener.Addr().String(), 1<<60
	from.asking.infos[to.uid] = info
	from.asking.mu.Unlock()
	for b.Loop() {
		w := httptest.NewRecorder()
		if !from.Forward(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/socket.io/?sid=x", nil), to.uid) || w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}

func (*counting) ID() string { return "connection" }

func (*counting) Transport() string { return "websocket" }

func (*counting) Context() context.Context { return nil }
