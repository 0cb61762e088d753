package namespaces_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"gatehouse/namespaces"
)

// takeovers runs a handler on a socket just when its client comes back, again and again, and calls check after each
// return.
func takeovers(t *testing.T, work func(s *namespaces.Socket), check func(t *testing.T, ns *namespaces.Namespace, ann *visit)) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			ns := namespaces.New("/")
			goOn := make(chan struct{})
			namespaces.Handle(ns, "work", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
				<-goOn
				work(s)
				return nil
			})
			ns.OnConnect(func(_ context.Context, s *namespaces.Socket) {
				if !s.Recovered() {
					_ = s.Join("red")
				}
			})
			h := newHub(t, recovering(), ns)
			ann := arrive(t, h, "/", "ann")
			ann.say(`2["work"]`)
			ann.cut()
			ann.peer = newPeer(t, h)
			close(goOn)
			ann.ask()
			ann.look()
			check(t, ns, ann)
		})
		if t.Failed() {
			return
		}
	}
}

// A room that is joined while the client comes back belongs to the socket that goes on.
func TestJoinDuringATakeover(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e", "f"}
	takeovers(t, func(s *namespaces.Socket) { _ = s.Join(names...) }, func(t *testing.T, ns *namespaces.Namespace, ann *visit) {
		s, ok := ns.Socket(ann.sid)
		for _, name := range names {
			if !ok || !ann.recovered || !s.Joined(name) || ns.In(name).Count() != 1 {
				t.Errorf("room %s is missing: %v, recovered %v, rooms %q", name, ok, ann.recovered, s.Rooms())
			}
		}
		ann.gone(broken)
		_ = ns.Emit("all")
	})
}

// A socket that leaves a room while its client comes back is out of the room.
func TestLeaveDuringATakeover(t *testing.T) {
	takeovers(t, func(s *namespaces.Socket) { s.Leave("red") }, func(t *testing.T, ns *namespaces.Namespace, ann *visit) {
		s, ok := ns.Socket(ann.sid)
		if !ok || slices.Contains(s.Rooms(), "red") || ns.In("red").Count() != 0 {
			t.Errorf("%v, rooms %q", ok, s.Rooms())
		}
	})
}

// A socket that is disconnected while its client comes back is out.
func TestDisconnectDuringATakeover(t *testing.T) {
	for _, whole := range []bool{false, true} {
		takeovers(t, func(s *namespaces.Socket) { s.Disconnect(whole) }, func(t *testing.T, ns *namespaces.Namespace, ann *visit) {
			if s, ok := ns.Socket(ann.sid); ok && s.Recovered() {
				t.Errorf("the socket goes on; whole connection %v", whole)
			}
		})
	}
}
