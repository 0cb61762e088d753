package chat

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/limit"
)

// account counts what one user uses of the chat, with all sockets and in all rooms that the user has opened.
type account struct {
	key   handshake.UserKey
	bytes atomic.Int64 // bytes that the user's rooms remember

	// Guarded by rooms.mu.
	sockets int
	rooms   map[*room]struct{} // the rooms that this user has opened and that are not forgotten; nil until the first
	empty   int                // how many of these have no members

	mu       sync.Mutex // guards what follows; a leaf
	joins    limit.Allowance
	lastJoin int // in bytes
	typing   limit.Allowance
}

// accountLocked returns a user's account and makes it if needed.
func (rs *rooms) accountLocked(key handshake.UserKey) *account {
	u := rs.users[key]
	if u == nil {
		u = &account{key: key}
		rs.users[key] = u
	}
	return u
}

// arrive counts one more socket of a user.
func (rs *rooms) arrive(key handshake.UserKey) *account {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	u := rs.accountLocked(key)
	u.sockets++
	return u
}

// depart takes back what arrive has counted.
func (rs *rooms) depart(u *account) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	u.sockets--
	rs.closeLocked(u)
}

// closeLocked forgets an account that nothing belongs to.
func (rs *rooms) closeLocked(u *account) {
	if u.sockets == 0 && len(u.rooms) == 0 {
		delete(rs.users, u.key)
	}
}

// largestLocked returns the account with the most of something; nil when none has any.
func (rs *rooms) largestLocked(size func(*account) int64) *account {
	var most int64
	var found *account
	for _, u := range rs.users {
		if has := size(u); has > most {
			most, found = has, u
		}
	}
	return found
}

// awaitJoin waits until the user's allowance covers the answers to earlier joins. It charges as much as the last join cost, so
// that waiting joins go on one by one; the caller passes the charge to settleJoin.
func (u *account) awaitJoin(ctx context.Context, cfg *Config) (charged int, err error) {
	for {
		u.mu.Lock()
		wait := u.chargeLocked(cfg, 0)
		if wait <= 0 {
			charged = u.lastJoin
			u.chargeLocked(cfg, charged)
			u.mu.Unlock()
			return charged, nil
		}
		u.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, context.Cause(ctx)
		}
	}
}

// settleJoin charges the user for the bytes that a join made the server send, in place of the earlier charge. A join
// that failed costs nothing.
func (u *account) settleJoin(cfg *Config, charged, cost int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.chargeLocked(cfg, cost-charged)
	if cost > 0 {
		u.lastJoin = cost
	}
}

// chargeLocked takes bytes, or gives them back, and returns how long the next join has to wait. It never forgives a
// debt.
func (u *account) chargeLocked(cfg *Config, bytes int) time.Duration {
	return u.joins.Spend(cfg.Now(), earning(bytes, cfg.joinRate), earning(cfg.joinBurst, cfg.joinRate), forever)
}

// earning returns how long it takes to earn so many bytes.
func earning(bytes, perSecond int) time.Duration {
	return time.Duration(bytes) * time.Second / time.Duration(perSecond)
}

// forever is longer than anything that can be owed.
const forever = 100 * 365 * 24 * time.Hour

// mayType says whether a notice of the user goes out, and counts it.
func (u *account) mayType(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.typing.Take(now, typingBurst, time.Second/typingRate) == 0
}
