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

// present is whom this node has in which rooms of a namespace: what its list in Redis should be.
type present struct {
	mu       sync.Mutex           // guards what follows; a leaf
	tabs     map[string]*presence // those that nobody is left of stay until the next want
	changes  uint64               // how many there have been
	suspects map[string]suspect   // what the last comparison found, by field
	unsure   bool                 // Redis may have something else
	used     bool                 // anything was ever entered
	epoch    string               // changes when Redis has forgotten everything
	forgot   int                  // comparisons until other nodes have told Redis again whom they have; 0 when it has forgotten nothing
	owed     map[string]presence  // those who have gone and of whom it is not known whether Redis heard so, by field
	settled  time.Time            // from then on the leases of others count
	onFound  func(room string, member json.RawMessage, count int, here bool)
}

type presence struct {
	member json.RawMessage
	n      int    // sockets of the user
	change uint64 // the last one
}

// suspect is a field that Redis had otherwise than this node.
type suspect struct {
	there  int64  // what Redis had
	change uint64 // of the presence that it was compared with; 0 without one
}

// add notes that sockets have come or gone, and returns what there is of the user then.
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

// doubt notes that it is not known what Redis has.
func (p *present) doubt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsure = true
}

// owe notes that a socket of a user has gone, which left what add returned, and that it is not known whether Redis has heard so.
// By now tabs may no longer have a user whose last socket that was.
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

// settle is called after a comparison. It returns those who have gone and whom Redis has forgotten before it heard so; all others
// whom it had, a comparison finds.
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

// forgotFor is how many comparisons it takes until all nodes have told Redis again whom they have: what differs counts the second
// time, and theirs are at other moments.
const forgotFor = 4

// want returns what Redis should have, and whether that is in doubt; it is not any more.
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

// confirm takes what a comparison found and returns the fields of which the one before found the same. What is found for the
// first time may be a change on its way: it is in one of the two already, and not yet in the other.
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

// found tells of somebody who turns out to be gone, or here.
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

// attend keeps the lease of this node for the namespaces that share rooms, takes out the members of nodes that have none any
// more, and puts right what Redis has of this node.
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

// tellLost tells of those who have gone and whom Redis has forgotten, unless they are at another node.
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

// list reads whom Redis has for a node.
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

// compareScript enters a user of whom the list of a node has another number of sockets, unless that has changed. KEYS:
// members, holders, the node's list, the names in their order. ARGV: room and user as the list has them, user, member, how many
// sockets, how many the list has. It returns 1 and the number of users when no node had the user.
var compareScript = rueidis.NewLuaScript(`
if (redis.call('HGET', KEYS[3], ARGV[1]) or '0') ~= ARGV[5] then return {0, 0} end
local first = 0
if ARGV[5] == '0' and redis.call('HINCRBY', KEYS[2], ARGV[2], 1) == 1 then first = 1 end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZADD', KEYS[4], 0, ARGV[2])
return {first, redis.call('HLEN', KEYS[1])}`)

// compare puts right what Redis has of this node, where it was the same the last time.
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

// mend gives Redis what it should have of a field, unless it has no longer what it had.
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

// judges reports whether the leases of others count. Not for as long as a lease lasts after this node could not keep its own: Redis
// was away, and maybe for the others too, which have not renewed theirs.
func (p *present) judges(away bool, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if away {
		p.settled = now.Add(memberLimit)
	}
	return !now.Before(p.settled)
}

// forgotten reports whether Redis has forgotten everything of late: whom it lacks, others know of.
func (p *present) forgotten() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forgot > 0
}
