package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

func TestTheContextEndsWithTheSocket(t *testing.T) {
	ns := namespaces.New("/")
	var log []string
	namespaces.Handle(ns, "wait", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) error {
		child, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		<-child.Done()
		log = append(log, fmt.Sprint("handler: ", child.Err(), ctx.Err(), s.Connected()))
		return ctx.Err()
	})
	ns.OnDisconnect(func(ctx context.Context, s *namespaces.Socket, reason string) {
		log = append(log, fmt.Sprint("disconnect: ", reason, ctx.Err(), s.Rooms()))
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		_ = s.Join("a")
		p.say(`2["wait"]`, "1")
		want := []string{"handler: context canceled context canceled false", "disconnect: client namespace disconnect<nil> [a]"}
		if !reflect.DeepEqual(log, want) {
			t.Errorf("%q", log)
		}
	})
}

func TestEventsBeforeAPoliteEndAreHandledAndBeforeARudeOneNot(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*peer, *namespaces.Socket)
		want int32
	}{
		"client disconnect": {func(p *peer, _ *namespaces.Socket) { p.push("1") }, 3},
		"transport close": {func(p *peer, _ *namespaces.Socket) {
			p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		}, 3},
		"server disconnect": {func(_ *peer, s *namespaces.Socket) { s.Disconnect(false) }, 1},
		"parse error":       {func(p *peer, _ *namespaces.Socket) { p.push("9") }, 1},
		"cut by the server": {func(p *peer, _ *namespaces.Socket) {
			p.gone(namespaces.End{Reason: namespaces.ReasonTransportError, Cut: true})
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespaces.New("/")
			var handled, ended atomic.Int32
			namespaces.Handle(ns, "e", func(context.Context, *namespaces.Socket, namespaces.None) error {
				time.Sleep(time.Second)
				handled.Add(1)
				return nil
			})
			ns.OnDisconnect(func(context.Context, *namespaces.Socket, string) { ended.Store(handled.Load()) })
			run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				s, _ := ns.Socket(p.enter("/", "ann"))
				p.say(`2["e"]`, `2["e"]`, `2["e"]`)
				c.end(p, s)
				time.Sleep(time.Minute)
				synctest.Wait()
				if handled.Load() != c.want || ended.Load() != c.want {
					t.Errorf("handled %d, %d before the disconnect handler", handled.Load(), ended.Load())
				}
			})
		})
	}
}

func TestDisconnectFromTheServer(t *testing.T) {
	ns, other := namespaces.New("/"), namespaces.New("/other")
	var kicked atomic.Int32
	for _, one := range []*namespaces.Namespace{ns, other} {
		one.OnDisconnect(func(_ context.Context, _ *namespaces.Socket, reason string) {
			if reason == namespaces.ReasonServerDisconnect {
				kicked.Add(1)
			}
		})
	}
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns, other}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		o, _ := other.Socket(p.enter("/other", "ann"))
		s.Disconnect(false)
		s.Disconnect(false)
		p.expect("1")
		p.say(`2["on its way"]`, `30[]`, `1`)
		if closed, _, _ := p.isClosed(); closed || !o.Connected() || s.Connected() {
			t.Error("one namespace took the other with it")
		}
		if err := s.Emit("late"); !errors.Is(err, namespaces.ErrClosed) {
			t.Error(err)
		}
		p.enter("/", "ann")
		o.Disconnect(true)
		p.expectClosed(namespaces.ReasonServerDisconnect)
		if got := p.take(); len(got) != 2 {
			t.Errorf("sent %q", got)
		}
		if kicked.Load() != 3 {
			t.Errorf("%d sockets ended by the server", kicked.Load())
		}
	})
}

func TestAPanicInAnObservedHandlerLeavesTheSocketAlive(t *testing.T) {
	ns := shop()
	ns.OnConnect(func(context.Context, *namespaces.Socket) { panic("connect") })
	ns.OnDisconnect(func(context.Context, *namespaces.Socket, string) { panic("disconnect") })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`21["panic"]`, `22["none"]`)
		if got := p.take(); len(got) != 2 || got[1] != "32[1]" {
			t.Errorf("sent %q", got)
		}
		p.say("1")
	})
}

func TestCloseWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		var reason string
		done := false
		namespaces.Handle(ns, "slow", func(ctx context.Context, _ *namespaces.Socket, _ namespaces.None) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			done = true
			return nil
		})
		ns.OnDisconnect(func(_ context.Context, _ *namespaces.Socket, r string) { reason = r })
		h, err := namespaces.NewHub(namespaces.Config{Gate: open}, ns)
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`2["slow"]`)
		if err := h.Close(context.Background()); err != nil || !done || reason != namespaces.ReasonShutdown {
			t.Errorf("%v, handler done %v, reason %q", err, done, reason)
		}
		p.expect() // no DISCONNECT: the client comes back
		p.expectClosed(namespaces.ReasonShutdown)
		late := newPeer(t, h)
		late.expectClosed(namespaces.ReasonShutdown)
		if err := h.Close(context.Background()); !errors.Is(err, namespaces.ErrHubClosed) {
			t.Error(err)
		}
	})
}

func TestCloseGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		ns.OnDisconnect(func(ctx context.Context, _ *namespaces.Socket, _ string) { <-ctx.Done() })
		h, err := namespaces.NewHub(namespaces.Config{Gate: open}, ns)
		if err != nil {
			t.Fatal(err)
		}
		newPeer(t, h).enter("/", "ann")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := h.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// The disconnect handlers of a socket that is ending when the hub closes run
// before Close returns.
func TestCloseWaitsForWhoIsEndingAlready(t *testing.T) {
	for name, end := range map[string]func(*namespaces.Namespace, *peer){
		"its connection is gone": func(_ *namespaces.Namespace, p *peer) {
			p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		},
		"it is disconnected": func(ns *namespaces.Namespace, _ *peer) { _ = ns.In("room").Disconnect(false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said atomic.Bool
				ns := namespaces.New("/")
				ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
				ns.OnDisconnect(func(context.Context, *namespaces.Socket, string) { said.Store(true) })
				left := make(chan struct{})
				lingering := namespaces.Hooks{RoomLeft: func(*namespaces.Socket, string) {
					close(left)
					time.Sleep(time.Second)
				}}
				h, err := namespaces.NewHub(namespaces.Config{Gate: open, Hooks: []namespaces.Hooks{lingering}}, ns)
				if err != nil {
					t.Fatal(err)
				}
				p := newPeer(t, h)
				p.say(connectTo("/", "ann"))
				go end(ns, p)
				<-left
				if err := h.Close(context.Background()); err != nil {
					t.Fatal(err)
				}
				if !said.Load() {
					t.Error("the disconnect handler had not run")
				}
			})
		})
	}
}
