package cluster

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/cluster/redisconn"
	"gatehouse/handshake"
)

// pair is a primary with a replica behind one address, as with a proxy or a name that leads to the primary.
type pair struct {
	t       *testing.T
	servers [2]*redisServer
	single  [2]rueidis.Client
	addr    string
	primary int

	mu     sync.Mutex
	target string
	open   []net.Conn
}

func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, servers: [2]*redisServer{startRedis(t), startRedis(t)}}
	for i, r := range p.servers {
		p.single[i] = r.client()
		r.do(p.single[i], "CONFIG", "SET", "repl-diskless-sync-delay", "0")
	}
	p.follow(1, 0)
	until(t, "the replica follows", func() bool {
		info, _ := p.servers[1].do(p.single[1], "INFO", "replication").ToString()
		return strings.Contains(info, "master_link_status:up")
	})
	p.target = p.servers[0].addr
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() { p.serve(l, &serving) })
	t.Cleanup(func() { _ = l.Close(); p.hangUp(); serving.Wait() })
	return p
}

func (p *pair) follow(replica, primary int) {
	host, port, _ := net.SplitHostPort(p.servers[primary].addr)
	p.servers[replica].do(p.single[replica], "REPLICAOF", host, port)
}

// serve passes each connection on to the server that is the primary when it comes. The connection stays there when that
// server becomes a replica.
func (p *pair) serve(l net.Listener, serving *sync.WaitGroup) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		out, err := net.Dial("tcp", target)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.open = append(p.open, in)
		p.mu.Unlock()
		for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
			serving.Go(func() {
				_, _ = io.Copy(way[0], way[1])
				_, _ = in.Close(), out.Close()
			})
		}
	}
}

// hangUp ends the connections. A client of Redis that is closed while it connects leaves one to the garbage collector.
func (p *pair) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
}

// failover makes the replica the primary and the primary its replica. Connections stay where they are.
func (p *pair) failover() {
	old, next := p.primary, 1-p.primary
	p.servers[next].do(p.single[next], "REPLICAOF", "NO", "ONE")
	p.mu.Lock()
	p.primary, p.target = next, p.servers[next].addr
	p.mu.Unlock()
	p.follow(old, next)
}

// subscribed counts the connections that are subscribed at the primary.
func (p *pair) subscribed() int {
	list, _ := p.servers[p.primary].do(p.single[p.primary], "CLIENT", "LIST", "TYPE", "pubsub").ToString()
	return strings.Count(list, "\n")
}

// conn is a node's own connection, which is made anew when the server takes no writes.
func (p *pair) conn() *redisconn.Conn {
	c := redisconn.New(redisconn.Config{
		Option: rueidis.ClientOption{InitAddress: []string{p.addr}}, Prefix: "gatehouse:", Logger: slog.New(slog.DiscardHandler),
	})
	p.t.Cleanup(c.Close)
	return c
}

// A failover after which connections stay with the old primary, which is a replica now, ends in every mode with nodes that
// hear each other. In the mode "streams" no operation is missing; in the others missing ones are counted.
func TestNodesHearEachOtherAfterAFailover(t *testing.T) {
	for _, mode := range []Mode{ModeStreams, ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			p := startPair(t)
			var nodes []*member
			for range 2 {
				c := p.conn()
				nodes = append(nodes, joinFleet(t, p.servers[0], NodeConfig{Mode: mode, Client: c.Client, Note: c.Note, Settings: Settings{Patience: 30 * time.Second}}, nil))
			}
			here, there := nodes[0].visit(), nodes[1].visit()
			n := 0
			emit := func() {
				n++
				_ = nodes[0].ns.In("room", "other").Emit("n", n)
			}
			for _, m := range nodes {
				m.until("the rooms are heard", m.hearsRooms)
			}
			emit()
			there.expect(1)
			p.failover()
			seen := len(there.texts())
			if mode != ModeStreams {
				until(t, "both nodes are subscribed at the new primary", func() bool { return p.subscribed() >= 2 })
			}
			// It sends for as long as it takes: the new replica may copy for seconds, and misses messages that are published
			// meanwhile.
			polls := 0
			until(t, "the other node hears this one again", func() bool {
				got := there.texts()
				if len(got) > seen && got[len(got)-1] == fmt.Sprintf(`2["n",%d]`, n) {
					return true
				}
				if polls++; polls < 200 || polls%20 == 0 {
					emit()
				}
				return false
			})
			here.expect(n)
			got := there.texts()
			missing := int(nodes[1].node.counts.Missing.Load())
			if mode == ModeStreams && missing > 0 || len(got)+missing < n {
				t.Errorf("%d of %d have come, %d were counted as missing", len(got), n, missing)
			}
			if !slices.IsSortedFunc(got, func(a, b string) int { return len(a) - len(b) }) {
				t.Errorf("out of order: %q", got)
			}
		})
	}
}

// Revocations are read from the new primary once a write has shown which one that is: the old one may fall behind or go
// away.
func TestReq20_RevocationsAreHeardAtTheNewPrimary(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	c := p.conn()
	list := handshake.NewRevocations(handshake.RevocationConfig{}, nil)
	bus := New(Config{
		Client: c.Client, Note: c.Note, Prefix: "gatehouse:", Revocations: list.All, Apply: func([]handshake.Revocation) {}, Logger: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(bus.Close)
	until(t, "the bus is subscribed", func() bool { return p.subscribed() == 1 })
	p.failover()
	until(t, "the bus is subscribed at the new primary", func() bool {
		_ = bus.Spread(t.Context(), revocation("ann", time.Hour)) // the old primary refuses it
		return p.subscribed() == 1
	})
}

// A Redis that is full refuses writes: the node then serves its own clients, says so, and goes on when there is room
// again.
func TestARedisThatIsFullIsOneThatIsAway(t *testing.T) {
	r := startRedis(t, "--maxmemory-policy", "noeviction")
	client := r.client()
	nodes := fleet(t, r, 2, NodeConfig{Settings: Settings{Patience: 200 * time.Millisecond}}, nil)
	here, there := nodes[0].visit(), nodes[1].visit()
	r.do(client, "CONFIG", "SET", "maxmemory", "1")
	for n := range 10 {
		if err := nodes[0].ns.In("room").Emit("n", n); err != nil {
			t.Fatal(err)
		}
	}
	here.expect(10)
	if !nodes[0].node.Status().Alone {
		t.Error("the node does not say that it is alone")
	}
	r.do(client, "CONFIG", "SET", "maxmemory", "0")
	got := there.expect(10)
	for n, text := range got {
		if text != fmt.Sprintf(`2["n",%d]`, n) {
			t.Fatalf("%q", got)
		}
	}
}

// A Redis that is slow, but answers within cluster.patience, delays the operations that go through it and does no other
// harm: no node goes on alone, and every client gets everything in one order.
func TestASlowRedisOnlyDelays(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	nodes := fleet(t, r, 2, NodeConfig{Settings: Settings{Patience: time.Minute}}, nil)
	here, there := nodes[0].visit(), nodes[1].visit()
	for i := range 5 {
		r.do(client, "CLIENT", "PAUSE", "100", "ALL")
		for _, m := range nodes {
			_ = m.ns.In("room").Emit("slow", i)
		}
	}
	if got, other := here.expect(10), there.expect(10); !slices.Equal(got, other) {
		t.Errorf("%q, and elsewhere %q", got, other)
	}
	for _, m := range nodes {
		if alone, missing := m.node.counts.WentAlone.Load(), m.node.counts.Missing.Load(); alone+missing > 0 {
			t.Errorf("alone %d times, %d operations are missing", alone, missing)
		}
	}
}
