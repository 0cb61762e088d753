package cluster

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// overheard returns the kinds of the messages to all nodes of Gatehouse, until the test ends.
func overheard(t *testing.T, r *redisServer) <-chan int {
	t.Helper()
	reader := &Node{cfg: NodeConfig{}.withDefaults()}
	kinds, there := make(chan int, 4096), make(chan error, 1)
	client, release := r.client().Dedicate()
	t.Cleanup(release)
	client.SetPubSubHooks(rueidis.PubSubHooks{
		OnSubscription: func(rueidis.PubSubSubscription) { there <- nil },
		OnMessage: func(m rueidis.PubSubMessage) {
			if l, err := reader.open(heard{channel: m.Channel, payload: m.Message}); err == nil {
				kinds <- l.kind
			}
		},
	})
	if err := client.Do(t.Context(), client.B().Subscribe().Channel(reader.everyone()).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	<-there
	return kinds
}

// A node that leaves says so after all its other messages: a later heartbeat would bring it back.
func TestANodeSaysGoodbyeLast(t *testing.T) {
	r := startRedis(t)
	kinds := overheard(t, r)
	node := startMember(t, NodeConfig{Client: clientOf(r), Name: "one"}, "/").node
	until(t, "the node is there", func() bool { return node.Status().Ready })
	const signs = 1000
	for range signs {
		if err := node.tell(node.everyone(), "", typeHello, node.infoData(node.self())); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := node.Close(ctx); err != nil {
		t.Error(err)
	}
	for n := 0; ; n++ {
		if <-kinds == typeBye {
			if n < signs {
				t.Errorf("goodbye comes after %d signs of life, not after %d", n, signs)
			}
			break
		}
	}
	if n := node.signal.waiting.Load(); n != 0 {
		t.Errorf("%d messages count as waiting", n)
	}
}

// clientOf returns a client of a server.
func clientOf(r *redisServer) func() (rueidis.Client, error) {
	client := r.client()
	return func() (rueidis.Client, error) { return client, nil }
}

// A node that leaves does not take its name again, however soon a heartbeat is due.
func TestANodeThatLeavesLeavesItsName(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	for range 20 {
		node := startMember(t, NodeConfig{Client: clientOf(r), Name: "one"}, "/").node
		until(t, "the node has its name", func() bool {
			owner, _ := client.Do(t.Context(), client.B().Get().Key(node.nameKey()).Build()).ToString()
			return owner == node.uid
		})
		var hurry sync.WaitGroup
		hurry.Go(func() {
			for node.ctx.Err() == nil {
				select {
				case node.asking.greet <- struct{}{}: // as if somebody new came
				case <-node.ctx.Done():
				}
			}
		})
		if err := node.Close(t.Context()); err != nil {
			t.Error(err)
		}
		hurry.Wait()
		if owner, err := client.Do(t.Context(), client.B().Get().Key(node.nameKey()).Build()).ToString(); !rueidis.IsRedisNil(err) {
			t.Fatalf("the name is %q's, %v", owner, err)
		}
	}
}
