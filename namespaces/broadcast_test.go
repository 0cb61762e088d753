package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

// crowd holds sockets of one namespace by the name of their user. Admission puts them into the rooms that the scopes
// of their token name.
type crowd struct {
	ns    *namespaces.Namespace
	peers map[string]*peer
	socks map[string]*namespaces.Socket
}

// newCrowd admits users written as "name room room…".
func newCrowd(t *testing.T, cfg namespaces.Config, users ...string) *crowd {
	ns := namespaces.New("/")
	ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join(s.Identity().Scopes[1:]...) })
	h := newHub(t, cfg, ns)
	c := &crowd{ns, make(map[string]*peer), make(map[string]*namespaces.Socket)}
	for _, u := range users {
		name, _, _ := strings.Cut(u, " ")
		p := newPeer(t, h)
		c.socks[name], _ = ns.Socket(p.enter("/", strings.ReplaceAll(u, " ", "+")))
		c.peers[name] = p
	}
	return c
}

// heard returns the users that got the event since the last call, once for each time.
func (c *crowd) heard(event string) string {
	synctest.Wait()
	var names []string
	for name, p := range c.peers {
		for _, frame := range p.take() {
			if strings.Contains(frame, `"`+event+`"`) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestBroadcastsReachTheSelected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob a b", "cid b", "dan")
		ann, bob := c.socks["ann"], c.socks["bob"]
		for name, test := range map[string]struct {
			to   interface{ Emit(string, ...any) error }
			want string
		}{
			"namespace":                    {c.ns, "ann bob cid dan"},
			"room":                         {c.ns.In("a"), "ann bob"},
			"two rooms, once each":         {c.ns.In("a", "b"), "ann bob cid"},
			"two rooms by chain":           {c.ns.In("a").In("b"), "ann bob cid"},
			"one room twice":               {c.ns.In("a", "a"), "ann bob"},
			"empty room":                   {c.ns.In("nowhere"), ""},
			"except room":                  {c.ns.Except("a"), "cid dan"},
			"room except room":             {c.ns.In("a").Except("b"), "ann"},
			"except two":                   {c.ns.Except("a", "b"), "dan"},
			"except empty room":            {c.ns.Except("nowhere"), "ann bob cid dan"},
			"socket id":                    {c.ns.In(ann.ID()), "ann"},
			"socket id and its room":       {c.ns.In(ann.ID(), "a"), "ann bob"},
			"except socket id":             {c.ns.In("a").Except(ann.ID()), "bob"},
			"id except id":                 {c.ns.In(ann.ID()).Except(ann.ID()), ""},
			"others in a room":             {ann.To("a"), "bob"},
			"others in two rooms":          {bob.To("a").To("b"), "ann cid"},
			"others":                       {ann.Others(), "bob cid dan"},
			"others except":                {ann.Except("b"), "dan"},
			"others in room except":        {ann.To("a").Except("b"), ""},
			"others of the node":           {ann.Local(), "bob cid dan"},
			"room of the node":             {c.ns.Local().In("b"), "bob cid"},
			"self":                         {ann, "ann"},
			"self volatile":                {ann.Volatile(), "ann"},
			"others in a room, volatile":   {ann.Volatile().To("a"), "bob"},
			"volatile others, and back to": {ann.To("a").Volatile(), "bob"},
		} {
			if err := test.to.Emit("e", name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := c.heard("e"); got != test.want {
				t.Errorf("%s: heard by %q, want %q", name, got, test.want)
			}
		}
	})
}

func TestABroadcastDoesNotChangeWhatItWasMadeFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob b", "cid c")
		base := c.ns.In("a")
		b, cc := base.In("b"), base.In("c")
		_ = b.Emit("e")
		if got := c.heard("e"); got != "ann bob" {
			t.Error(got)
		}
		_ = cc.Emit("e")
		if got := c.heard("e"); got != "ann cid" {
			t.Error(got)
		}
	})
}

func TestVolatileEventsAreDroppedForWhoIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob a")
		c.peers["bob"].behind = true
		_ = c.ns.In("a").Volatile().Emit("e")
		if got := c.heard("e"); got != "ann" {
			t.Error(got)
		}
		if err := c.socks["bob"].Volatile().Emit("e"); err != nil || c.heard("e") != "" {
			t.Error("a volatile event waited for who is behind", err)
		}
	})
}

func TestReservedNamesCannotBeEmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a")
		for _, name := range []string{"", "connect", "disconnect", "connect_error", "auth:revoked"} {
			for _, err := range []error{c.ns.Emit(name), c.ns.In("a").Emit(name), c.socks["ann"].Emit(name)} {
				if !errors.Is(err, namespaces.ErrReservedName) {
					t.Errorf("%q: %v", name, err)
				}
			}
		}
		if c.socks["ann"].Emit("e", make(chan int)) == nil {
			t.Error("emitted a channel")
		}
	})
}

func TestOneFrameServesAllReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob a", "cid a")
		encoded := 0
		_ = c.ns.In("a").Emit("e", counted{&encoded})
		if encoded != 1 || c.heard("e") != "ann bob cid" {
			t.Errorf("encoded %d times", encoded)
		}
	})
}

// counted counts how often it is encoded.
type counted struct{ n *int }

func (c counted) MarshalJSON() ([]byte, error) { *c.n++; return []byte("1"), nil }

func TestOperationsOnARoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob a b", "cid b")
		ctx := context.Background()
		if err := c.ns.In("a").Join("new"); err != nil {
			t.Fatal(err)
		}
		var found []string
		for info, err := range c.ns.In("new").Sockets(ctx) {
			found = append(found, fmt.Sprint(info.Identity.Scopes[0], " ", info.Rooms, " ", err))
		}
		slices.Sort(found)
		if want := []string{"ann [a new] <nil>", "bob [a b new] <nil>"}; !slices.Equal(found, want) {
			t.Errorf("%q", found)
		}
		_ = c.ns.In("new").Except("b").Leave("a")
		if got := c.socks["ann"].Rooms(); !slices.Equal(got, []string{"new"}) {
			t.Errorf("ann is in %v", got)
		}
		_ = c.ns.In("b").Disconnect(false)
		synctest.Wait()
		if c.ns.Len() != 1 || !c.socks["ann"].Connected() {
			t.Error("disconnected others than those in the room")
		}
		_ = c.socks["ann"].Volatile().Join("own")
		if !c.socks["ann"].Joined("own") {
			t.Error("an operation on oneself reached another")
		}
	})
}

func TestABroadcastCollectsAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob a", "cid a", "dan a", "eve")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		time.AfterFunc(time.Millisecond, func() {
			c.peers["ann"].push(`30["from ann",1]`)
			c.peers["bob"].push("1")
			c.peers["eve"].push(`30["nobody asked"]`)
		})
		answers, err := c.ns.In("a").EmitAck(ctx, "q", "?")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if len(answers.Replies) != 1 || answers.Replies[0].Socket != c.socks["ann"].ID() || answers.Missing != 3 {
			t.Fatalf("%+v", answers)
		}
		var text string
		if err := answers.Replies[0].Args.Decode(0, &text); err != nil || text != "from ann" {
			t.Errorf("%q %v", text, err)
		}
		c.peers["cid"].push(`30["too late"]`)
		time.AfterFunc(time.Millisecond, func() { c.peers["cid"].push(`31[]`); c.peers["dan"].push(`31[]`) })
		if answers, err = c.ns.In(c.socks["cid"].ID(), c.socks["dan"].ID()).EmitAck(ctx, "q"); err == nil {
			t.Error("the deadline had passed")
		}
		if answers, err = c.ns.In("nobody").EmitAck(context.Background(), "q"); err != nil || len(answers.Replies)+answers.Missing != 0 {
			t.Error(answers, err)
		}
	})
}

func TestABroadcastEndsWhenAllHaveAnsweredOrGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, "ann a", "bob a")
		began := time.Now()
		time.AfterFunc(time.Second, func() {
			c.peers["ann"].push(`30[]`)
			c.peers["bob"].gone(namespaces.End{Reason: namespaces.ReasonTransportClose})
		})
		answers, err := c.ns.In("a").EmitAck(context.Background(), "q")
		if err != nil || len(answers.Replies) != 1 || answers.Missing != 1 || time.Since(began) != time.Second {
			t.Errorf("%v %v after %v", answers, err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { c.peers["ann"].push(`31["me"]`) })
		if answers, err = c.socks["ann"].Volatile().EmitAck(context.Background(), "q"); err != nil || len(answers.Replies) != 1 {
			t.Error(answers, err)
		}
	})
}

func TestRoomsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{SocketLimits: namespaces.SocketLimits{MaxRooms: 20, MaxRoomName: 8}}, "ann")
		ann := c.socks["ann"]
		for i := range 20 {
			if err := ann.Join(fmt.Sprint("r", i), "r0"); err != nil {
				t.Fatal(err)
			}
		}
		if err := ann.Join("more"); !errors.Is(err, namespaces.ErrTooManyRooms) {
			t.Error(err)
		}
		for _, name := range []string{"", "123456789"} {
			if err := ann.Join(name); !errors.Is(err, namespaces.ErrRoomName) {
				t.Error(err)
			}
		}
		for i := range 20 {
			ann.Leave(fmt.Sprint("r", i), "never joined")
			if ann.Joined(fmt.Sprint("r", i)) || len(ann.Rooms()) != 19-i {
				t.Fatalf("in %v", ann.Rooms())
			}
		}
		_ = c.ns.In("r0").Emit("e")
		if c.heard("e") != "" {
			t.Error("heard after leaving")
		}
	})
}

// TestARoomHasOneOrder lets many senders talk at once in rooms with the same members, with and without exceptions, and
// compares what all receivers heard.
func TestARoomHasOneOrder(t *testing.T) {
	const senders, each = 8, 200
	users := []string{"ann a b", "bob a b", "cid a b", "dan a b"}
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, namespaces.Config{}, users...)
		var wg sync.WaitGroup
		for s := range senders {
			wg.Go(func() {
				for i := range each {
					to := []namespaces.Broadcast{c.ns.In("a"), c.ns.In("b", "a"), c.ns.In("a", "b").Except("nobody"), c.ns.In("a").Except("nobody")}[i%4]
					_ = to.Emit("e", s, i)
				}
			})
		}
		wg.Wait()
		first := c.peers["ann"].take()
		if len(first) != senders*each {
			t.Fatalf("ann heard %d", len(first))
		}
		for _, name := range []string{"bob", "cid", "dan"} {
			if !slices.Equal(c.peers[name].take(), first) {
				t.Errorf("%s heard another order", name)
			}
		}
	})
}
