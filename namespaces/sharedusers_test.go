package namespaces_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// tally holds what other nodes know about the connections of this one.
type tally struct {
	mu      sync.Mutex
	most    int
	replace func(handshake.UserKey, string)
	here    map[string]string // subject by connection
}

func (c *tally) Limit(most int, replace func(handshake.UserKey, string)) {
	c.most, c.replace, c.here = most, replace, make(map[string]string)
}

func (c *tally) Came(user handshake.UserKey, connection string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here[connection] = user.Subject
}

func (c *tally) Went(_ handshake.UserKey, connection string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.here, connection)
}

func (c *tally) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := slices.Sorted(maps.Keys(c.here)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("counted are %q, want %q", got, want)
	}
}

// Other nodes know a connection by the same name when its client comes back on another one, and end it by that name.
func TestOtherNodesAreToldOfConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns, all := namespaces.New("/"), new(tally)
		cfg := recovering()
		cfg.MaxPerUser, cfg.Users = 2, all
		h := newHub(t, cfg, ns)
		ann, bob := arrive(t, h, "/", "ann"), arrive(t, h, "/", "bob")
		all.expect(t, ann.sid, bob.sid)
		bob.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		ann.cut()
		ann.peer = newPeer(t, h)
		ann.ask()
		ann.look()
		if !ann.recovered {
			t.Fatal("ann is not recovered")
		}
		all.expect(t, ann.sid)
		all.replace(handshake.UserKey{Subject: "ann"}, "another")
		ann.expectOpen()
		all.replace(handshake.UserKey{Subject: "ann"}, ann.sid)
		ann.expectClosed(replaced)
		all.expect(t)
	})
}
