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

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

type order struct {
	Item string `json:"item"`
	Data []byte `json:"data,omitempty"`
}

// shop has a handler of each kind.
func shop() *namespaces.Namespace {
	ns := namespaces.New("/")
	namespaces.On(ns, "one", func(_ context.Context, _ *namespaces.Socket, in order) (order, error) {
		in.Item += "!"
		return in, nil
	})
	namespaces.On2(ns, "two", func(_ context.Context, _ *namespaces.Socket, a string, b int) (string, error) {
		return fmt.Sprint(a, b), nil
	})
	namespaces.On3(ns, "three", func(_ context.Context, _ *namespaces.Socket, a string, b int, c bool) ([]any, error) {
		return []any{a, b, c}, nil
	})
	namespaces.On(ns, "raw", func(_ context.Context, _ *namespaces.Socket, in packet.Args) (packet.Args, error) { return in, nil })
	namespaces.On(ns, "none", func(context.Context, *namespaces.Socket, namespaces.None) (int, error) { return 1, nil })
	namespaces.Handle(ns, "silent", func(context.Context, *namespaces.Socket, int) error { return nil })
	namespaces.Handle2(ns, "silent2", func(context.Context, *namespaces.Socket, int, int) error { return nil })
	namespaces.Handle3(ns, "silent3", func(context.Context, *namespaces.Socket, int, int, int) error { return nil })
	namespaces.Handle(ns, "known", func(context.Context, *namespaces.Socket, namespaces.None) error {
		return fmt.Errorf("wrapped: %w", &namespaces.Error{Code: "sold_out", Message: "None left."})
	})
	namespaces.Handle(ns, "refusal", func(context.Context, *namespaces.Socket, namespaces.None) error {
		return &handshake.Refusal{Code: handshake.CodeRateLimited, Message: "Slow.", RetryAfter: time.Second}
	})
	namespaces.Handle(ns, "broken", func(context.Context, *namespaces.Socket, namespaces.None) error {
		return errors.New("password=hunter2")
	})
	namespaces.Handle(ns, "panic", func(context.Context, *namespaces.Socket, namespaces.None) error { panic("ouch") })
	namespaces.On(ns, "unencodable", func(context.Context, *namespaces.Socket, namespaces.None) (any, error) { return make(chan int), nil })
	return ns
}

func TestAcknowledgesWhatHandlersReturn(t *testing.T) {
	const (
		internal = `[{"ok":false,"error":{"code":"internal","message":"The server could not handle this event."}}]`
		bad      = `[{"ok":false,"error":{"code":"bad_request","message":"Argument %d is %s"}}]`
	)
	missing := func(n int) string { return fmt.Sprintf(bad, n, "missing.") }
	wrong := func(n int) string { return fmt.Sprintf(bad, n, "not what this event takes.") }
	for _, c := range []struct{ args, want string }{
		{`["one",{"item":"tea"}]`, `[{"item":"tea!"}]`},
		{`["one",{"item":"tea"},"ignored"]`, `[{"item":"tea!"}]`},
		{`["two","a",2]`, `["a2"]`},
		{`["three","a",2,true]`, `[["a",2,true]]`},
		{`["raw","a",[2],{}]`, `["a",[2],{}]`},
		{`["raw"]`, `[]`},
		{`["none"]`, `[1]`},
		{`["none",5]`, `[1]`},
		{`["silent",1]`, `[{"ok":true}]`},
		{`["silent2",1,2]`, `[{"ok":true}]`},
		{`["silent3",1,2,3]`, `[{"ok":true}]`},
		{`["one"]`, missing(1)},
		{`["two","a"]`, missing(2)},
		{`["one",5]`, wrong(1)},
		{`["silent3",1,2,"x"]`, wrong(3)},
		{`["known"]`, `[{"ok":false,"error":{"code":"sold_out","message":"None left."}}]`},
		{`["refusal"]`, `[{"ok":false,"error":{"code":"rate_limited","message":"Slow.","retryAfterMs":1000}}]`},
		{`["broken"]`, internal},
		{`["panic"]`, internal},
		{`["unencodable"]`, internal},
		{`["nothing"]`, `[{"ok":false,"error":{"code":"unknown_event","message":"This namespace has no such event."}}]`},
		{`["auth:refresh",{}]`, `[{"ok":false,"error":{"code":"unknown_event","message":"This namespace has no such event."}}]`},
	} {
		t.Run(c.args, func(t *testing.T) {
			run(t, namespaces.Config{}, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				p.enter("/", "ann")
				p.say("2" + c.args)
				p.expect()
				p.say("27" + c.args)
				p.expect("37" + c.want)
				p.say(`28["none"]`)
				p.expect("38[1]")
			})
		})
	}
}

func TestBinaryFieldsGoBothWays(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.push(`51-3["one",{"item":"tea","data":{"_placeholder":true,"num":0}}]`)
		p.client.Message(true, []byte{1, 2})
		p.expect(`61-3[{"item":"tea!","data":{"_placeholder":true,"num":0}}]<0102>`)
	})
}

func TestTheCauseGoesToTheLogOnly(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	run(t, namespaces.Config{Logger: zap.New(core)}, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "secret-token")
		p.say(`2["broken"]`, `2["panic"]`, `2["known"]`)
		failures := logs.FilterLevelExact(zap.ErrorLevel).All()
		if len(failures) != 2 || failures[0].ContextMap()["error"] != "password=hunter2" || failures[1].ContextMap()["stack"] == "" {
			t.Errorf("logged %v", failures)
		}
	})
}

func TestEventsOfOneSocketAreHandledInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := namespaces.New("/")
		var got []int
		busy := false
		namespaces.Handle(ns, "e", func(_ context.Context, _ *namespaces.Socket, in int) error {
			if busy {
				t.Error("two handlers of one socket at once")
			}
			busy = true
			time.Sleep(time.Duration(in%3) * time.Millisecond)
			got = append(got, in)
			busy = false
			return nil
		})
		p := newPeer(t, newHub(t, namespaces.Config{}, ns))
		p.enter("/", "ann")
		var want []int
		for i := range 500 {
			p.push(fmt.Sprintf(`2["e",%d]`, i))
			want = append(want, i)
			if i%7 == 0 {
				time.Sleep(3 * time.Millisecond)
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("handled %v", got)
		}
	})
}

func TestSocketsRunInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns, other := namespaces.New("/"), namespaces.New("/other")
		meet := make(chan struct{})
		namespaces.Handle(ns, "a", func(context.Context, *namespaces.Socket, namespaces.None) error { meet <- struct{}{}; return nil })
		namespaces.Handle(other, "b", func(context.Context, *namespaces.Socket, namespaces.None) error { <-meet; return nil })
		p := newPeer(t, newHub(t, namespaces.Config{}, ns, other))
		p.enter("/", "ann")
		p.enter("/other", "ann")
		p.say(`20["a"]`, `2/other,1["b"]`)
		if got := p.take(); len(got) != 2 {
			t.Errorf("sent %q", got)
		}
	})
}

func TestAHandlerMayAwaitItsOwnClient(t *testing.T) {
	ns := namespaces.New("/")
	namespaces.On(ns, "ask", func(ctx context.Context, s *namespaces.Socket, _ namespaces.None) (string, error) {
		args, err := s.EmitAck(ctx, "name?", 1)
		if err != nil {
			return "", err
		}
		var name string
		err = args.Decode(0, &name)
		return name, err
	})
	// The queue is as small as can be: reading must go on although it is full.
	cfg := namespaces.Config{QueueEvents: 1, HardQueueEvents: 10}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(`27["ask"]`, `2["later"]`, `2["later"]`)
		p.expect(`20["name?",1]`)
		if p.isPaused() {
			t.Fatal("reading paused although the answer cannot arrive then")
		}
		p.say(`30["Ann"]`)
		p.expect(`37["Ann"]`)
	})
}

func TestAnAcknowledgementHasADeadline(t *testing.T) {
	ns := namespaces.New("/")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		s, _ := ns.Socket(p.enter("/", "ann"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := s.EmitAck(ctx, "q"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		p.say(`30["too late"]`, `39["made up"]`)
		began := time.Now()
		if _, err := s.EmitAck(context.Background(), "q"); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 30*time.Second {
			t.Error(err, "after", time.Since(began))
		}
		time.AfterFunc(time.Second, func() { p.client.Closed("transport close") })
		if _, err := s.EmitAck(context.Background(), "q"); !errors.Is(err, namespaces.ErrClosed) {
			t.Error(err)
		}
		if _, err := s.EmitAck(context.Background(), "q"); !errors.Is(err, namespaces.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestAFullQueuePausesReading(t *testing.T) {
	for name, cfg := range map[string]namespaces.Config{
		"events": {QueueEvents: 4, HardQueueEvents: 8},
		"bytes":  {QueueBytes: 4 * (64 + 6), HardQueueBytes: 8 * (64 + 6)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ns := namespaces.New("/")
				step := make(chan struct{})
				namespaces.Handle(ns, "e", func(context.Context, *namespaces.Socket, namespaces.None) error { <-step; return nil })
				p := newPeer(t, newHub(t, cfg, ns))
				p.enter("/", "ann")
				p.say(`2["e"]`) // with its handler
				for waiting := 1; waiting <= 4; waiting++ {
					p.say(`2["e"]`)
					if p.isPaused() != (waiting == 4) {
						t.Fatalf("paused %v with %d waiting", p.isPaused(), waiting)
					}
				}
				for waiting := 3; waiting >= 2; waiting-- {
					step <- struct{}{}
					synctest.Wait()
					if p.isPaused() != (waiting > 2) {
						t.Fatalf("paused %v with %d waiting", p.isPaused(), waiting)
					}
				}
				p.say(`2["e"]`, `2["e"]`, `2["e"]`, `2["e"]`, `2["e"]`, `2["e"]`, `2["e"]`)
				p.expectClosed("too many events waiting")
				close(step)
			})
		})
	}
}

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
		"transport close":   {func(p *peer, _ *namespaces.Socket) { p.client.Closed("transport close") }, 3},
		"server disconnect": {func(_ *peer, s *namespaces.Socket) { s.Disconnect(false) }, 1},
		"parse error":       {func(p *peer, _ *namespaces.Socket) { p.push("9") }, 1},
		"slow consumer":     {func(p *peer, _ *namespaces.Socket) { p.client.Closed("slow consumer") }, 1},
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
