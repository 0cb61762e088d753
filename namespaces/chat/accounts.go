package chat

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/handshake"
)

// account is what one user uses of the chat, with all sockets and in all rooms that the user has opened.
type account struct {
	key   handshake.UserKey
	bytes atomic.Int64 // that the user's rooms remember

	// Guarded by rooms.mu.
	sockets int
	rooms   map[*room]struct{} // opened by this user, and not forgotten
	empty   int                // of these, how many have no members

	mu       sync.Mutex // guards what follows; a leaf
	joins    bucket     // in bytes
	lastJoin int        // in bytes
	typing   bucket     // in notices
}

// account returns a user's account and makes it if needed. mu is held.
func (rs *rooms) account(key handshake.UserKey) *account {
	u := rs.users[key]
	if u == nil {
		now := rs.cfg.Now()
		u = &account{key: key, rooms: make(map[*room]struct{})}
		u.joins, u.typing = newBucket(rs.cfg.joinBurst, rs.cfg.joinRate, now), newBucket(typingBurst, typingRate, now)
		rs.users[key] = u
	}
	return u
}

// arrive counts a socket of a user.
func (rs *rooms) arrive(key handshake.UserKey) *account {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	u := rs.account(key)
	u.sockets++
	return u
}

// depart ends what arrive began.
func (rs *rooms) depart(u *account) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	u.sockets--
	rs.close(u)
}

// close forgets an account that nothing belongs to. mu is held.
func (rs *rooms) close(u *account) {
	if u.sockets == 0 && len(u.rooms) == 0 {
		delete(rs.users, u.key)
	}
}

// largest returns the account with the most of something; nil when none has any. mu is held.
func (rs *rooms) largest(size func(*account) int64) *account {
	var most int64
	var found *account
	for _, u := range rs.users {
		if has := size(u); has > most {
			most, found = has, u
		}
	}
	return found
}

// awaitJoin waits until the user may join a room again: what earlier joins were answered is paid for. It charges as much as
// the last join cost, so that of many who wait one goes on, and not all at once; the caller tells settleJoin.
func (u *account) awaitJoin(ctx context.Context, now func() time.Time) (charged int, err error) {
	for {
		u.mu.Lock()
		wait := u.joins.debt(now())
		if wait <= 0 {
			charged = u.lastJoin
			u.joins.level -= float64(charged)
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

// settleJoin charges the user for what a join made the server send, where something else was charged before. A join that
// failed cost nothing.
func (u *account) settleJoin(charged, cost int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.joins.level += float64(charged - cost)
	if cost > 0 {
		u.lastJoin = cost
	}
}

// mayType says whether a notice of the user goes out, and counts it.
func (u *account) mayType(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.typing.refill(now); u.typing.level < 1 {
		return false
	}
	u.typing.level--
	return true
}

// bucket is an allowance that grows with time. What is taken may leave it below zero.
type bucket struct {
	level, most, perSecond float64
	at                     time.Time
}

func newBucket(most, perSecond int, now time.Time) bucket {
	return bucket{level: float64(most), most: float64(most), perSecond: float64(perSecond), at: now}
}

func (b *bucket) refill(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.level = min(b.most, b.level+passed.Seconds()*b.perSecond)
	}
	b.at = now
}

// debt returns how long it takes until nothing is owed any more.
func (b *bucket) debt(now time.Time) time.Duration {
	if b.refill(now); b.level >= 0 {
		return 0
	}
	return time.Duration(-b.level/b.perSecond*float64(time.Second)) + time.Millisecond
}
