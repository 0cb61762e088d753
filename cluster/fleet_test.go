package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// member is a node of a test's fleet: a hub on a Node, and clients without a network.
type member struct {
	t    *testing.T
	node *Node
	hub  *namespaces.Hub
	ns   *namespaces.Namespace
	once sync.Once
}

// everybody is a gate that admits everybody under the name in the token.
var everybody = namespaces.GateFunc(func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
	var auth struct{ Token string }
	_ = json.Unmarshal(r.Auth, &auth)
	return handshake.Identity{Subject: auth.Token}, nil
})

// joinFleet starts a node. define adds to the namespace "/".
func joinFleet(t *testing.T, r *redisServer, cfg NodeConfig, define func(*namespaces.Namespace)) *member {
	t.Helper()
	return joinLimited(t, r, cfg, 0, define)
}

// joinLimited is joinFleet with a limit of connections per user; 0 means no limit.
func joinLimited(t *testing.T, r *redisServer, cfg NodeConfig, most int, define func(*namespaces.Namespace)) *member {
	t.Helper()
	if cfg.Client == nil {
		client := r.client()
		cfg.Client = func() (rueidis.Client, error) { return client, nil }
	}
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	m := startMember(t, cfg, "/")
	node := m.node
	m.ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	if define != nil {
		define(m.ns)
	}
	var err error
	if m.hub, err = namespaces.NewHub(namespaces.Config{
		Gate: everybody, Adapter: node.Adapter, Users: node.Users(), Recovery: namespaces.Recovery{For: cfg.Recovery},
		SessionLimits: namespaces.SessionLimits{MaxPerUser: most},
	}, m.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.leave)
	m.until("the stream is read", func() bool { return node.Status().Ready })
	return m
}

// startMember starts a node for a namespace that is not mounted yet.
func startMember(t *testing.T, cfg NodeConfig, namespace string) *member {
	t.Helper()
	node, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &member{t: t, node: node, ns: namespaces.New(namespace)}
}

// fleet starts nodes and waits until they know each other.
func fleet(t *testing.T, r *redisServer, n int, cfg NodeConfig, define func(*namespaces.Namespace)) []*member {
	t.Helper()
	members := make([]*member, n)
	for i := range members {
		cfg.Name = fmt.Sprintf("node-%d", i)
		members[i] = joinFleet(t, r, cfg, define)
	}
	for _, m := range members {
		m.until("all nodes are known", func() bool { return len(m.node.Nodes()) == n })
	}
	return members
}

func (m *member) leave() { m.end(20 * time.Second) }

// die ends the node without a word to the others.
func (m *member) die() {
	m.node.end()
	m.end(0)
}

func (m *member) end(limit time.Duration) {
	m.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := errors.Join(m.hub.Close(ctx), m.node.Close(ctx)); err != nil {
			m.t.Log(err)
		}
	})
}

// hearsRooms reports whether the node reads its streams, and hears the channels of all present rooms.
func (m *member) hearsRooms() bool {
	w := &m.node.signal.wishes
	w.mu.Lock()
	settled := w.settled == w.doubts
	w.mu.Unlock()
	return settled && m.node.Status().Ready
}

// until waits for something to become true. It measures nothing: the limit is there for a test that hangs.
func (m *member) until(what string, ok func() bool) { until(m.t, what, ok) }

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("waiting until %s", what)
		}
	}
}

// guest is a client of a member.
type guest struct {
	m      *member
	client *namespaces.Client
	id     string

	mu     sync.Mutex
	got    []string
	answer func(text string) string // the answer to an event that asks for an acknowledgement
	closed bool
}

// visit connects a client and waits until it is admitted.
func (m *member) visit() *guest { return m.visitAs("") }

// visitAs is visit with a subject.
func (m *member) visitAs(subject string) *guest {
	m.t.Helper()
	g := &guest{m: m}
	g.client = m.hub.Connect(g)
	g.client.Message(false, fmt.Appendf(nil, `0{"token":%q}`, subject))
	m.until("the client is admitted", func() bool { return len(g.texts()) > 0 })
	reply := g.texts()[0]
	g.id = strings.TrimSuffix(strings.TrimPrefix(reply, `0{"sid":"`), `"}`)
	g.mu.Lock()
	g.got = nil
	g.mu.Unlock()
	return g
}

func (g *guest) texts() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.got...)
}

// expect waits until the given number of texts has come, and returns them.
func (g *guest) expect(n int) []string {
	g.m.t.Helper()
	g.m.until(fmt.Sprintf("%d messages have come, not %q", n, g.texts()), func() bool { return len(g.texts()) >= n })
	return g.texts()
}

func (g *guest) Send(f *packet.Frame) error {
	text := string(f.Text)
	for _, a := range f.Attachments {
		text += fmt.Sprintf("<%x>", a)
	}
	g.mu.Lock()
	g.got = append(g.got, text)
	answer := g.answer
	g.mu.Unlock()
	if answer != nil {
		go func() {
			if a := answer(text); a != "" {
				g.client.Message(false, []byte(a))
			}
		}()
	}
	return nil
}

func (g *guest) SendVolatile(f *packet.Frame) bool { return g.Send(f) == nil }

func (g *guest) Close(int, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

func (g *guest) Pause()                        {}
func (g *guest) Resume()                       {}
func (g *guest) Hold(int) bool                 { return true }
func (g *guest) Admitted()                     {}
func (g *guest) Identified(*namespaces.Socket) {}
func (g *guest) Request() *handshake.Request   { return nil }

func (*guest) ID() string { return "connection" }

func (*guest) Transport() string { return "websocket" }

func (*guest) Context() context.Context { return nil }
