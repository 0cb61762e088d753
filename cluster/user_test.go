package cluster

import (
	"slices"
	"testing"
)

// TestAUserIsReachedOnAllNodes emits to the devices of a user on two nodes, and neither compresses nor reaches anybody else.
func TestAUserIsReachedOnAllNodes(t *testing.T) {
	for _, mode := range []Mode{ModeStreams, ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			nodes := fleet(t, startRedis(t), 2, NodeConfig{Mode: mode}, nil)
			phone, desk, bob := nodes[0].visitAs("ann"), nodes[1].visitAs("ann"), nodes[1].visitAs("bob")
			for _, m := range nodes {
				m.until("all is heard", func() bool { return m.node.Status().Ready })
			}
			if err := nodes[0].ns.User("ann").Uncompressed().Emit("paid"); err != nil {
				t.Fatal(err)
			}
			if err := nodes[0].ns.Emit("all"); err != nil {
				t.Fatal(err)
			}
			for _, g := range []*guest{phone, desk} {
				if got := g.expect(2); !slices.Equal(got, []string{`2["paid"]`, `2["all"]`}) {
					t.Errorf("%s got %q", g.id, got)
				}
			}
			if got := bob.expect(1); got[0] != `2["all"]` {
				t.Errorf("somebody else got %q", got)
			}
		})
	}
}
