package namespaces_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// waiting is a namespace whose handlers wait until they are let go; it counts those that wait.
func waiting() (ns *namespaces.Namespace, inside *atomic.Int32, free chan struct{}) {
	ns, inside, free = namespaces.New("/"), new(atomic.Int32), make(chan struct{})
	namespaces.Handle(ns, "wait", func(context.Context, *namespaces.Socket, namespaces.None) error {
		inside.Add(1)
		<-free
		return nil
	})
	namespaces.On(ns, "quick", func(context.Context, *namespaces.Socket, namespaces.None) (int, error) { return 1, nil })
	return ns, inside, free
}

// TestHandlersThatWaitKeepNobodyFromRunning checks that for other users and, in the end, for the user's own sockets:
// the waiting handlers may wait for one without a place (attack F4).
func TestHandlersThatWaitKeepNobodyFromRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns, inside, free := waiting()
		h := newHub(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{UserHandlers: 4}}, ns)
		for range 400 {
			p := newPeer(t, h)
			p.enter("/", "ann")
			p.push(`2["wait"]`)
		}
		synctest.Wait()
		if n := inside.Load(); n != 4 {
			t.Errorf("%d handlers of one user run at once, want 4", n)
		}
		bob := newPeer(t, h)
		bob.enter("/", "bob")
		bob.say(`27["quick"]`)
		bob.expect("37[1]")
		time.Sleep(time.Second)
		synctest.Wait()
		if n := inside.Load(); n != 400 {
			t.Errorf("%d handlers run when all of them wait, want 400", n)
		}
		close(free)
	})
}

func TestHandlersOfOneUserAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns, inside, free := waiting()
		h := newHub(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{UserHandlers: 2, MaxUserHandlers: 50}}, ns)
		for range 100 {
			p := newPeer(t, h)
			p.enter("/", "ann")
			p.push(`2["wait"]`)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := inside.Load(); n != 50 {
			t.Errorf("%d handlers of one user run, want 50", n)
		}
		close(free)
	})
}

// TestSocketsOfAUserTakeTurns checks that although one of the sockets never runs out of events.
func TestSocketsOfAUserTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		var before, quick int
		namespaces.Handle(ns, "busy", func(context.Context, *namespaces.Socket, namespaces.None) error {
			before++
			time.Sleep(time.Millisecond)
			return nil
		})
		namespaces.Handle(ns, "quick", func(context.Context, *namespaces.Socket, namespaces.None) error { quick = before; return nil })
		h := newHub(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{UserHandlers: 1, MaxUserHandlers: 1}}, ns)
		busy, other := newPeer(t, h), newPeer(t, h)
		busy.enter("/", "ann")
		other.enter("/", "ann")
		for range 500 {
			busy.push(`2["busy"]`)
		}
		other.push(`2["quick"]`)
		time.Sleep(time.Minute)
		synctest.Wait()
		if before != 500 || quick == 0 || quick > 20 {
			t.Errorf("of %d events %d came before another socket's first", before, quick)
		}
	})
}

// TestWhoHasNoNameCountsByAddress counts an IPv6 network as one address.
func TestWhoHasNoNameCountsByAddress(t *testing.T) {
	guests := namespaces.GateFunc(func(_ context.Context, r *handshake.Request) (handshake.Identity, error) {
		return handshake.Identity{Subject: fmt.Sprint("guest", r.RemoteAddr), Method: handshake.MethodAnonymous}, nil
	})
	for name, c := range map[string]struct {
		addr func(i int) netip.Addr
		want int32
	}{
		"one network": {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)) }, 2},
		"others":      {func(i int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i)) }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns, inside, free := waiting()
				h := newHub(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{UserHandlers: 2, MaxUserHandlers: 2}, Gate: guests}, ns)
				for i := range 10 {
					p := &peer{t: t, conn: &conn{request: &handshake.Request{RemoteAddr: c.addr(i)}}}
					p.client = h.Connect(p.conn)
					p.say("0", `2["wait"]`)
				}
				if n := inside.Load(); n != c.want {
					t.Errorf("%d handlers run, want %d", n, c.want)
				}
				close(free)
			})
		})
	}
}
