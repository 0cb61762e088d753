package handshake

import (
	"context"
	"sync"
	"time"
)

// MemoryTickets is a bounded ticket store for one node.
type MemoryTickets struct {
	clock func() time.Time

	mu      sync.Mutex // guards tickets
	tickets *expiring[[32]byte, []byte]
}

// NewMemoryTickets makes a store of at most limit tickets; a nil clock is
// time.Now.
func NewMemoryTickets(limit int, clock func() time.Time) *MemoryTickets {
	if clock == nil {
		clock = time.Now
	}
	return &MemoryTickets{clock: clock, tickets: newExpiring[[32]byte, []byte](limit)}
}

// Put keeps a ticket, or returns ErrTicketsFull.
func (m *MemoryTickets) Put(_ context.Context, key [32]byte, record []byte, ttl time.Duration) error {
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.tickets.put(now, key, record, now.Add(ttl)) {
		return ErrTicketsFull
	}
	return nil
}

// Redeem takes a ticket out, or returns ErrNoTicket.
func (m *MemoryTickets) Redeem(_ context.Context, key [32]byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	record, ok := m.tickets.get(m.clock(), key)
	if !ok {
		return nil, ErrNoTicket
	}
	m.tickets.remove(key)
	return record, nil
}
