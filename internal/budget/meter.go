package budget

import "sync/atomic"

// Meter counts the bytes held for one connection. The zero value holds nothing
// and belongs to the zero Owner. It is safe for concurrent use.
type Meter struct {
	held    atomic.Int64
	counted atomic.Int64  // the meter's part of its account; changed under Budget.mu
	owner   atomic.Uint64 // changed under Budget.mu
	account *account      // guarded by Budget.mu; nil while counted is 0
}

// Init sets the owner of the bytes. It comes before the meter is shared.
func (m *Meter) Init(owner Owner) { m.owner.Store(uint64(owner)) }

// Held returns how many bytes are held for the connection now.
func (m *Meter) Held() int64 { return m.held.Load() }

// Add counts n more bytes, or fewer when n is negative, and reports whether there
// was room for them. They count in either case: a caller without room ends the
// connection, and takes them off when they are gone. holder is the connection that
// is cut when m's owner, or the whole budget, holds too much; it is the same in
// each call.
func (m *Meter) Add(b *Budget, n int, holder Holder) (room bool) {
	now := m.held.Add(int64(n))
	if off := now - m.counted.Load(); now != 0 && off < Granule && off > -Granule {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return m.settleLocked(b, holder)
}

// settleLocked brings the account up to date. Budget.mu is held.
func (m *Meter) settleLocked(b *Budget, holder Holder) (room bool) {
	now := m.held.Load() // another goroutine may have changed it meanwhile
	change := now - m.counted.Load()
	if change == 0 {
		return true
	}
	a := m.account
	if a == nil {
		a = b.accountLocked(m.Owner())
		a.meters[m] = &claim{holder: holder}
		m.account = a
	}
	m.counted.Store(now)
	room = b.changeLocked(a, a.meters[m], change)
	if now == 0 {
		b.leaveLocked(m)
	}
	return room
}

// Move makes the bytes another owner's, such as a user's when a stranger has been
// admitted.
func (m *Meter) Move(b *Budget, to Owner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from, n := m.account, m.counted.Load()
	m.owner.Store(uint64(to))
	if from == nil || from.owner == to {
		return
	}
	c := from.meters[m]
	b.changeLocked(from, c, -n)
	b.leaveLocked(m)
	a := b.accountLocked(to)
	a.meters[m], m.account = c, a
	b.changeLocked(a, c, n)
}

// Owner returns the owner of the bytes.
func (m *Meter) Owner() Owner { return Owner(m.owner.Load()) }
