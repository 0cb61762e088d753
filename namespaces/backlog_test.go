package namespaces_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

// hall is a namespace that broadcasts each event to all members, and counts the
// events and the disconnects that it has handled.
type hall struct {
	*namespaces.Namespace
	handled, parted atomic.Int32
}

func newHall(emit func(s *namespaces.Socket, text string) error) *hall {
	h := &hall{Namespace: namespaces.New("/")}
	namespaces.Handle(h.Namespace, "say", func(_ context.Context, s *namespaces.Socket, text string) error {
		h.handled.Add(1)
		return emit(s, text)
	})
	h.OnDisconnect(func(context.Context, *namespaces.Socket, string) { h.parted.Add(1) })
	return h
}

func said(bytes int) string { return fmt.Sprintf(`2["say",%q]`, strings.Repeat("x", bytes)) }

// F7: members who read more slowly than somebody sends were cut.
func TestASenderWaitsWhenItsReceiversAreBehind(t *testing.T) {
	toAll := func(s *namespaces.Socket, text string) error { return s.Namespace().In().By(s).Emit("said", text) }
	for name, c := range map[string]struct {
		emit   func(s *namespaces.Socket, text string) error
		behind []int // how far each of four receivers is, in eighths
		waits  bool
	}{
		"nobody is behind":                  {toAll, []int{0, 0, 0, 0}, false},
		"one of five is, a little or not":   {toAll, []int{8, 0, 0, 0}, false},
		"two of five are":                   {toAll, []int{1, 1, 0, 0}, true},
		"all are":                           {toAll, []int{3, 3, 3, 3}, true},
		"the others, in a room of their id": {func(s *namespaces.Socket, text string) error { return s.Others().Emit("said", text) }, []int{2, 2, 2, 2}, true},
		"nobody is named":                   {func(s *namespaces.Socket, text string) error { return s.Namespace().Emit("said", text) }, []int{8, 8, 8, 8}, false},
		"what may be dropped":               {func(s *namespaces.Socket, text string) error { return s.Others().Volatile().Emit("said", text) }, []int{8, 8, 8, 8}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ns := newHall(c.emit)
			run(t, namespaces.Config{}, []*namespaces.Namespace{ns.Namespace}, func(t *testing.T, h *namespaces.Hub) {
				sender := newPeer(t, h)
				sender.enter("/", "ann")
				for i, backlog := range c.behind {
					p := newPeer(t, h)
					p.enter("/", fmt.Sprint("reader", i))
					p.reads(backlog)
				}
				sender.say(said(100_000), said(1))
				if waits := ns.handled.Load() == 1; waits != c.waits {
					t.Fatalf("%d of two events are handled at once", ns.handled.Load())
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if ns.handled.Load() != 2 {
					t.Errorf("%d of two events are handled in the end", ns.handled.Load())
				}
			})
		})
	}
}

// All connections of a user wait together.
func TestASendersConnectionsWaitTogether(t *testing.T) {
	ns := newHall(func(s *namespaces.Socket, text string) error { return s.Namespace().In().By(s).Emit("said", text) })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns.Namespace}, func(t *testing.T, h *namespaces.Hub) {
		for range 2 {
			reader := newPeer(t, h)
			reader.enter("/", "reader")
			reader.reads(8)
		}
		const connections = 4
		for range connections {
			p := newPeer(t, h)
			p.enter("/", "mallory")
			for range 100 {
				p.push(said(256))
			}
		}
		for range 10 {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		// At the eighth level an event of 256 bytes or more takes an eighth of a second. The
		// first event of each connection is free.
		if ns.handled.Load() > 100 {
			t.Errorf("%d events in 10 s", ns.handled.Load())
		}
	})
}

func TestASenderThatWaitsEndsAtOnce(t *testing.T) {
	ns := newHall(func(s *namespaces.Socket, text string) error { return s.Namespace().In().By(s).Emit("said", text) })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns.Namespace}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.reads(8)
		p.say(said(100_000), said(1))
		if ns.handled.Load() != 1 {
			t.Fatalf("%d handled", ns.handled.Load())
		}
		p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		synctest.Wait()
		if ns.parted.Load() != 1 || ns.handled.Load() != 2 {
			t.Errorf("%d handled, %d parted", ns.handled.Load(), ns.parted.Load())
		}
	})
}

func TestALargeRoomIsAskedInPart(t *testing.T) {
	ns := newHall(func(s *namespaces.Socket, text string) error { return s.Others().Emit("said", text) })
	run(t, namespaces.Config{}, []*namespaces.Namespace{ns.Namespace}, func(t *testing.T, h *namespaces.Hub) {
		sender := newPeer(t, h)
		sender.enter("/", "ann")
		for i := range 300 {
			p := newPeer(t, h)
			p.enter("/", fmt.Sprint("reader", i))
			p.reads(i % 3) // two thirds are behind
		}
		sender.say(said(100_000), said(1))
		if ns.handled.Load() != 1 {
			t.Errorf("%d handled at once", ns.handled.Load())
		}
	})
}
