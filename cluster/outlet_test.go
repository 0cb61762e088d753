package cluster

import (
	"sync"
	"testing"
)

// Operations that begin at the same time arrive in the order of their numbers: none seems to
// be missing.
func TestBroadcastsAtOnceAreNotMissing(t *testing.T) {
	for _, mode := range []Mode{ModePubSub, ModeSharded} {
		t.Run(string(mode), func(t *testing.T) {
			nodes := fleet(t, startRedis(t), 2, NodeConfig{Mode: mode}, nil)
			there := nodes[1].visit()
			const senders, each = 16, 100
			var sending sync.WaitGroup
			for range senders {
				sending.Go(func() {
					for range each {
						_ = nodes[0].ns.In("room", "other").Emit("hi")
					}
				})
			}
			sending.Wait()
			there.expect(senders * each)
			if n := nodes[1].node.counts.Missing.Load(); n > 0 {
				t.Errorf("%d seem to be missing", n)
			}
		})
	}
}
