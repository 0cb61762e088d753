package cluster

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// present is whom this node has in which rooms of a namespace: what its list in Redis should be.
type present struct {
	mu      sync.Mutex // guards what follows; a leaf
	tabs    map[string]*presence
	unsure  bool // Redis may have something else
	used    bool // anything was ever entered
	onLapse func(room string, member json.RawMessage, count int)
}

type presence struct {
	member json.RawMessage
	n      int // sockets of the user
}

// add notes that sockets have come or gone.
func (p *present) add(field string, member json.RawMessage, by int) {
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
	if one.n += by; one.n <= 0 {
		delete(p.tabs, field)
	}
	if member != nil {
		one.member = member
	}
}

// doubt notes that it is not known what Redis has.
func (p *present) doubt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsure = true
}

// want returns what Redis should have, and whether that is in doubt; it is not any more.
func (p *present) want() (tabs map[string]presence, unsure, used bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tabs = make(map[string]presence, len(p.tabs))
	for field, one := range p.tabs {
		tabs[field] = *one
	}
	unsure, p.unsure = p.unsure, false
	return tabs, unsure, p.used
}

// leaseScript keeps the lease of a node, by the clock of Redis, and returns 1 when it had lapsed or was not there, and the
// nodes whose leases have lapsed. KEYS: the leases. ARGV: the node, milliseconds.
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
if own and tonumber(own) >= now then return {0, gone} end
return {1, gone}`)

// OnLapse implements namespaces.Shared.
func (a *adapter) OnLapse(f func(room string, member json.RawMessage, count int)) {
	a.present.mu.Lock()
	defer a.present.mu.Unlock()
	a.present.onLapse = f
}

func (a *adapter) lapsed(room, member string, count int) {
	a.present.mu.Lock()
	f := a.present.onLapse
	a.present.mu.Unlock()
	if f != nil && json.Valid([]byte(member)) {
		f(room, json.RawMessage(member), count)
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
	n.mu.RLock()
	all := make([]*adapter, 0, len(n.adapters))
	for _, a := range n.adapters {
		all = append(all, a)
	}
	n.mu.RUnlock()
	for _, a := range all {
		a.attend(n.ctx)
	}
}

func (a *adapter) attend(ctx context.Context) {
	want, unsure, used := a.present.want()
	if !used {
		return
	}
	lease := strconv.FormatInt(memberLimit.Milliseconds(), 10)
	got, err := a.script(ctx, leaseScript, []string{a.leasesKey()}, a.node.uid, lease)
	if err != nil {
		a.present.doubt()
		return
	}
	if renewed, _ := got[0].AsInt64(); renewed == 1 || unsure {
		if a.compare(ctx, want) != nil {
			a.present.doubt()
		}
	}
	gone, _ := got[1].AsStrSlice()
	for _, uid := range gone {
		if uid != a.node.uid && a.bury(ctx, uid) != nil {
			return // the next time
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
	for field := range there {
		room, user, _ := strings.Cut(field, fieldEnd)
		if err := a.exit(ctx, uid, room, user, true, nil); err != nil {
			return err
		}
	}
	client, err := a.node.cfg.Client()
	if err != nil {
		return err
	}
	return client.Do(ctx, client.B().Hdel().Key(a.leasesKey()).Field(uid).Build()).Error()
}

// compareScript enters a user whom the list of a node lacks. KEYS: members, holders, the node's list. ARGV: room and user as
// the list has them, user, member, how many sockets.
var compareScript = rueidis.NewLuaScript(`
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 then redis.call('HINCRBY', KEYS[2], ARGV[2], 1) end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return {1}`)

// compare puts right what Redis has of this node.
func (a *adapter) compare(ctx context.Context, want map[string]presence) error {
	there, err := a.list(ctx, a.node.uid)
	if err != nil {
		return err
	}
	for field := range there {
		if _, ok := want[field]; ok {
			continue
		}
		room, user, _ := strings.Cut(field, fieldEnd)
		if err := a.exit(ctx, a.node.uid, room, user, true, nil); err != nil {
			return err
		}
	}
	for field, one := range want {
		if there[field] == int64(one.n) {
			continue
		}
		room, user, _ := strings.Cut(field, fieldEnd)
		k := a.keysOf(room)
		if _, err := a.script(ctx, compareScript, []string{k.members, k.holders, a.listKey(a.node.uid)}, field, user, string(one.member), strconv.Itoa(one.n)); err != nil {
			return err
		}
	}
	return nil
}
