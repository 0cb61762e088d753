package namespaces_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
			cfg := namespaces.Config{AnswerUnknownEvents: true}
			run(t, cfg, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
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
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelError}))
	run(t, namespaces.Config{Logger: log}, []*namespaces.Namespace{shop()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "secret-token")
		p.say(`2["broken"]`, `2["panic"]`, `2["known"]`)
		failures := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(failures) != 2 || !strings.Contains(failures[0], `"error":"password=hunter2"`) || !strings.Contains(failures[1], `"stack":"goroutine`) {
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
	cfg := namespaces.Config{SocketLimits: namespaces.SocketLimits{QueueEvents: 1, HardQueueEvents: 10}}
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
		time.AfterFunc(time.Second, func() { p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) })
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
		"events": {SocketLimits: namespaces.SocketLimits{QueueEvents: 4, HardQueueEvents: 8}},
		"bytes":  {SocketLimits: namespaces.SocketLimits{QueueBytes: 4 * (64 + 6), HardQueueBytes: 8 * (64 + 6)}},
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

// TestWhatAClientIsToldIsCountedBefore checks that an event has been counted when
// its answer arrives.
func TestWhatAClientIsToldIsCountedBefore(t *testing.T) {
	var events []string
	note := func(what string) { events = append(events, what) }
	hooks := namespaces.Hooks{
		EventHandled: func(_ *namespaces.Socket, h namespaces.Handled) { note("handled " + h.Event) },
		Refused:      func(_, code string) { note("refused " + code) },
	}
	ns := namespaces.New("/")
	namespaces.Handle(ns, "go", func(context.Context, *namespaces.Socket, namespaces.None) error { return nil })
	run(t, namespaces.Config{Hooks: []namespaces.Hooks{hooks}}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.onSend = func(text string) { note("sent " + text[:2]) }
		for _, message := range []string{`0{"nobody":true}`, "0/nowhere,", connectTo("/", "ann"), `21["go"]`} {
			p.say(message)
		}
		want := []string{"refused unauthenticated", "sent 4{", "refused invalid_namespace", "sent 4/", "sent 0{", "handled go", "sent 31"}
		if !slices.Equal(events, want) {
			t.Errorf("%q, want %q", events, want)
		}
	})
}
