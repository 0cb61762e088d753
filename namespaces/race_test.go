package namespaces_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// These tests run with real goroutines, to try many interleavings.

func TestNoGhostsAfterRandomLives(t *testing.T) {
	const workers, lives = 8, 500
	var opened, closed atomic.Int64
	ns, other := namespaces.New("/"), namespaces.New("/other")
	for _, one := range []*namespaces.Namespace{ns, other} {
		one.Admit(func(_ context.Context, s *namespaces.Socket) error {
			if rand.IntN(10) == 0 {
				return namespaces.Forbidden("bad luck")
			}
			return s.Join("common", fmt.Sprint("r", rand.IntN(10)))
		})
		one.OnConnect(func(context.Context, *namespaces.Socket) { opened.Add(1) })
		one.OnDisconnect(func(context.Context, *namespaces.Socket, string) { closed.Add(1) })
		namespaces.Handle(one, "join", func(_ context.Context, s *namespaces.Socket, room string) error { return s.Join(room) })
		namespaces.Handle(one, "leave", func(_ context.Context, s *namespaces.Socket, room string) error { s.Leave(room); return nil })
		namespaces.Handle(one, "kick", func(_ context.Context, s *namespaces.Socket, all bool) error { s.Disconnect(all); return nil })
	}
	h, err := namespaces.NewHub(namespaces.Config{Gate: open}, ns, other)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var noise, wg sync.WaitGroup
	noise.Go(func() { // operations from outside, all the time
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			room := fmt.Sprint("r", i%10)
			_ = ns.In(room, "common").Except("r1").Emit("e", i)
			_ = ns.In(room).Join("r1")
			_ = ns.In("r1").Except("common").Leave(room)
			runtime.Gosched()
		}
	})
	for range workers {
		wg.Go(func() {
			for range lives {
				live(t, h)
			}
		})
	}
	wg.Wait()
	close(stop)
	noise.Wait()
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if st := h.Stats(); st != (namespaces.Stats{}) {
		t.Errorf("ghosts: %+v", st)
	}
	if opened.Load() != closed.Load() || opened.Load() == 0 {
		t.Errorf("%d connect handlers, %d disconnect handlers", opened.Load(), closed.Load())
	}
}

// live is one connection: it enters, says a few things at random and ends in one of the ways, often before it is admitted.
func live(t *testing.T, h *namespaces.Hub) {
	p := newPeer(t, h)
	p.push(connectTo("/", "ann"))
	if rand.IntN(2) == 0 {
		p.push(connectTo("/other", "ann"))
	}
	var closer sync.WaitGroup
	if rand.IntN(3) == 0 {
		closer.Go(func() { p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) })
	}
	for range rand.IntN(6) {
		switch rand.IntN(4) {
		case 0:
			p.push(fmt.Sprintf(`2["join","r%d"]`, rand.IntN(10)))
		case 1:
			p.push(fmt.Sprintf(`2["leave","r%d"]`, rand.IntN(10)))
		case 2:
			p.push(fmt.Sprintf(`2["kick",%v]`, rand.IntN(2) == 0))
		default:
			runtime.Gosched()
		}
	}
	switch rand.IntN(3) {
	case 0:
		p.push("1")
	case 1:
		p.push("junk")
	}
	closer.Wait()
	p.gone(namespaces.End{Reason: namespaces.ReasonTransportError})
}

// TestNothingFollowsTheEndOfASocket re-enters a namespace at once, again and again, while others broadcast: what is sent
// between DISCONNECT and the next CONNECT reply would reach the wrong socket.
func TestNothingFollowsTheEndOfASocket(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	namespaces.Handle(ns, "leave", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) error {
		s.Disconnect(false)
		_ = s.Emit("ghost")
		return nil
	})
	h, err := namespaces.NewHub(namespaces.Config{Gate: open, ConnectLimits: namespaces.ConnectLimits{MaxConnects: 1000}}, ns)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var noise sync.WaitGroup
	noise.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = ns.In("room").Emit("e")
				_ = ns.Emit("e")
				runtime.Gosched()
			}
		}
	})
	p := newPeer(t, h)
	ready := make(chan string, 1)
	p.onSend = func(text string) {
		if text[0] == '0' || text[0] == '1' {
			ready <- text[:1]
		}
	}
	for range 500 {
		p.push(connectTo("/", "ann"))
		<-ready
		p.push(`2["leave"]`)
		<-ready
	}
	close(stop)
	noise.Wait()
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	inside := false
	for i, frame := range p.take() {
		switch frame[0] {
		case '0':
			inside = true
		case '1':
			inside = false
		default:
			if !inside {
				t.Fatalf("frame %d, %q, was sent while in no namespace", i, frame)
			}
		}
	}
}

// TestABroadcastIsAfterTheReplyOrNotAtAll races admissions with broadcasts to the rooms that they join: once a client has
// the reply, no broadcast that begins later may pass it by.
func TestABroadcastIsAfterTheReplyOrNotAtAll(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room", "second") })
	h, err := namespaces.NewHub(namespaces.Config{Gate: open}, ns)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		p := newPeer(t, h)
		replied := make(chan struct{})
		p.onSend = func(text string) {
			if strings.HasPrefix(text, `0{`) {
				close(replied)
			}
		}
		p.push(connectTo("/", "ann"))
		<-replied // the earliest moment at which anybody can know it
		_ = ns.In("room").Emit("now", i)
		_ = ns.In("nowhere", "second").Emit("now", i)
		_ = ns.Emit("now", i)
		if got := p.take(); len(got) != 4 || got[0][0] != '0' {
			t.Fatalf("life %d: sent %q", i, got)
		}
		p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestAJoinRacingTheEndLeavesNoGhost(t *testing.T) {
	ns := namespaces.New("/")
	admitted := make(chan *namespaces.Socket, 1)
	gone := make(chan struct{}, 1)
	ns.OnConnect(func(_ context.Context, s *namespaces.Socket) { admitted <- s })
	ns.OnDisconnect(func(context.Context, *namespaces.Socket, string) { gone <- struct{}{} })
	h, err := namespaces.NewHub(namespaces.Config{Gate: open}, ns)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		p := newPeer(t, h)
		p.push(connectTo("/", "ann"))
		s := <-admitted
		var wg sync.WaitGroup
		for g := range 3 {
			wg.Go(func() {
				room := fmt.Sprint("r", g%2)
				_ = s.Join(room, "x")
				s.Leave(room)
				_ = s.Join(room)
			})
		}
		wg.Go(func() { p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) })
		wg.Wait()
		<-gone // the rooms are left before the disconnect handlers run
		if st := h.Stats(); st.Sockets != 0 || st.Rooms != 0 {
			t.Fatalf("life %d: %+v", i, st)
		}
	}
	if err := h.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestConnectsRacingClose closes the hub while connections come.
func TestConnectsRacingClose(t *testing.T) {
	for range 50 {
		gate := namespaces.GateFunc(func(context.Context, *handshake.Request) (handshake.Identity, error) {
			runtime.Gosched()
			return handshake.Identity{Subject: "ann"}, nil
		})
		ns := namespaces.New("/")
		h, err := namespaces.NewHub(namespaces.Config{Gate: gate}, ns)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					newPeer(t, h).push("0", `2["e"]`)
				}
			})
		}
		runtime.Gosched()
		if err := h.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if st := h.Stats(); st != (namespaces.Stats{}) {
			t.Fatalf("ghosts: %+v", st)
		}
	}
}
