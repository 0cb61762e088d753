package budget

import (
	"net/netip"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// holder is a connection that lets go of all it holds when it is cut.
type holder struct {
	meter  Meter
	budget *Budget
	cuts   chan string
	name   string
}

func (h *holder) Cut() {
	h.meter.Add(h.budget, -int(h.meter.Held()), h)
	h.cuts <- h.name
}

// crowd makes holders on one budget and tells who was cut.
type crowd struct {
	*Budget
	cuts chan string
}

func newCrowd(limits Limits) *crowd {
	return &crowd{Budget: New(limits), cuts: make(chan string, 1000)}
}

func (c *crowd) holder(name string, owner Owner) *holder {
	h := &holder{budget: c.Budget, cuts: c.cuts, name: name}
	h.meter.Init(owner)
	return h
}

func (h *holder) add(n int) bool { return h.meter.Add(h.budget, n, h) }

// cut waits for the budget's work and returns who was cut, in order.
func (c *crowd) cut() (names []string) {
	c.relief.Wait()
	for len(c.cuts) > 0 {
		names = append(names, <-c.cuts)
	}
	return names
}

const kb = 1 << 10

var (
	ann      = User("", "ann")
	bob      = User("", "bob")
	stranger = Stranger(netip.MustParseAddr("192.0.2.1"))
)

func TestOwnersAreToldApart(t *testing.T) {
	addr := func(s string) Owner { return Stranger(netip.MustParseAddr(s)) }
	for _, c := range []struct {
		name string
		a, b Owner
		same bool
	}{
		{"a subject belongs to its issuer", User("x", "ann"), User("y", "ann"), false},
		{"issuer and subject do not run together", User("x", "yann"), User("xy", "ann"), false},
		{"the same user", User("x", "ann"), User("x", "ann"), true},
		{"one customer's IPv6 network", addr("2001:db8::1"), addr("2001:db8::ffff:1"), true},
		{"two customers' IPv6 networks", addr("2001:db8::1"), addr("2001:db8:0:1::1"), false},
		{"IPv4 written as IPv6", addr("::ffff:192.0.2.1"), addr("192.0.2.1"), true},
		{"two addresses", addr("192.0.2.1"), addr("192.0.2.2"), false},
		{"a stranger and the guest of its address", stranger, stranger.Guest(), false},
	} {
		if (c.a == c.b) != c.same {
			t.Errorf("%s: same is %t", c.name, c.a == c.b)
		}
	}
	if stranger.Admitted() || !stranger.Guest().Admitted() || !ann.Admitted() {
		t.Error("strangers are not told from those who were admitted")
	}
}

func TestSmallAmountsHaveNoAccount(t *testing.T) {
	b := newCrowd(Limits{})
	h := b.holder("h", ann)
	for range 1000 {
		h.add(Granule - 1)
		h.add(1 - Granule)
	}
	if len(b.accounts) > 0 || b.Held() != 0 {
		t.Errorf("%d accounts, %d bytes", len(b.accounts), b.Held())
	}
}

func TestAnEmptyMeterCountsNothing(t *testing.T) {
	b := newCrowd(Limits{})
	h := b.holder("h", ann)
	h.add(5 * kb)
	h.add(1000)
	if n := b.Held(); n != 5*kb {
		t.Errorf("%d bytes count", n)
	}
	h.add(-5 * kb)
	h.add(-1000)
	if len(b.accounts) > 0 || b.Held() != 0 {
		t.Errorf("%d accounts, %d bytes are left", len(b.accounts), b.Held())
	}
}

func TestWhoExceedsItsShareLosesItsLargest(t *testing.T) {
	b := newCrowd(Limits{Total: 1000 * kb, Share: 100 * kb})
	b.holder("bob", bob).add(80 * kb)
	b.holder("small", ann).add(30 * kb)
	b.holder("large", ann).add(60 * kb)
	if got := b.cut(); !slices.Equal(got, []string{"large"}) {
		t.Errorf("cut: %v", got)
	}
}

func TestTheLargestOwnerIsCutFirst(t *testing.T) {
	b := newCrowd(Limits{Total: 1000 * kb})
	b.holder("bob's only one, large", bob).add(300 * kb)
	for range 11 { // 550 KB in all, though each is smaller
		b.holder("ann's", ann).add(50 * kb)
	}
	b.holder("bob's other one", bob).add(50 * kb)
	got := b.cut()
	if len(got) == 0 || slices.ContainsFunc(got, func(name string) bool { return name != "ann's" }) {
		t.Errorf("cut: %v", got)
	}
	if b.Held() > low(1000*kb) {
		t.Errorf("%d bytes are left", b.Held())
	}
}

func TestStrangersAreCutBeforeUsers(t *testing.T) {
	b := newCrowd(Limits{Total: 1000 * kb})
	b.holder("ann's", ann).add(500 * kb)
	for range 4 {
		b.holder("stranger's", stranger).add(100 * kb)
	}
	if got := b.cut(); len(got) == 0 || slices.Contains(got, "ann's") {
		t.Errorf("cut: %v", got)
	}
}

func TestNothingIsAddedAboveTheLimit(t *testing.T) {
	for name, limits := range map[string]Limits{"total": {Total: 100 * kb}, "share": {Share: 100 * kb}} {
		t.Run(name, func(t *testing.T) {
			b := newCrowd(limits)
			b.Close() // nobody is cut meanwhile
			h := b.holder("h", ann)
			if !h.add(100 * kb) {
				t.Error("no room at the limit")
			}
			if h.add(Granule) {
				t.Error("room above the limit")
			}
		})
	}
}

func TestAdmissionTakesTheBytesAlong(t *testing.T) {
	b := newCrowd(Limits{})
	h := b.holder("h", stranger)
	h.add(10 * kb)
	h.meter.Move(b.Budget, ann)
	if b.accounts[stranger] != nil || b.accounts[ann].bytes != 10*kb || b.Held() != 10*kb {
		t.Errorf("%v, %d bytes", b.accounts, b.Held())
	}
	h.add(-10 * kb)
	if len(b.accounts) > 0 || b.Held() != 0 {
		t.Error("something is left")
	}
}

// clinging is a connection whose bytes outlive its end for a while.
type clinging struct{ cuts int }

func (c *clinging) Cut() { c.cuts++ }

func TestNobodyIsCutTwice(t *testing.T) {
	b := New(Limits{Total: 100 * kb})
	c := &clinging{}
	var m Meter
	m.Init(ann)
	for range 100 {
		m.Add(b, 20*kb, c)
	}
	b.relief.Wait()
	if c.cuts != 1 {
		t.Errorf("cut %d times", c.cuts)
	}
	m.Add(b, -100*20*kb, c)
	if b.Held() != 0 || b.leaving != 0 || len(b.accounts) > 0 {
		t.Errorf("left: %d bytes, %d leaving, %d accounts", b.Held(), b.leaving, len(b.accounts))
	}
}

func TestConcurrentUseLeavesNothing(t *testing.T) {
	b := newCrowd(Limits{Total: 200 * kb, Share: 100 * kb})
	var all sync.WaitGroup
	for n := range 8 {
		h := b.holder("h", stranger)
		b.cuts = make(chan string, 100_000)
		h.cuts = b.cuts
		for range 2 {
			all.Go(func() {
				for i := range 2000 {
					size := (i*7919 + n) % (30 * kb)
					h.meter.Add(b.Budget, size, &clinging{})
					if i == 1000 {
						h.meter.Move(b.Budget, ann)
					}
					h.meter.Add(b.Budget, -size, &clinging{})
				}
			})
		}
	}
	all.Wait()
	b.Close()
	if b.Held() != 0 || b.leaving != 0 || len(b.accounts) > 0 {
		t.Errorf("left: %d bytes, %d leaving, %d accounts", b.Held(), b.leaving, len(b.accounts))
	}
}

func BenchmarkSmallMessage(b *testing.B) {
	budget := New(Limits{Total: 1 << 30, Share: 1 << 28})
	defer budget.Close()
	b.RunParallel(func(pb *testing.PB) {
		var m Meter
		m.Init(ann)
		for pb.Next() {
			m.Add(budget, 200, nil)
			m.Add(budget, -200, nil)
		}
	})
}

func BenchmarkLargeMessage(b *testing.B) {
	budget := New(Limits{Total: 1 << 30, Share: 1 << 28})
	defer budget.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var m Meter
		m.Init(ann)
		for pb.Next() {
			m.Add(budget, 20_000, nil)
			m.Add(budget, -20_000, nil)
		}
	})
}
