package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
)

// ownership is the beginning of storeScript and endScript. KEYS: the record. ARGV: its owner, the owner before. A
// record that still names the owner before has lost its takeover in a failover, and is taken over once more. A key of
// another type is replaced.
const ownership = `
local owner = redis.pcall('HGET', KEYS[1], 'o')
if type(owner) == 'table' then redis.call('DEL', KEYS[1]) owner = false end
if owner and owner ~= ARGV[1] and owner ~= ARGV[2] then return 0 end
local done = 1
if owner and owner ~= ARGV[1] then done = 2 end`

// storeScript stores a session. ARGV, from the third on: the record, its signature, milliseconds until it lapses.
const storeScript = ownership + `
redis.call('HSET', KEYS[1], 'o', ARGV[1], 'd', ARGV[3], 's', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return done`

// endScript ends a session. The third of ARGV: milliseconds for which it is remembered as over.
const endScript = ownership + `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'o', '-')
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return done`

// storeScripts are the names of the two scripts at a Redis: stores, one for each change, send the name and not the text. The
// zero value sends the text.
type storeScripts struct{ store, end string }

// loadStores loads the scripts. A Redis that has forgotten them since refuses a store by name, and is sent the text then.
func loadStores(ctx context.Context, client rueidis.DedicatedClient) (s storeScripts, err error) {
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	store := client.Do(ctx, client.B().ScriptLoad().Script(storeScript).Build())
	end := client.Do(ctx, client.B().ScriptLoad().Script(endScript).Build())
	var errs [2]error
	s.store, errs[0] = store.ToString()
	s.end, errs[1] = end.ToString()
	if err := errors.Join(errs[:]...); err != nil {
		return s, fmt.Errorf("load the scripts that store sessions: %w", err)
	}
	return s, nil
}

// Results of these scripts.
const (
	storeRefused = 0 // the session belongs to another owner
	storeRetaken = 2 // it was the owner's before
)

// holdings are the sessions that this node owns in one namespace.
type holdings struct {
	mu    sync.Mutex // guards what follows, and the fields of holdings; a leaf
	held  map[string]*holding
	count uint64

	arrivals arrivals
}

// holding is a session that this node owns.
type holding struct {
	a     *adapter
	id    string
	owner string // this node and a number, so that earlier ownership by the same node is another owner
	// former is the previous owner, at this or another node. It owns the record until the first store, and again when a
	// failover has lost the takeover.
	former string
	been   []namespaces.Been

	queued  bool // an action that stores the session waits to be written
	waiting int  // how many such actions, written or not, have not been carried out
	changed bool // one of them is a change, not just a later place in the stream
	stored  bool // Redis may have a record
	named   bool // Redis has had owner
	over    bool
}

// returned gives a session whose client has come back a new owner name, so that a takeover that a failover has lost cannot be
// repeated.
func (h *holdings) returned(a *adapter, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if one := h.held[id]; one != nil && one.named {
		one.former, one.owner, one.named = one.owner, h.ownerLocked(a), false
	}
}

// find returns the holding of a session, and makes it if create is set.
func (h *holdings) find(a *adapter, id string, add bool) *holding {
	one := h.held[id]
	if one == nil && add {
		one = h.add(a, id, h.ownerLocked(a))
	}
	return one
}

func (h *holdings) add(a *adapter, id, owner string) *holding {
	one := &holding{a: a, id: id, owner: owner}
	if h.held == nil {
		h.held = map[string]*holding{}
	}
	h.held[id] = one
	return one
}

// ownerLocked is a name that no owner had.
func (h *holdings) ownerLocked(a *adapter) string {
	h.count++
	return a.node.uid + "." + strconv.FormatUint(h.count, 10)
}

// ownerNode is the node of an owner.
func ownerNode(owner string) string {
	for i := range len(owner) {
		if owner[i] == '.' {
			return owner[:i]
		}
	}
	return owner
}

// store is the command that stores a session as it is now, or ends it. It is built when it is written.
func (one *holding) store(b rueidis.Builder, scripts storeScripts) (command rueidis.Completed, owner string, ok bool) {
	a, h := one.a, &one.a.holdings
	h.mu.Lock()
	one.queued, one.stored = false, true
	var former string
	var ended bool
	owner, former, ended = one.owner, one.former, one.over
	h.mu.Unlock()
	key := a.sessionKey(one.id)
	lapse := millis(2 * a.local.Recovery())
	if ended {
		return run(b, scripts.end, endScript, key, owner, former, lapse), owner, true
	}
	now, ok := a.local.Session(one.id)
	if !ok {
		return rueidis.Completed{}, "", false
	}
	text, err := json.Marshal(storedSession{Session: a.lane().dated(now), Version: formVersion, Namespace: a.name, Stored: a.node.cfg.Now().UnixMilli(), Holder: a.node.uid, Been: one.been})
	if err != nil || len(text) > maxSession || now.Key == "" {
		text = nil // no other node can continue it
	}
	return run(b, scripts.store, storeScript, key, owner, former, string(text), a.sealOf(one.id, text), lapse), owner, true
}

// run is a command that runs a script, by its name if it has one.
func run(b rueidis.Builder, name, text, key string, args ...string) rueidis.Completed {
	if name == "" {
		return b.Eval().Script(text).Numkeys(1).Key(key).Arg(args...).Build()
	}
	return b.Evalsha().Sha1(name).Numkeys(1).Key(key).Arg(args...).Build()
}

// kept is called when the action that stores a session has been carried out. A node that is alone does not know whether
// Redis has the change. It gives up a session that Redis may have in another state, and the client comes back as a new
// one.
func (one *holding) kept(alone bool) {
	h := &one.a.holdings
	h.mu.Lock()
	lost := alone && one.changed && one.stored && !one.over
	one.waiting--
	if !alone {
		one.changed = one.changed && one.waiting > 0
	}
	if h.held[one.id] == one && one.over && !one.queued {
		delete(h.held, one.id)
	}
	h.mu.Unlock()
	if lost {
		one.a.local.Disown(one.id)
	}
}

// storing is a session that a batch stores, with its owner and the index of its command.
type storing struct {
	one   *holding
	owner string
	at    int
}

type stores []storing

// answered reads the replies to a batch, inside a transaction or not. A session that Redis has not stored, because it
// has forgotten the script, is stored once more here: its entry is in the stream already, so nothing else would repeat
// the store.
func (s stores) answered(ctx context.Context, client rueidis.DedicatedClient, replies []rueidis.RedisResult, transaction bool) error {
	if len(s) == 0 {
		return nil
	}
	var inside []rueidis.RedisMessage
	if transaction {
		var err error
		if inside, err = replies[len(replies)-1].ToArray(); err != nil {
			return fmt.Errorf("store sessions: %w", err)
		}
	}
	for _, stored := range s {
		var reply int64
		var err error
		if transaction {
			reply, err = inside[stored.at-1].AsInt64() // MULTI has a reply of its own
		} else {
			reply, err = replies[stored.at].AsInt64()
		}
		if forgotten(err) {
			command, owner, ok := stored.one.store(client.B(), storeScripts{})
			if !ok {
				continue
			}
			stored.owner = owner
			reply, err = client.Do(ctx, command).AsInt64()
		}
		if err != nil {
			return fmt.Errorf("store a session: %w", err)
		}
		stored.one.answered(stored.owner, reply)
	}
	return nil
}

// forgotten reports whether Redis does not know a script by its name.
func forgotten(err error) bool {
	answer, ok := rueidis.IsRedisErr(err)
	return ok && answer.IsNoScript()
}

// answered takes the answer of Redis to a store. A session that has another owner in Redis is ended here, as if the entry of
// its takeover had come. A takeover that was made once more is told to the former owner once more.
func (one *holding) answered(owner string, reply int64) {
	h := &one.a.holdings
	h.mu.Lock()
	one.named = one.named || reply != storeRefused && owner == one.owner
	again := reply == storeRetaken && ownerNode(one.former) != one.a.node.uid
	lost := reply == storeRefused && h.held[one.id] == one && !one.over
	if lost {
		delete(h.held, one.id)
	}
	h.mu.Unlock()
	if lost {
		one.a.local.Moved(one.id)
	}
	if again {
		taken := &action{namespace: one.a.name, kind: typeTaken, uid: one.a.node.uid}
		taken.operation.Rooms = []string{one.id}
		one.a.publish(taken)
	}
}

// storeAgain stores the sessions of this node once more that stand beside entries which Redis has lost.
func (n *Node) storeAgain(lost []*action) {
	for _, act := range lost {
		switch {
		case act == nil: // a mark
		case act.session != nil:
			act.session.again()
		case act.kind == typeTaken && act.uid == n.uid && len(act.operation.Rooms) == 1:
			if a := n.adapter(act.namespace); a != nil {
				(&holding{a: a, id: act.operation.Rooms[0]}).again()
			}
		}
	}
}

// again stores a session once more, if this node still has it.
func (one *holding) again() {
	h := &one.a.holdings
	h.mu.Lock()
	_, held := h.held[one.id]
	h.mu.Unlock()
	if held {
		sessions{one.a}.Keep(one.id, true)
	}
}
