package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

func TestAdmitsWithAPublicID(t *testing.T) {
	ns := namespaces.New("/chat")
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns, namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		a, b := p.enter("/", "ann"), p.enter("/chat", "ann")
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{20}$`).MatchString(a) || a == b {
			t.Errorf("ids %q and %q", a, b)
		}
		if p.admitted != 1 {
			t.Errorf("Admitted called %d times", p.admitted)
		}
		if s, ok := ns.Socket(b); !ok || s.Identity().Subject != "ann" || s.Request().Auth != nil || !s.Connected() {
			t.Error("the admitted socket does not know who it is, or still has the token")
		}
	})
}

// elsewhere is a namespace that admits everybody. A client in it is told of each refusal elsewhere, because its connection
// stays.
func elsewhere() *namespaces.Namespace {
	return namespaces.New("/elsewhere", namespaces.WithGate(open))
}

func TestRefusesWithCodeAndMessage(t *testing.T) {
	cause := errors.New("the secret cause")
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"refusal": {&handshake.Refusal{Code: handshake.CodeRateLimited, Message: "Slow.", RetryAfter: 1500 * time.Millisecond},
			`4/x,{"message":"Slow.","data":{"code":"rate_limited","retryAfterMs":1500}}`},
		"forbidden": {namespaces.Forbidden("Not you."), `4/x,{"message":"Not you.","data":{"code":"forbidden"}}`},
		"anything else": {cause, `4/x,{"message":"The server cannot admit anybody right now; try again in a moment.",` +
			`"data":{"code":"unavailable","retryAfterMs":1000}}`},
	} {
		for _, where := range []string{"gate", "middleware"} {
			t.Run(name+" in "+where, func(t *testing.T) {
				ns := namespaces.New("/x")
				gate := open
				if where == "gate" {
					gate = func(context.Context, *handshake.Request) (handshake.Identity, error) {
						return handshake.Identity{}, c.err
					}
				}
				ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
					_ = s.Join("a room")
					_ = s.Emit("an event")
					return c.err
				})
				run(t, namespaces.Config{Gate: gate}, []*namespaces.Namespace{ns, elsewhere()}, func(t *testing.T, h *namespaces.Hub) {
					p := newPeer(t, h)
					p.enter("/elsewhere", "ann")
					p.say(connectTo("/x", "ann"))
					p.expect(c.want)
					if st := h.Stats(); st.Sockets != 1 || st.Rooms != 0 || st.Clients != 1 {
						t.Errorf("refused, but %+v", st)
					}
				})
			})
		}
	}
}

func TestRefusesAnUnknownNamespaceAsNode(t *testing.T) {
	run(t, namespaces.Config{ConnectLimits: namespaces.ConnectLimits{MaxRefusals: 2}}, []*namespaces.Namespace{namespaces.New("/")},
		func(t *testing.T, h *namespaces.Hub) {
			p := newPeer(t, h)
			p.say("0/nowhere,")
			p.expect(`4/nowhere,{"message":"Invalid namespace"}`)
			p.enter("/", "ann")
			p.say("0/nowhere,", "0/nowhere,")
			if closed, _, _ := p.isClosed(); closed {
				t.Fatal("an admission did not forgive refusals")
			}
			p.say("0/nowhere,")
			p.expectClosed("too many refused connects")
		})
}

// A client that disconnects and connects again before it has seen the reply sends
// only CONNECT. There is one socket at a time, and one reply for each socket that
// the client has not given up.
func TestANewerCONNECTReplacesASocketThatWasNotHeard(t *testing.T) {
	ns, slow := namespaces.New("/"), namespaces.New("/slow")
	var ended []string
	ns.OnDisconnect(func(_ context.Context, s *namespaces.Socket, reason string) {
		ended = append(ended, s.Identity().Subject+": "+reason)
	})
	slow.Admit(func(ctx context.Context, s *namespaces.Socket) error {
		if s.Identity().Subject == "bob" {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns, slow}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		first := p.enter("/", "ann")
		second := p.enter("/", "bob")
		if _, ok := ns.Socket(first); ok || ns.Len() != 1 || !slices.Equal(ended, []string{"ann: " + namespaces.ReasonClientDisconnect}) {
			t.Errorf("%d sockets, ended: %q", ns.Len(), ended)
		}
		if s, ok := ns.Socket(second); !ok || s.Identity().Subject != "bob" {
			t.Error("the newer one is not in")
		}
		p.say(connectTo("/slow", "ann"), connectTo("/slow", "ann"), connectTo("/slow", "bob"))
		if sent := p.take(); len(sent) != 1 || !strings.HasPrefix(sent[0], `0/slow,{"sid":`) {
			t.Errorf("sent %q", sent)
		}
		p.say(connectTo("/slow", ""))
		if sent := p.take(); len(sent) != 1 || !strings.HasPrefix(sent[0], "4/slow,") || slow.Len() != 0 {
			t.Errorf("sent %q, %d in", sent, slow.Len())
		}
	})
}

func TestTooManyConnectsAreRefused(t *testing.T) {
	defs := []*namespaces.Namespace{namespaces.New("/"), namespaces.New("/stays")}
	run(t, namespaces.Config{ConnectLimits: namespaces.ConnectLimits{MaxConnects: 3, MaxRefusals: 2}}, defs, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		again := func(n int) {
			t.Helper()
			for range n {
				p.enter("/", "ann")
				p.say("1")
			}
		}
		p.enter("/stays", "ann")
		after(40 * time.Second)
		again(2)
		p.say(connectTo("/", "ann"))
		p.expect(`4{"message":"Too many connects; wait, then connect again.","data":{"code":"rate_limited","retryAfterMs":20000}}`)
		after(20 * time.Second)
		again(3)
		p.say(connectTo("/", "ann"), connectTo("/", "ann"))
		if closed, _, _ := p.isClosed(); closed {
			t.Fatal("closed too early")
		}
		p.say(connectTo("/", "ann"))
		p.expectClosed("too many refused connects")
	})
}

func TestWhatIsOutOfOrderClosesTheTransport(t *testing.T) {
	for name, messages := range map[string][]string{
		"event before CONNECT":       {`2["x"]`},
		"ack before CONNECT":         {`30[]`},
		"DISCONNECT of never joined": {`1/slow,`},
		"CONNECT after an event":     {connectTo("/", "ann"), `2["x"]`, connectTo("/", "ann")},
		"CONNECT after an ack":       {connectTo("/", "ann"), `30[]`, connectTo("/", "ann")},
		"CONNECT after an early one": {connectTo("/slow", "ann"), `2/slow,["x"]`, connectTo("/slow", "ann")},
		"CONNECT_ERROR of a client":  {connectTo("/", "ann"), `4{"message":"x"}`},
		"event after DISCONNECT":     {connectTo("/", "ann"), `1`, `2["x"]`},
	} {
		t.Run(name, func(t *testing.T) {
			slow := namespaces.New("/slow")
			slow.Admit(func(ctx context.Context, _ *namespaces.Socket) error { <-ctx.Done(); return ctx.Err() })
			run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/"), slow}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				p.say(messages...)
				p.expectClosed("invalid state")
			})
		})
	}
}

func TestAParseErrorClosesWithItsReason(t *testing.T) {
	for _, frame := range []string{"9", "", "2", `2["connect"]`, "51-", "451-", "2[[[", "1junk"} {
		t.Run(frame, func(t *testing.T) {
			ns := namespaces.New("/")
			var got string
			ns.OnDisconnect(func(_ context.Context, _ *namespaces.Socket, reason string) { got = reason })
			run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				p.enter("/", "ann")
				p.say(frame, `2["x"]`)
				p.expectClosed("parse error")
				if got != namespaces.ReasonParseError {
					t.Errorf("reason %q", got)
				}
			})
		})
	}
}

// A client that has the reply may at once send other credentials, or go. By then its connection must know the user, and
// the socket for the log.
func TestTheConnectionKnowsWhoIsInBeforeTheReply(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		var known []string
		p.onSend = func(string) {
			if known == nil {
				known = slices.Clone(p.identified)
			}
		}
		sid := p.enter("/", "ann")
		if want := "ann as " + sid + " in /"; !slices.Equal(known, []string{want}) {
			t.Errorf("at the reply the connection knew of %q, want %q", known, want)
		}
	})
}

// An event to a user reaches a client as soon as another user can know that it is in.
func TestASocketIsFoundByNameWhenItsClientHasTheReply(t *testing.T) {
	ns := namespaces.New("/")
	var local namespaces.Local
	cfg := namespaces.Config{Adapter: func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) {
		local = l
		return l, nil
	}}
	run(t, cfg, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		const ofAnn = "\x00subject\x00ann" // what ns.User("ann") means
		found := map[string]bool{}
		p.onSend = func(text string) {
			for _, name := range []string{ofAnn, strings.Split(text, `"`)[3]} {
				found[name] = local.HasRoom(name)
			}
		}
		sid := p.enter("/", "ann")
		if !found[sid] || !found[ofAnn] {
			t.Errorf("at the reply the socket is found by %v", found)
		}
	})
}

func TestNothingLeavesBeforeTheReply(t *testing.T) {
	ns := namespaces.New("/")
	var ackErr error
	ns.Admit(func(ctx context.Context, s *namespaces.Socket) error {
		_ = s.Join("early")
		_ = s.Emit("welcome")
		_, ackErr = s.EmitAck(ctx, "question")
		time.Sleep(time.Second)
		return nil
	})
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { _ = s.Emit("connected") })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.say(connectTo("/", "ann"))
		_ = ns.Emit("to all")
		_ = ns.In("early").Emit("to early")
		p.expect()
		time.Sleep(time.Second)
		synctest.Wait()
		_ = ns.In("early").Emit("now")
		got := p.take()
		if len(got) != 4 || got[1] != `2["welcome"]` || got[2] != `2["connected"]` || got[3] != `2["now"]` {
			t.Errorf("sent %q", got)
		}
		if !errors.Is(ackErr, namespaces.ErrNotAdmitted) {
			t.Errorf("EmitAck during admission: %v", ackErr)
		}
	})
}

func TestEarlyEventsWaitForTheConnectHandler(t *testing.T) {
	ns := namespaces.New("/")
	var order []string
	ns.Admit(func(context.Context, *namespaces.Socket) error {
		time.Sleep(time.Second)
		return nil
	})
	ns.OnConnect(func(context.Context, *namespaces.Socket) {
		time.Sleep(time.Second)
		order = append(order, "connected")
	})
	namespaces.On(ns, "e", func(_ context.Context, _ *namespaces.Socket, in int) (namespaces.None, error) {
		order = append(order, fmt.Sprint(in))
		return namespaces.None{}, nil
	})
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.push(connectTo("/", "ann"), `2["e",1]`, `2["e",2]`)
		time.Sleep(1500 * time.Millisecond)
		p.push(`2["e",3]`)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fmt.Sprint(order); got != "[connected 1 2 3]" {
			t.Error(got)
		}
	})
}

func TestAPetitionThatIsCancelledLeavesNoGhost(t *testing.T) {
	for name, cancel := range map[string]func(p *peer){
		"disconnect": func(p *peer) { p.push("1") },
		"close":      func(p *peer) { p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) },
	} {
		t.Run(name, func(t *testing.T) {
			ns := namespaces.New("/")
			ended := false
			ns.Admit(func(ctx context.Context, s *namespaces.Socket) error {
				_ = s.Join("room")
				<-ctx.Done()
				ended = true
				return nil
			})
			ns.OnConnect(func(context.Context, *namespaces.Socket) { t.Error("connect handler of a ghost") })
			ns.OnDisconnect(func(context.Context, *namespaces.Socket, string) { t.Error("disconnect handler of a ghost") })
			run(t, namespaces.Config{}, []*namespaces.Namespace{ns}, func(t *testing.T, h *namespaces.Hub) {
				p := newPeer(t, h)
				p.say(connectTo("/", "ann"), `2["x"]`)
				cancel(p)
				p.expect()
				if st := h.Stats(); !ended || st.Sockets != 0 || st.Rooms != 0 {
					t.Errorf("ended %v, %+v", ended, st)
				}
			})
		})
	}
}

func TestAnAdmissionThatTakesTooLongIsRefused(t *testing.T) {
	gate := namespaces.GateFunc(func(ctx context.Context, _ *handshake.Request) (handshake.Identity, error) {
		<-ctx.Done()
		return handshake.Identity{}, ctx.Err()
	})
	run(t, namespaces.Config{Gate: gate}, []*namespaces.Namespace{namespaces.New("/"), elsewhere()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/elsewhere", "ann")
		p.push("0")
		time.Sleep(8 * time.Second)
		p.expect(`4{"message":"The server cannot admit anybody right now; try again in a moment.","data":{"code":"unavailable","retryAfterMs":1000}}`)
	})
}

func TestAPanicInAdmissionRefuses(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(context.Context, *namespaces.Socket) error { panic("oh") })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns, elsewhere()}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/elsewhere", "ann")
		p.say(connectTo("/", "ann"))
		p.expect(`4{"message":"The server cannot admit anybody right now; try again in a moment.","data":{"code":"unavailable","retryAfterMs":1000}}`)
	})
}

func TestPetitionsOfOneConnectionAreLimited(t *testing.T) {
	running, most := 0, 0
	var defs []*namespaces.Namespace
	for i := range 10 {
		ns := namespaces.New(fmt.Sprintf("/%d", i))
		ns.Admit(func(context.Context, *namespaces.Socket) error {
			running++
			most = max(most, running)
			time.Sleep(time.Second)
			running--
			return nil
		})
		defs = append(defs, ns)
	}
	run(t, namespaces.Config{ConnectLimits: namespaces.ConnectLimits{MaxAdmissions: 1}, SocketLimits: namespaces.SocketLimits{MaxNamespaces: 8}}, defs, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		for i := range 10 {
			p.say(connectTo(fmt.Sprintf("/%d", i), "ann"))
		}
		p.expect(`4/8,{"message":"Too many namespaces.","data":{"code":"too_many_connections"}}`,
			`4/9,{"message":"Too many namespaces.","data":{"code":"too_many_connections"}}`)
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if st := h.Stats(); st.Sockets != 8 || most != 1 {
			t.Errorf("%d at once, %+v", most, st)
		}
	})
}

func TestAConnectionInNoNamespaceIsClosedAtTheDeadline(t *testing.T) {
	run(t, namespaces.Config{}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		silent, early, leaver := newPeer(t, h), newPeer(t, h), newPeer(t, h)
		early.enter("/", "ann")
		leaver.enter("/", "bob")
		time.Sleep(5 * time.Second)
		late := newPeer(t, h)
		leaver.say("1")
		time.Sleep(5*time.Second + time.Millisecond)
		silent.expectClosed("connect timeout")
		for _, p := range []*peer{early, late, leaver} {
			if closed, _, reason := p.isClosed(); closed {
				t.Errorf("closed with %q", reason)
			}
		}
		time.Sleep(5 * time.Second)
		late.expectClosed("connect timeout")
		leaver.expectClosed("connect timeout")
		if st := h.Stats(); st.Clients != 1 || st.Pending != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestTheOldestPendingConnectionGivesWay(t *testing.T) {
	run(t, namespaces.Config{ConnectLimits: namespaces.ConnectLimits{MaxPending: 2}}, []*namespaces.Namespace{namespaces.New("/")}, func(t *testing.T, h *namespaces.Hub) {
		first := newPeer(t, h)
		second := newPeer(t, h)
		second.enter("/", "ann")
		third, fourth := newPeer(t, h), newPeer(t, h)
		first.expectClosed("too many pending connections")
		for _, p := range []*peer{second, third, fourth} {
			if closed, _, _ := p.isClosed(); closed {
				t.Error("closed one that was not the oldest")
			}
		}
	})
}

func TestDefinitionsAreCheckedOnce(t *testing.T) {
	none := func(context.Context, *namespaces.Socket, namespaces.None) error { return nil }
	twice := namespaces.New("/twice")
	namespaces.Handle(twice, "e", none)
	namespaces.Handle(twice, "e", none)
	reserved := namespaces.New("/reserved")
	namespaces.Handle(reserved, "auth:refresh", none)
	node := namespaces.New("/node")
	namespaces.Handle(node, "disconnect", none)
	for name, defs := range map[string][]*namespaces.Namespace{
		"no slash": {namespaces.New("chat")}, "comma": {namespaces.New("/a,b")}, "two of a name": {namespaces.New("/"), namespaces.New("/")},
		"two handlers": {twice}, "auth event": {reserved}, "reserved event": {node},
	} {
		if _, err := namespaces.NewHub(namespaces.Config{Gate: open}, mounting(defs)...); err == nil {
			t.Errorf("%s: mounted", name)
		}
	}
	if _, err := namespaces.NewHub(namespaces.Config{}, namespaces.New("/")); err == nil {
		t.Error("mounted without a gate")
	}
}
