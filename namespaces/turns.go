package namespaces

import (
	"hash/maphash"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"gatehouse/handshake"
)

// turns shares the work of handlers by user: however many connections a user has, only some of their sockets are worked for
// at once, and the others take turns. Other users do not wait for them.
//
// A handler may wait for its client or a database for as long as it likes, and then needs no processor. So a user whose
// sockets wait gets more places, as long as goroutines that are ready to run get a processor soon: a delay there is
// what other users would notice. There is no bound for all users together, because handlers that wait could use it up.
type turns struct {
	// Fixed once made.
	seed maphash.Seed
	hub  *Hub

	shards [turnShards]turnShard
}

// turnShards is the number of parts, so that the handlers of different users seldom meet.
const turnShards = 32

type turnShard struct {
	mu     sync.Mutex // guards what follows and the links between sockets; a leaf
	shares map[uint64]*share
}

// share is the work for one user. It exists only while there is some.
type share struct {
	key         uint64
	places      int     // how many sockets may be worked for at once
	running     int     // how many sockets are worked for now
	completed   bool    // a socket gave up its place since grow looked last
	first, last *Socket // those that wait for a place
	timer       *time.Timer
}

// How the places of a user grow while sockets wait.
const (
	turnEvents  = 16                    // how many events of a socket are handled before another one has its turn
	growEvery   = 10 * time.Millisecond // how often it is looked at
	promptDelay = 2 * time.Millisecond  // a goroutine that waits longer than this for a processor is late
)

func (t *turns) init(h *Hub) {
	t.hub, t.seed = h, maphash.MakeSeed()
	for i := range t.shards {
		t.shards[i].shares = make(map[uint64]*share)
	}
}

// ownerKey identifies a user: by name, or by address when the gate gave none. Two users with one key would share their
// places, which is unlikely and harmless.
func (t *turns) ownerKey(id handshake.Identity, conn Conn) uint64 {
	if id.Subject != "" && id.Method != handshake.MethodAnonymous {
		return maphash.Comparable(t.seed, id.User())
	}
	var from netip.Prefix
	if r := conn.Request(); r != nil {
		from = handshake.AddressKey(r.RemoteAddr)
	}
	return maphash.Comparable(t.seed, from)
}

func (t *turns) shard(s *Socket) *turnShard { return &t.shards[s.owner%turnShards] }

// start starts the handling of the queue of s, now or when its turn comes.
func (t *turns) start(s *Socket) {
	if t.enter(s) {
		t.hub.tasks.Go(s.drain)
	}
}

// enter takes a place for s. When there is none, it puts s in line and returns false: the goroutine that gives up a
// place then goes on with s.
func (t *turns) enter(s *Socket) bool {
	shard := t.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	sh := shard.shares[s.owner]
	if sh == nil {
		sh = &share{key: s.owner, places: t.hub.limits().UserHandlers}
		shard.shares[s.owner] = sh
	}
	if sh.running < sh.places {
		sh.running++
		return true
	}
	sh.push(s)
	if sh.timer == nil {
		t.watchLocked(sh)
	}
	return false
}

// leave gives up the place of s and returns who goes on in its stead, or nil.
func (t *turns) leave(s *Socket) *Socket {
	shard := t.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	sh := shard.shares[s.owner]
	sh.completed = true
	if next := sh.pop(); next != nil && sh.running <= sh.places {
		return next
	} else if next != nil {
		sh.unpop(next) // there are fewer places than before
	}
	sh.running--
	if sh.running == 0 {
		delete(shard.shares, sh.key)
	}
	return nil
}

// yield puts s behind the sockets of its user that wait, and returns the first of them; s itself when none does.
func (t *turns) yield(s *Socket) *Socket {
	shard := t.shard(s)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	sh := shard.shares[s.owner]
	next := sh.pop()
	if next == nil {
		return s
	}
	sh.completed = true
	sh.push(s)
	return next
}

// watchLocked begins to watch the progress of a user's work. The shard's mu is held.
func (t *turns) watchLocked(sh *share) {
	t.hub.tasks.Hold()
	shard := &t.shards[sh.key%turnShards]
	sh.timer = time.AfterFunc(growEvery, func() {
		defer t.hub.tasks.Release()
		asked := time.Now()
		runtime.Gosched()
		t.grow(shard, sh, time.Since(asked) <= promptDelay)
	})
}

// grow gives a user whose sockets wait more places when processors are free, or when no socket has given up its place
// since the last look: the sockets that have places then wait for something, perhaps for one that has none.
func (t *turns) grow(shard *turnShard, sh *share, prompt bool) {
	var ready []*Socket
	shard.mu.Lock()
	sh.timer = nil
	switch {
	case sh.first == nil:
	case prompt:
		sh.places = min(2*sh.places, t.hub.limits().MaxUserHandlers)
	case !sh.completed:
		sh.places = min(sh.places+1, t.hub.limits().MaxUserHandlers)
	default:
		sh.places = max(sh.places/2, t.hub.limits().UserHandlers)
	}
	sh.completed = false
	for sh.first != nil && sh.running < sh.places {
		sh.running++
		ready = append(ready, sh.pop())
	}
	if sh.first != nil {
		t.watchLocked(sh)
	}
	shard.mu.Unlock()
	for _, s := range ready {
		t.hub.tasks.Go(s.drain)
	}
}

func (sh *share) push(s *Socket) {
	if sh.last == nil {
		sh.first = s
	} else {
		sh.last.nextTurn = s
	}
	sh.last = s
}

func (sh *share) pop() *Socket {
	s := sh.first
	if s == nil {
		return nil
	}
	sh.first, s.nextTurn = s.nextTurn, nil
	if sh.first == nil {
		sh.last = nil
	}
	return s
}

// unpop puts a socket back to the front.
func (sh *share) unpop(s *Socket) {
	s.nextTurn = sh.first
	sh.first = s
	if sh.last == nil {
		sh.last = s
	}
}
