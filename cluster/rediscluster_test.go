package cluster

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// redisCluster is a Redis Cluster of the test's own: primaries without replicas.
type redisCluster struct {
	servers []*redisServer
	single  []rueidis.Client // to each server alone
}

func startRedisCluster(t *testing.T, primaries int) *redisCluster {
	t.Helper()
	c := &redisCluster{}
	for range primaries {
		r := startRedis(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
		c.servers = append(c.servers, r)
		single, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{r.addr}, DisableCache: true, ForceSingleClient: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(single.Close)
		c.single = append(c.single, single)
	}
	const slots = 16384
	for i, r := range c.servers {
		first, last := slots*i/primaries, slots*(i+1)/primaries-1
		r.do(c.single[i], "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint(last))
		host, port, _ := net.SplitHostPort(r.addr)
		if i > 0 {
			c.servers[0].do(c.single[0], "CLUSTER", "MEET", host, port)
		}
	}
	for i, r := range c.servers {
		until(t, "the redis cluster is there", func() bool {
			info, _ := r.do(c.single[i], "CLUSTER", "INFO").ToString()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", primaries))
		})
	}
	return c
}

// client connects to the cluster.
func (c *redisCluster) client(t *testing.T) rueidis.Client {
	t.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{c.servers[0].addr}, DisableCache: true, ConnWriteTimeout: 2 * time.Second, Dialer: net.Dialer{Timeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// id is a server's name in the cluster.
func (c *redisCluster) id(i int) string {
	id, _ := c.servers[i].do(c.single[i], "CLUSTER", "MYID").ToString()
	return id
}

// move gives a slot to another server. There are no keys in it.
func (c *redisCluster) move(slot string, from, to int) {
	c.servers[to].do(c.single[to], "CLUSTER", "SETSLOT", slot, "IMPORTING", c.id(from))
	c.servers[from].do(c.single[from], "CLUSTER", "SETSLOT", slot, "MIGRATING", c.id(to))
	owner := c.id(to)
	c.servers[to].do(c.single[to], "CLUSTER", "SETSLOT", slot, "NODE", owner)
	for i := range c.servers {
		if i != to {
			c.servers[i].do(c.single[i], "CLUSTER", "SETSLOT", slot, "NODE", owner)
		}
	}
}

// On a Redis Cluster the channels of rooms are spread over its servers, Node's sharded adapter is part of the fleet, and a
// slot that moves takes its room along.
func TestRoomsAreSpreadOverARedisCluster(t *testing.T) {
	rc := startRedisCluster(t, 3)
	heard := make(chan string, 10)
	client := rc.client(t)
	cfg := NodeConfig{Mode: ModeSharded, Client: func() (rueidis.Client, error) { return client, nil }}
	nodes := fleet(t, rc.servers[0], 2, cfg, greets(heard))
	ours := []*guest{nodes[0].visit(), nodes[1].visit()}
	node := startPeer(t, "sharded-cluster", rc.servers[0])
	everybodyHears(t, nodes, ours, node)
	t.Run("ours reach Node's", func(t *testing.T) { oursReachNode(t, nodes, node, heard) })
	t.Run("questions of ours", func(t *testing.T) { oursAskNode(t, nodes, node) })
	t.Run("questions of Node's", func(t *testing.T) { nodeAsksOurs(t, ours, node) })
	t.Run("a slot moves", func(t *testing.T) {
		rc.followsTheRoom(t, nodes, ours)
	})
}

func (c *redisCluster) followsTheRoom(t *testing.T, nodes []*member, ours []*guest) {
	slot, err := c.servers[0].do(c.single[0], "CLUSTER", "KEYSLOT", "socket.io#/#room#").AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	from := int(slot) * 3 / 16384
	c.move(fmt.Sprint(slot), from, (from+1)%3)
	for _, g := range ours {
		g.reset()
	}
	n := 0
	until(t, "the room is heard again", func() bool {
		n++
		_ = nodes[0].ns.In("room").Emit("again", n)
		return len(ours[1].texts()) > 0
	})
	if got := ours[0].texts(); len(got) != n {
		t.Errorf("%d of %d", len(got), n)
	}
}
