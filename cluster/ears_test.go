package cluster

import (
	"regexp"
	"strings"
	"testing"
)

// A connection that could never subscribe does not count as lost once Redis lets the node listen.
func TestASubscriptionThatIsRefusedIsNotLost(t *testing.T) {
	r := startRedis(t)
	admin := r.client()
	r.do(admin, strings.Fields("ACL SETUSER deaf on >password ~* &* +@all -subscribe")...)
	r.user, r.password = "deaf", "password"
	node := startMember(t, NodeConfig{Client: clientOf(r), Mode: ModePubSub, Name: "one"}, "/").node
	t.Cleanup(func() { _ = node.Close(t.Context()) })
	refused := regexp.MustCompile(`cmdstat_subscribe:.*rejected_calls=([3-9]|\d\d)`)
	until(t, "the node has tried some times", func() bool {
		stats, _ := r.do(admin, "INFO", "commandstats").ToString()
		return refused.MatchString(stats)
	})
	r.do(admin, "ACL", "SETUSER", "deaf", "+subscribe")
	until(t, "all is heard", func() bool { return node.Status().Ready })
	node.signal.change(1, "another")
	until(t, "all is heard still", func() bool { return node.Status().Ready })
	if n := node.counts.LinksLost.Load(); n > 0 {
		t.Errorf("%d subscriptions count as lost", n)
	}
}
