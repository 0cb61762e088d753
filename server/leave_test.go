package server_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/cluster"
	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/server"
)

// twoNodes are nodes that know each other and hand requests to each other. edit changes the cluster section of their
// configurations.
func twoNodes(t *testing.T, defs func() []namespaces.Definition, edit ...func(*server.Cluster)) (one, other *running) {
	t.Helper()
	redis, node := nodes(t)
	if redis == "" {
		t.Skip("no TEST_REDIS_ADDR")
	}
	key := node(redis).Redis.Prefix
	start := func() *running {
		cfg := node(redis)
		cfg.Cluster = server.Cluster{
			Mode: "streams", Addr: nobodyAt(t), Secret: handshake.Secret(strings.Repeat("a secret of the nodes ", 2)), Settings: cluster.Settings{Key: key},
		}
		for _, f := range edit {
			f(&cfg.Cluster)
		}
		return serve(t, cfg, defs()...)
	}
	one, other = start(), start()
	one.waitFor("another node is there")
	other.waitFor("another node is there")
	return one, other
}

// A node that ends lets go of requests for sessions of other nodes: no message is lost, and it waits for no poll, which may
// last as long as a heartbeat.
func TestARollingRestartLosesNothingThatComesThroughTheNode(t *testing.T) {
	room := func() []namespaces.Definition { return []namespaces.Definition{namespaces.New("/room")} }
	one, other := twoNodes(t, room)
	through := func(subject string) client {
		c := dial(t, one.addr, "polling")
		enter(c, "/room", token(t, subject))
		return way{}.resume(t, other.addr, c.session())
	}

	polling := through("ada")
	polled := make(chan string)
	go func() {
		_, body := polling.do(http.MethodGet, "", nil)
		polled <- body
	}()

	socket, err := through("bob").upgrade()
	if err != nil {
		t.Fatal(err)
	}
	if reply := enter(socket, "/none", token(t, "bob")); !strings.HasPrefix(reply, "44/none,") {
		t.Fatal(reply)
	}

	other.end()
	if got := <-polled; got != "6" {
		t.Errorf("the poll that waits: %q, want a NOOP", got)
	}
	if got := socket.next(); !strings.Contains(got, "1012") {
		t.Errorf("the WebSocket: %q, want close code 1012", got)
	}
	socket.close()
	if err := other.stopped(); err != nil {
		t.Errorf("the node that ends: %v", err)
	}
	polling = way{}.resume(t, one.addr, polling.session())
	polling.send(`41/room`)
	if reply := enter(polling, "/room", token(t, "ada")); !strings.HasPrefix(reply, "40/room,") {
		t.Errorf("the session goes on by another way: %q", reply)
	}
}
