package namespaces

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"time"

	"gatehouse/internal/limit"
)

// pace slows down clients that send more than an honest one does. Nothing is refused: reading from a connection pauses
// until the received packets have been earned, at the rate of its socket and at that of its user over all connections.
// Users are identified as in turns, by address where they have no name.
//
// Packets are counted when they have been read. A user with very many connections can therefore be above the limit by one
// read of each, which is 16 KiB at most every [maxPause].
type pace struct {
	// Fixed once made.
	hub  *Hub
	seed maphash.Seed

	shards [paceShards]paceShard
	rests  rests
}

// The bounds of pace.
const (
	paceBurst   = 10 * time.Second // so many seconds of a rate may come at once
	maxPause    = 5 * time.Second  // longest pause of reading, and highest debt, so that a flood has no long aftermath
	refusalRate = 20               // how many refused refreshes a second a user may have; more are not examined

	paceShards    = 32
	shardAccounts = 2048        // accounts in each of a shard's two generations: 131,072 in all, some 20 MB
	accountAge    = time.Minute // age of a generation at which the one before is forgotten; all debts have been earned by then
)

// paceShard remembers the newest accounts. A forgotten account counts as one that has taken nothing.
type paceShard struct {
	mu         sync.Mutex // guards what follows; a leaf
	began      time.Time  // of young
	young, old map[uint64]*account
}

// account counts what a socket or a user has sent.
type account struct {
	events, bytes limit.Allowance
	refusals      limit.Allowance // a user's refused refreshes
	crowded       limit.Allowance // counts what a user has sent to rooms that are behind
}

func (p *pace) init(h *Hub) {
	p.hub, p.seed = h, maphash.MakeSeed()
}

// account returns the account of a key, with its shard locked: the caller unlocks it.
func (p *pace) account(key uint64, now time.Time) (a *account, shard *paceShard) {
	shard = &p.shards[key%paceShards]
	shard.mu.Lock()
	if a = shard.young[key]; a != nil {
		return a, shard
	}
	if len(shard.young) >= shardAccounts || now.Sub(shard.began) > accountAge {
		shard.old, shard.young, shard.began = shard.young, make(map[uint64]*account), now
	}
	if a = shard.old[key]; a == nil {
		a = new(account)
	}
	shard.young[key] = a
	return a, shard
}

// charge counts one packet of an open socket, and returns for how long reading from it has to pause, and why.
func (p *pace) charge(s *Socket, size int) (wait time.Duration, why SlowCause) {
	cfg, now := p.hub.limits(), time.Now()
	socket := p.spend(maphash.String(p.seed, s.id), now, size, cfg.SocketEvents, cfg.SocketBytes)
	user := p.spend(s.owner, now, size, cfg.UserEvents, cfg.UserBytes)
	if user > socket {
		return user, SlowUser
	}
	return socket, SlowSocket
}

// spend counts one packet in one account, which may have so many packets and bytes a second.
func (p *pace) spend(key uint64, now time.Time, size, events, bytes int) time.Duration {
	a, shard := p.account(key, now)
	defer shard.mu.Unlock()
	return max(
		a.events.Spend(now, time.Second/time.Duration(events), paceBurst, maxPause),
		a.bytes.Spend(now, time.Duration(size)*time.Second/time.Duration(bytes), paceBurst, maxPause),
	)
}

// refused counts a refused refresh of a user, and returns for how long reading has to pause: the answer is larger than the
// question, so a client must not get it without limit.
func (p *pace) refused(s *Socket) time.Duration { return p.refuse(s, time.Second/refusalRate) }

// tooManyRefused returns how long a user has to wait before the next refresh is examined.
func (p *pace) tooManyRefused(s *Socket) time.Duration { return p.refuse(s, 0) }

func (p *pace) refuse(s *Socket, cost time.Duration) time.Duration {
	now := time.Now()
	a, shard := p.account(s.owner, now)
	defer shard.mu.Unlock()
	return a.refusals.Spend(now, cost, paceBurst, maxPause)
}

// charge counts one packet of a socket, and pauses reading when there were too many. Before the admission the limits for
// strangers count.
func (c *Client) charge(s *Socket, size int) {
	if !s.Connected() {
		return
	}
	if wait, why := c.hub.pace.charge(s, size); wait > 0 {
		c.mu.Lock()
		c.slowLocked(s, wait, why)
		c.mu.Unlock()
	}
}

// slowLocked pauses reading for a while because of what s has sent. Even when more is owed, reading goes on after
// [maxPause], as the transport takes a connection that pauses longer for dead. All connections of a user owe the same.
// Each goes on at a random moment in the last fifth of the wait, as hundreds that went on together would hold up
// everybody.
func (c *Client) slowLocked(s *Socket, wait time.Duration, why SlowCause) {
	if c.closed || c.pauses&forPace != 0 {
		return
	}
	c.pauseLocked(forPace)
	wait = min(wait, maxPause)
	wait -= rand.N(wait/5 + 1)
	c.hub.hooks.clientSlowed(s, why, wait)
	time.AfterFunc(wait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resumeLocked(forPace)
	})
}

// pauses are the causes for which reading from a client pauses.
type pauses uint8

const (
	forQueue pauses = 1 << iota // too much waits for handlers
	forPace                     // too much came
)

// pauseLocked stops reading.
func (c *Client) pauseLocked(why pauses) {
	if c.pauses == 0 {
		c.conn.Pause()
	}
	c.pauses |= why
}

// resumeLocked goes on reading when no other cause is left.
func (c *Client) resumeLocked(why pauses) {
	c.pauses &^= why
	if c.pauses == 0 && !c.closed {
		c.conn.Resume()
	}
}
