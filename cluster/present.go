package cluster

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// present holds the users of this node by room of a namespace: the list that Redis should have.
type present struct {
	mu       sync.Mutex           // guards what follows; a leaf
	tabs     map[string]*presence // those without sockets stay until the next want
	changes  uint64               // how many there have been
	suspects map[string]suspect   // what the last comparison found, by field
	unsure   bool                 // Redis may have something else
	used     bool                 // anything was ever entered
	epoch    string               // changes when Redis has forgotten everything
	forgot   int                  // how many comparisons it takes until other nodes have told Redis their users again; 0 when Redis has forgotten nothing
	owed     map[string]presence  // users who have gone without Redis having confirmed it, by field
	settled  time.Time            // the time from which the leases of others count
	onFound  func(room string, member json.RawMessage, count int, here bool)
}

type presence struct {
	member json.RawMessage
	n      int    // sockets of the user
	change uint64 // the last one
}

// suspect is a field that differed between Redis and this node.
type suspect struct {
	there  int64  // what Redis had
	change uint64 // of the presence that the field was compared with; 0 without one
}

// add notes that sockets have come or gone, and returns the user's tabs then.
func (p *present) add(field string, member json.RawMessage, by int) presence {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tabs == nil {
		p.tabs = make(map[string]*presence)
	}
	p.used = true
	one := p.tabs[field]
	if one == nil {
		one = &presence{}
		p.tabs[field] = one
	}
	p.changes++
	one.n, one.change = max(0, one.n+by), p.changes
	if member != nil {
		one.member = member
	}
	return *one
}

// doubt notes that Redis may differ from this node's list.
func (p *present) doubt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsure = true
}

// owe notes that a socket of a user has gone, with the tabs that add returned, and that Redis may not know. By now tabs may no
// longer have the user, if that was the last socket.
func (p *present) owe(field string, left presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsure = true
	if left.n > 0 {
		return
	}
	if p.owed == nil {
		p.owed = make(map[string]presence)
	}
	p.owed[field] = left
}

// in notes the epoch of Redis.
func (p *present) in(epoch string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoch != "" && p.epoch != epoch {
		p.forgot = forgotFor
	}
	p.epoch = epoch
}

// settle is called after a comparison. It returns users who have gone, and whom Redis had forgotten before it was told
// that. The comparison finds all others.
func (p *present) settle() (lost map[string]presence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.forgot > 1:
		p.forgot--
		return nil
	case p.forgot == 1:
		lost, p.forgot = p.owed, 0
	case p.unsure:
		return nil
	}
	p.owed = nil
	for field := range lost {
		if one := p.tabs[field]; one != nil && one.n > 0 {
			delete(lost, field) // and is back
		}
	}
	return lost
}

// forgotFor is how many comparisons it takes until all nodes have told Redis again whom they have: a difference counts the
// second time, and the other nodes compare at other moments.
const forgotFor = 4

// want returns the list that Redis should have, and whether that list was in doubt. The doubt ends with the call.
func (p *present) want() (tabs map[string]presence, unsure, used bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tabs = make(map[string]presence, len(p.tabs))
	for field, one := range p.tabs {
		if _, suspected := p.suspects[field]; one.n == 0 && !suspected {
			delete(p.tabs, field)
			continue
		}
		tabs[field] = *one
	}
	unsure, p.unsure = p.unsure, false
	return tabs, unsure, p.used
}

// confirm takes the differences of a comparison and returns those that the one before found too. A new difference may be a
// change on its way, which only one side has yet.
func (p *present) confirm(found map[string]suspect) (fields []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for field, now := range found {
		if before, ok := p.suspects[field]; ok && before == now {
			fields = append(fields, field)
		}
	}
	p.suspects = found
	p.unsure = p.unsure || len(found) > 0
	return fields
}

// leaseScript keeps the lease of a node, by the clock of Redis, and returns 1 when it had lapsed or was not there, the nodes whose
// leases have lapsed, and the epoch. KEYS: the leases, the epoch. ARGV: the node, milliseconds, the epoch that begins when there is
// none.
var leaseScript = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local own = redis.call('HGET', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]))
local gone = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(all[i + 1]) < now then gone[#gone + 1] = all[i] end
end
redis.call('SET', KEYS[2], ARGV[3], 'NX')
local epoch = redis.call('GET', KEYS[2])
if own and tonumber(own) >= now then return {0, gone, epoch} end
return {1, gone, epoch}`)

// OnFound implements namespaces.Shared.
func (a *adapter) OnFound(f func(room string, member json.RawMessage, count int, here bool)) {
	a.present.mu.Lock()
	defer a.present.mu.Unlock()
	a.present.onFound = f
}

// found reports a user who turns out to be gone, or to be here.
func (a *adapter) found(room, member string, count int, here bool) {
	a.present.mu.Lock()
	f := a.present.onFound
	a.present.mu.Unlock()
	if f != nil && json.Valid([]byte(member)) {
		f(room, json.RawMessage(member), count, here)
	}
}

// keepRooms attends to the rooms that nodes share, and measures how far behind the readers are, until the node ends.
func (n *Node) keepRooms() {
	for wait(n.ctx, heartbeat) {
		n.attend()
		for _, l := range n.lanes {
			l.measure(n.ctx)
		}
	}
}

// attend keeps the lease of this node for the namespaces that share rooms, takes out the members of nodes without a lease,
// and corrects this node's list in Redis.
func (n *Node) attend() {
	for _, a := range n.list() {
		a.attend(n.ctx)
	}
}

func (a *adapter) attend(ctx context.Context) {
	want, unsure, used := a.present.want()
	if !used {
		return
	}
	lease := strconv.FormatInt(memberLimit.Milliseconds(), 10)
	got, err := a.script(ctx, leaseScript, []string{a.leasesKey(), a.slotKey("epoch")}, a.node.uid, lease, newUID())
	if err != nil {
		a.present.doubt()
		a.present.judges(true, time.Now())
		return
	}
	renewed, _ := got[0].AsInt64()
	epoch, _ := got[2].ToString()
	a.present.in(epoch)
	if renewed == 1 || unsure {
		if a.compare(ctx, want) != nil {
			a.present.doubt()
		}
	}
	a.tellLost(ctx, a.present.settle())
	if !a.present.judges(renewed == 1, time.Now()) {
		return
	}
	gone, _ := got[1].AsStrSlice()
	for _, uid := range gone {
		if uid != a.node.uid && a.bury(ctx, uid) != nil {
			return // the next time
		}
	}
}

// tellLost reports users who have gone and whom Redis has forgotten, unless they are at another node.
func (a *adapter) tellLost(ctx context.Context, lost map[string]presence) {
	for field, one := range lost {
		room, user, _ := strings.Cut(field, fieldEnd)
		client, err := a.node.cfg.Client()
		if err != nil {
			return
		}
		k := a.keysOf(room)
		asked, cancel := context.WithTimeout(ctx, redisLimit)
		answers := client.DoMulti(asked, client.B().Hexists().Key(k.holders).Field(user).Build(), client.B().Hlen().Key(k.members).Build())
		cancel()
		held, err1 := answers[0].AsBool()
		count, err2 := answers[1].AsInt64()
		if err1 == nil && err2 == nil && !held {
			a.found(room, string(one.member), int(count), false)
		}
	}
}

// list reads the users that Redis has for a node.
func (a *adapter) list(ctx context.Context, uid string) (map[string]int64, error) {
	client, err := a.node.cfg.Client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return client.Do(ctx, client.B().Hgetall().Key(a.listKey(uid)).Build()).AsIntMap()
}

// bury takes out the members of a node that is gone.
func (a *adapter) bury(ctx context.Context, uid string) error {
	there, err := a.list(ctx, uid)
	if err != nil {
		return err
	}
	for field, n := range there {
		room, user, _ := strings.Cut(field, fieldEnd)
		if _, _, err := a.exit(ctx, uid, room, user, n, nil); err != nil {
			return err
		}
	}
	client, err := a.node.cfg.Client()
	if err != nil {
		return err
	}
	return client.Do(ctx, client.B().Hdel().Key(a.leasesKey()).Field(uid).Build()).Error()
}

// compareScript corrects the number of a user's sockets in the list of a node, unless the list has changed. KEYS: members,
// holders, the node's list, the names in their order. ARGV: room and user as the list has them, user, member, how many
// sockets, how many the list has. It returns 1 and the number of users when no node had the user.
var compareScript = rueidis.NewLuaScript(`
if (redis.call('HGET', KEYS[3], ARGV[1]) or '0') ~= ARGV[5] then return {0, 0} end
local first = 0
if ARGV[5] == '0' and redis.call('HINCRBY', KEYS[2], ARGV[2], 1) == 1 then first = 1 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[4], 0, ARGV[2])
return {first, redis.call('HLEN', KEYS[1])}`)

// compare corrects this node's list in Redis, where the last comparison found the same difference.
func (a *adapter) compare(ctx context.Context, want map[string]presence) error {
	there, err := a.list(ctx, a.node.uid)
	if err != nil {
		return err
	}
	found := make(map[string]suspect)
	for field, n := range there {
		if one := want[field]; n != int64(one.n) {
			found[field] = suspect{n, one.change}
		}
	}
	for field, one := range want {
		if _, ok := there[field]; !ok && one.n > 0 {
			found[field] = suspect{0, one.change}
		}
	}
	for _, field := range a.present.confirm(found) {
		if err := a.mend(ctx, field, want[field], there[field]); err != nil {
			return err
		}
	}
	return nil
}

// mend corrects a field in Redis, unless the field has changed since.
func (a *adapter) mend(ctx context.Context, field string, one presence, there int64) error {
	room, user, _ := strings.Cut(field, fieldEnd)
	if one.n == 0 {
		_, _, err := a.exit(ctx, a.node.uid, room, user, there, nil)
		return err
	}
	k := a.keysOf(room)
	got, err := a.script(ctx, compareScript, []string{k.members, k.holders, a.listKey(a.node.uid), k.names},
		field, user, string(one.member), strconv.Itoa(one.n), strconv.FormatInt(there, 10))
	if err != nil {
		return err
	}
	if first, _ := got[0].AsInt64(); first == 1 && !a.present.forgotten() { // others were told that the user has left, or nothing
		count, _ := got[1].AsInt64()
		a.found(room, string(one.member), int(count), true)
	}
	return nil
}

// judges reports whether the leases of others count. When this node could not keep its own lease, they do not count for
// the length of a lease: Redis was away, maybe for the others, too.
func (p *present) judges(away bool, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if away {
		p.settled = now.Add(memberLimit)
	}
	return !now.Before(p.settled)
}

// forgotten reports whether Redis has lately forgotten everything, so that other nodes may know of users that it lacks.
func (p *present) forgotten() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgot > 0
}
