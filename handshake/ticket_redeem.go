package handshake

import (
	"context"
	"errors"
	"sync"
	"time"
)

// redemptions remembers which session redeemed which ticket. Long-polling
// repeats the query on every request, and one connection enters several
// namespaces with it, so the session that redeemed a ticket may present it
// again. For every other session the ticket is used up.
type redemptions struct {
	clock func() time.Time

	mu       sync.Mutex // guards what follows and the maps inside
	sessions *expiring[string, map[[32]byte]*redemption]
}

// redemption is one ticket of one session: being redeemed until done is
// closed, redeemed afterwards.
type redemption struct {
	done   chan struct{}
	record ticketRecord
	err    error
}

const (
	// maxTicketsPerSession bounds the remembered tickets of one session.
	maxTicketsPerSession = 8
	// maxRemembered is how long a session may present its ticket again, when
	// SessionClosed is not called.
	maxRemembered = 24 * time.Hour
	// redeemTimeout bounds a redemption that others of the session wait for.
	redeemTimeout = 5 * time.Second
)

// newRedemptions makes an empty memory, whose limit comes with each redemption.
func newRedemptions(clock func() time.Time) *redemptions {
	return &redemptions{clock: clock, sessions: newExpiring[string, map[[32]byte]*redemption](0)}
}

type redeemer func(ctx context.Context, key [32]byte) (ticketRecord, error)

// redeem returns the record of a ticket that this session redeems now, is
// redeeming in another CONNECT, or has redeemed before. Without a session, or
// when limit sessions are remembered, the ticket is good this once.
func (m *redemptions) redeem(ctx context.Context, session string, key [32]byte, limit int, from redeemer) (ticketRecord, error) {
	r, first := m.enter(session, key, limit)
	if r == nil {
		return from(ctx, key)
	}
	if !first {
		return r.wait(ctx)
	}
	// Other CONNECTs of the session rely on it, so it outlives this one's
	// context.
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), redeemTimeout)
	defer cancel()
	r.err = errors.New("redemption ended without a result") // for the others, in case from panics
	defer func() {
		if r.err != nil {
			m.forget(session, key)
		}
		close(r.done)
	}()
	r.record, r.err = from(detached, key)
	return r.record, r.err
}

func (r *redemption) wait(ctx context.Context) (ticketRecord, error) {
	select {
	case <-r.done:
		return r.record, r.err
	case <-ctx.Done():
		return ticketRecord{}, ctx.Err()
	}
}

// enter finds the session's redemption of a ticket or begins one. It returns
// nil when this redemption cannot be remembered.
func (m *redemptions) enter(session string, key [32]byte, limit int) (r *redemption, first bool) {
	if session == "" {
		return nil, false
	}
	now := m.clock()
	m.mu.Lock()
	defer m.mu.Unlock()
	tickets, known := m.sessions.get(now, session)
	if r, ok := tickets[key]; ok {
		return r, false
	}
	if len(tickets) >= maxTicketsPerSession {
		return nil, false
	}
	if !known {
		tickets = make(map[[32]byte]*redemption, 1)
		m.sessions.limit = limit // the limit of the asking gate; sessions that are remembered stay so
		if !m.sessions.put(now, session, tickets, now.Add(maxRemembered)) {
			return nil, false
		}
	}
	r = &redemption{done: make(chan struct{})}
	tickets[key] = r
	return r, true
}

func (m *redemptions) forget(session string, key [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tickets, _ := m.sessions.get(m.clock(), session)
	delete(tickets, key)
	if len(tickets) == 0 {
		m.sessions.remove(session)
	}
}

// closed forgets all of a session.
func (m *redemptions) closed(session string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions.remove(session)
}
