// Package budget limits the memory that clients fill, for the whole process, and
// decides whose connections end when it is spent.
//
// Every connection has a [Meter] that counts the bytes held for it: a message that
// is not complete, events that wait for their handler. Meters are summed by [Owner].
// An owner may hold a share of the total; above it the largest of its own
// connections is cut, and no other. When the total is spent, the largest owner is
// cut first, strangers before those who have been admitted.
//
// A meter differs from its account by less than [Granule] bytes, and not at all
// when it holds nothing. Small messages therefore cost one atomic addition each,
// and an idle connection has no account.
package budget

import (
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// Granule is how far a meter may differ from its account, in bytes. The bytes
// that are held and not counted are fewer than this for each connection.
const Granule = 4 << 10

// Limits of a Budget, in bytes.
type Limits struct {
	// Total is how many bytes all owners may hold together; zero means no limit.
	Total int64
	// Share is how many bytes one owner may hold; zero means no limit.
	Share int64
}

// Holder is a connection that can be made to free what it holds.
type Holder interface {
	// Cut ends the connection. A goroutine of the budget calls it once, under
	// none of its locks; it must not wait for the client.
	Cut()
}

// Budget counts held bytes. It is safe for concurrent use.
type Budget struct {
	held atomic.Int64 // changed under mu

	mu        sync.Mutex // guards what follows; a leaf
	limits    Limits
	accounts  map[Owner]*account
	leaving   int64 // the part of held that belongs to holders that have been cut
	relieving bool
	closed    bool

	relief sync.WaitGroup
}

// account is what one owner holds.
type account struct {
	owner   Owner
	bytes   int64
	leaving int64 // the part of bytes that belongs to holders that have been cut
	meters  map[*Meter]*claim
}

// claim is what an account knows about a meter.
type claim struct {
	holder Holder
	cut    bool
}

// New returns an empty budget.
func New(limits Limits) *Budget {
	return &Budget{limits: limits, accounts: map[Owner]*account{}}
}

// SetLimits changes the limits. Holders are cut when more is held than they allow.
func (b *Budget) SetLimits(limits Limits) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limits = limits
	if !b.relieving && !b.closed {
		b.relieving = true
		b.relief.Go(b.relieve)
	}
}

// Held returns how many bytes are counted now.
func (b *Budget) Held() int64 { return b.held.Load() }

// Close returns when no holder is being cut any more; from then on none is.
func (b *Budget) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.relief.Wait()
}

// high is the part of a limit above which holders are cut: meters may grow
// meanwhile, up to the limit itself. Without a limit there is none.
func high(limit int64) int64 {
	if limit <= 0 {
		return math.MaxInt64
	}
	return limit / 8 * 7
}

// low is what cutting goes down to.
func low(limit int64) int64 { return limit / 8 * 6 }

// accountLocked returns the account of owner.
func (b *Budget) accountLocked(owner Owner) *account {
	a := b.accounts[owner]
	if a == nil {
		a = &account{owner: owner, meters: map[*Meter]*claim{}}
		b.accounts[owner] = a
	}
	return a
}

// changeLocked counts n more bytes of a meter of a, or fewer, and reports whether
// there was room for them.
func (b *Budget) changeLocked(a *account, c *claim, n int64) (room bool) {
	a.bytes += n
	b.held.Add(n)
	if c.cut {
		a.leaving += n
		b.leaving += n
		return false
	}
	if n <= 0 {
		return true
	}
	share, total := a.bytes-a.leaving, b.held.Load()-b.leaving
	if (share > high(b.limits.Share) || total > high(b.limits.Total)) && !b.relieving && !b.closed {
		b.relieving = true
		b.relief.Go(b.relieve)
	}
	return (b.limits.Share <= 0 || share <= b.limits.Share) && (b.limits.Total <= 0 || total <= b.limits.Total)
}

// leaveLocked takes an empty meter off its account.
func (b *Budget) leaveLocked(m *Meter) {
	a := m.account
	m.account = nil
	delete(a.meters, m)
	if len(a.meters) == 0 {
		delete(b.accounts, a.owner)
	}
}

// relieve cuts until the total and every share are at ease.
func (b *Budget) relieve() {
	for {
		b.mu.Lock()
		victims := b.victimsLocked()
		b.relieving = len(victims) > 0
		b.mu.Unlock()
		if len(victims) == 0 {
			return
		}
		for _, h := range victims {
			h.Cut()
		}
	}
}

// victimsLocked chooses the holders to cut now. Those that were cut before count as
// gone.
func (b *Budget) victimsLocked() (victims []Holder) {
	if b.closed {
		return nil
	}
	for _, a := range b.accounts {
		if a.bytes-a.leaving > high(b.limits.Share) {
			victims = b.cutLocked(victims, []*account{a}, func() bool { return a.bytes-a.leaving <= low(b.limits.Share) })
		}
	}
	if b.held.Load()-b.leaving > high(b.limits.Total) {
		all := slices.Collect(maps.Values(b.accounts))
		victims = b.cutLocked(victims, all, func() bool { return b.held.Load()-b.leaving <= low(b.limits.Total) })
	}
	return victims
}

// cutLocked appends holders of the given accounts to victims until enough is free.
func (b *Budget) cutLocked(victims []Holder, accounts []*account, enough func() bool) []Holder {
	var claims []Claim
	var meters []*Meter
	for _, a := range accounts {
		for m, c := range a.meters {
			if !c.cut {
				claims = append(claims, Claim{Owner: a.owner, Bytes: m.counted.Load()})
				meters = append(meters, m)
			}
		}
	}
	for i := range Order(claims) {
		if enough() {
			break
		}
		a := meters[i].account
		c := a.meters[meters[i]]
		c.cut = true
		a.leaving += claims[i].Bytes
		b.leaving += claims[i].Bytes
		victims = append(victims, c.holder)
	}
	return victims
}
