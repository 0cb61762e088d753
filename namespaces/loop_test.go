package namespaces_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// held is a room that a broadcast has locked: the broadcast waits for a member whose connection takes nothing
// until freed.
type held struct {
	free chan struct{}
	done chan struct{}
}

// hold begins a broadcast to all, and returns when it holds the locks.
func hold(ns *namespaces.Namespace, member *peer) held {
	h := held{make(chan struct{}), make(chan struct{})}
	begun := make(chan struct{})
	member.mu.Lock()
	member.onSend = func(text string) {
		if strings.Contains(text, `"blocked"`) {
			close(begun)
			<-h.free
		}
	}
	member.mu.Unlock()
	go func() {
		defer close(h.done)
		_ = ns.Emit("blocked")
	}()
	<-begun
	return h
}

// patience is how long a call that must not wait may take. Only a failing test takes so long.
const patience = 20 * time.Second

// within fails the test when f does not return, and lets the broadcast go on, so that it can end.
func (h held) within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(patience):
		close(h.free)
		t.Fatalf("%s waits for a broadcast to others", what)
	}
}

// These tests run with real goroutines: in a bubble, a goroutine that waits for a lock does not count as
// waiting.
func TestReadingWaitsForNoRoom(t *testing.T) {
	for name, act := range map[string]func(p *peer){
		"leaving":           func(p *peer) { p.push("1") },
		"leaving, entering": func(p *peer) { p.push("1", connectTo("/", "bob"), "1", connectTo("/", "bob")) },
		"entering twice":    func(p *peer) { p.push(connectTo("/", "bob")) },
		"entering more":     func(p *peer) { p.push(connectTo("/other", "bob")) },
		"no packet":         func(p *peer) { p.push("9") },
		"out of order":      func(p *peer) { p.push(`2/nowhere,["e"]`) },
		"going":             func(p *peer) { p.gone(namespaces.End{Reason: namespaces.ReasonTransportClose}) },
		"an event":          func(p *peer) { p.push(`2["e"]`) },
		"a refresh":         func(p *peer) { p.push(`21["auth:refresh",{"token":"bob"}]`) },
		"an answer":         func(p *peer) { p.push(`34[]`) },
	} {
		t.Run(name, func(t *testing.T) {
			ns, other := namespaces.New("/"), namespaces.New("/other")
			join := func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") }
			ns.Admit(join)
			other.Admit(join)
			handled := make(chan struct{}, 1)
			namespaces.Handle(ns, "seen", func(context.Context, *namespaces.Socket, namespaces.None) error {
				handled <- struct{}{}
				return nil
			})
			h := newHub(t, namespaces.Config{Gate: both}, ns, other)
			ann, bob, cid := newPeer(t, h), newPeer(t, h), newPeer(t, h)
			for token, p := range map[string]*peer{"ann": ann, "bob": bob, "cid": cid} {
				p.join("/", token)
			}
			room := hold(ns, ann)
			room.within(t, name, func() { act(bob) })
			room.within(t, "an event of somebody else", func() {
				cid.push(`2["seen"]`)
				<-handled
			})
			close(room.free)
			<-room.done
		})
	}
}

// TestAClientThatComesBackAtOnceGetsNothingOfBefore enters again while a broadcast still holds the old socket in
// its room.
func TestAClientThatComesBackAtOnceGetsNothingOfBefore(t *testing.T) {
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	h := newHub(t, namespaces.Config{}, ns)
	ann, bob := newPeer(t, h), newPeer(t, h)
	ann.join("/", "ann")
	bob.join("/", "bob")
	room := hold(ns, ann)
	room.within(t, "leaving", func() { bob.push(`2["e"]`, "1", connectTo("/", "bob")) })
	bob.take()
	close(room.free)
	<-room.done
	entered := bob.await("0{")
	if i := strings.Index(entered, "blocked"); i >= 0 && i < strings.Index(entered, "0{") {
		t.Logf("the broadcast reached the socket before it was out: %s", entered)
	}
	if strings.Contains(entered[strings.Index(entered, "0{"):], "blocked") {
		t.Errorf("the new socket got what was sent before it entered:\n%s", entered)
	}
	if n := ns.Len(); n != 2 {
		t.Errorf("%d sockets, want 2", n)
	}
}

// both is a gate that also refreshes.
var both = refreshing{open}

type refreshing struct{ namespaces.GateFunc }

func (g refreshing) Refresh(ctx context.Context, r *handshake.Request, _ handshake.Identity) (handshake.Identity, error) {
	return g.Check(ctx, r)
}
