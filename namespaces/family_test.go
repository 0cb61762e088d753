package namespaces_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/namespaces"
)

// tenants is a family whose namespaces answer "who" with their part, and admit users who have it as a scope.
func tenants(made *atomic.Int32) *namespaces.Family {
	return namespaces.NewFamily("/tenant-{org}", func(ns *namespaces.Namespace) {
		made.Add(1)
		ns.Admit(func(_ context.Context, s *namespaces.Socket) error {
			if !s.Identity().Has("scope", s.Namespace().Part("org")) {
				return namespaces.Forbidden("Not yours.")
			}
			return s.Join("all")
		})
		namespaces.On(ns, "who", func(_ context.Context, s *namespaces.Socket, _ namespaces.None) (string, error) {
			return s.Namespace().Part("org"), nil
		})
	})
}

func family(t *testing.T, cfg namespaces.Config, test func(t *testing.T, h *namespaces.Hub), defs ...namespaces.Definition) {
	synctest.Test(t, func(t *testing.T) {
		if cfg.Gate == nil {
			cfg.Gate = open
		}
		h, err := namespaces.NewHub(cfg, defs...)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		test(t, h)
	})
}

func TestANamespaceOfAFamilyIsMadeWhenItIsAskedFor(t *testing.T) {
	var made atomic.Int32
	f := tenants(&made)
	family(t, namespaces.Config{}, func(t *testing.T, h *namespaces.Hub) {
		acme, other := newPeer(t, h), newPeer(t, h)
		acme.enter("/tenant-acme", "ann+acme")
		other.enter("/tenant-other", "bob+other")
		acme.say(`2/tenant-acme,1["who"]`)
		acme.expect(`3/tenant-acme,1["acme"]`)
		one, _ := h.Namespace("/tenant-acme")
		two, _ := h.Namespace("/tenant-other")
		if one == nil || two == nil || one == two || one.Family() != f || one.Label() != "/tenant-{org}" || one.Part("none") != "" {
			t.Fatal(one, two)
		}
		_ = one.In("all").Emit("news")
		acme.expect(`2/tenant-acme,["news"]`)
		other.expect()
		_ = f.Emit("to the family", 1)
		acme.expect(`2/tenant-acme,["to the family",1]`)
		other.expect(`2/tenant-other,["to the family",1]`)
		acme.say(connectTo("/tenant-", "ann"), connectTo("/tenant-a/b", "ann"))
		acme.expect(`4/tenant-,{"message":"Invalid namespace"}`, `4/tenant-a/b,{"message":"Invalid namespace"}`)
		acme.say(connectTo("/tenant-other", "ann+acme")) // asked for alone, as admissions are examined at the same time
		acme.expect(`4/tenant-other,{"message":"Not yours.","data":{"code":"forbidden"}}`)
	}, f)
}

func TestANamespaceIsMadeOnceHoweverManyAsk(t *testing.T) {
	var made atomic.Int32
	slow := func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) {
		time.Sleep(time.Second) // as the network does
		return l, nil
	}
	family(t, namespaces.Config{Adapter: slow}, func(t *testing.T, h *namespaces.Hub) {
		var peers []*peer
		for range 50 {
			p := newPeer(t, h)
			p.push(connectTo("/tenant-acme", "ann+acme"))
			peers = append(peers, p)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ns, _ := h.Namespace("/tenant-acme")
		if made.Load() != 1 || ns.Len() != 50 {
			t.Errorf("made %d times, %d of %d are in", made.Load(), ns.Len(), len(peers))
		}
	}, tenants(&made))
}

func TestANamespaceOfAFamilyGoesSomeTimeAfterItsLastSocket(t *testing.T) {
	var made atomic.Int32
	var mu sync.Mutex
	var told []string
	note := func(what string) func(*namespaces.Namespace) {
		return func(ns *namespaces.Namespace) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, what+" "+ns.Name())
		}
	}
	cfg, spies := spied()
	cfg.Hooks = []namespaces.Hooks{{NamespaceMade: note("made"), NamespaceGone: note("gone")}}
	synctest.Test(t, func(t *testing.T) {
		h, err := namespaces.NewHub(cfg, tenants(&made).Linger(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		p := newPeer(t, h)
		p.enter("/tenant-acme", "ann+acme")
		ns, _ := h.Namespace("/tenant-acme")
		p.say("1/tenant-acme,")
		time.Sleep(59 * time.Second)
		p2 := newPeer(t, h)
		p2.enter("/tenant-acme", "ann+acme")
		if again, _ := h.Namespace("/tenant-acme"); again != ns {
			t.Error("a namespace is made anew while it lingers")
		}
		time.Sleep(2 * time.Minute)
		p2.say("1/tenant-acme,")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, ok := h.Namespace("/tenant-acme"); ok {
			t.Error("an empty namespace stays")
		}
		spies["/tenant-acme"].expect(t, "closed with 0 sockets")
		if err := ns.Emit("late"); !errors.Is(err, namespaces.ErrHubClosed) {
			t.Error(err)
		}
		p3 := newPeer(t, h)
		p3.enter("/tenant-acme", "ann+acme")
		if got := strings.Join(told, ", "); got != "made /tenant-acme, gone /tenant-acme, made /tenant-acme" {
			t.Error(got)
		}
		_ = h.Close(context.Background())
	})
}

// Strangers, and users who are not admitted, make no namespace that stays. A full family refuses new names, but nobody
// in the namespaces that there are.
func TestAFamilyIsBounded(t *testing.T) {
	var made atomic.Int32
	f := tenants(&made).Max(2).Linger(time.Minute)
	family(t, namespaces.Config{ConnectLimits: namespaces.ConnectLimits{MaxRefusals: 100}}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		for i := range 10 {
			p.say(connectTo(fmt.Sprintf("/tenant-s%d", i), ""))
		}
		if made.Load() != 0 {
			t.Errorf("strangers made %d namespaces", made.Load())
		}
		p.take()
		p.enter("/tenant-a", "ann+a")
		p.enter("/tenant-b", "ann+b")
		p.say(connectTo("/tenant-c", "ann+c"))
		p.expect(`4/tenant-c,{"message":"There are too many namespaces of this kind; try again later.","data":{"code":"too_many_connections","retryAfterMs":61000}}`)
		p.say(`2/tenant-a,1["who"]`)
		p.expect(`3/tenant-a,1["a"]`)
		p.say("1/tenant-a,")
		p.enter("/tenant-c", "ann+c") // the empty one gave way
		if _, ok := h.Namespace("/tenant-a"); ok {
			t.Error("an empty namespace takes the place of one that is asked for")
		}
	}, f)
}

func TestWhatCannotBeMadeIsTriedAgain(t *testing.T) {
	var tries atomic.Int32
	cfg := namespaces.Config{ConnectLimits: namespaces.ConnectLimits{MaxRefusals: 100, ConnectTimeout: time.Hour}, Logger: slog.New(slog.DiscardHandler), Adapter: func(_ context.Context, l namespaces.Local) (namespaces.Adapter, error) {
		if l.Namespace().Family() != nil && tries.Add(1) == 1 {
			return nil, errors.New("no network")
		}
		return l, nil
	}}
	panics := true
	f := namespaces.NewFamilyFunc("odd", func(name string) bool { return len(name)%2 == 1 }, func(*namespaces.Namespace) {
		if panics {
			panics = false
			panic("define")
		}
	})
	family(t, cfg, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		p.enter("/", "ann")
		p.say(connectTo("/ab", "ann")) // at once, as it is in another namespace
		if got := strings.Join(p.take(), ""); !strings.Contains(got, `"unavailable"`) {
			t.Error(got)
		}
		alone := newPeer(t, h)
		alone.push(connectTo("/ab", "ann"))
		time.Sleep(5 * time.Second) // an admission that fails for a passing cause is tried again
		synctest.Wait()
		if got := strings.Join(alone.take(), ""); !strings.Contains(got, `0/ab,{"sid"`) {
			t.Error(got)
		}
		p.say(connectTo("/abc", "ann"))
		p.expect(`4/abc,{"message":"Invalid namespace"}`)
		if ns, _ := h.Namespace("/ab"); ns == nil || ns.Label() != "odd" {
			t.Error("the label of a family by function is lost")
		}
	}, f, namespaces.New("/"))
}

func TestTheBestFitHasAName(t *testing.T) {
	var called []string
	named := func(text string) *namespaces.Family {
		return namespaces.NewFamily(text, func(*namespaces.Namespace) { called = append(called, text) })
	}
	static := namespaces.New("/tenant-vip-one")
	family(t, namespaces.Config{}, func(t *testing.T, h *namespaces.Hub) {
		p := newPeer(t, h)
		for _, name := range []string{"/tenant-vip-one", "/tenant-vip-two", "/tenant-x", "/other"} {
			p.enter(name, "ann")
		}
		if got := strings.Join(called, " "); got != "/tenant-vip-{x} /tenant-{org}" {
			t.Error(got)
		}
		if static.Len() != 1 {
			t.Error("a namespace of its own name lost it to a family")
		}
	}, namespaces.NewFamilyFunc("rest", func(string) bool { return true }, func(*namespaces.Namespace) {}),
		named("/tenant-{org}"), named("/tenant-vip-{x}"), static)
}

func TestMistakesInAFamilyAreReported(t *testing.T) {
	define := func(*namespaces.Namespace) {}
	for says, defs := range map[string][]namespaces.Definition{
		"takes every name": {namespaces.NewFamily("/{x}", define)},
		"not closed":       {namespaces.NewFamily("/a-{x", define)},
		"defines":          {namespaces.NewFamily("/a-{x}", nil)},
		"Max":              {namespaces.NewFamily("/a-{x}", define).Max(0)},
		"twice":            {namespaces.NewFamily("/a-{x}", define), namespaces.NewFamily("/a-{x}", define)},
	} {
		if _, err := namespaces.NewHub(namespaces.Config{Gate: open}, defs...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	f := namespaces.NewFamily("/a-{x}", define)
	if _, err := namespaces.NewHub(namespaces.Config{}, f); err == nil || !strings.Contains(err.Error(), "no gate") {
		t.Error(err)
	}
	h, err := namespaces.NewHub(namespaces.Config{Gate: open}, f)
	if err != nil {
		t.Fatal(err)
	}
	_ = h.Close(context.Background())
}
