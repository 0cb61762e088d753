package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
	"gatehouse/namespaces"
)

// Connections of a user over all nodes. Redis has three keys of each user: the connections in their order, which node
// has each, and how many each node has. A node tells Redis about each connection that comes and goes; it does so after
// the admission, which does not wait. When a user has too many, the node of the newest connection takes out connections
// of nodes that are gone, then the oldest ones, and tells the other nodes, one of which has it.
//
// A node counts under an owner, which is its id with a number and has a lease. When Redis may differ from the node,
// because a command failed or the lease lapsed, the node begins anew under another owner and reports all its
// connections. Those of the old owner count as those of a node that is gone.

// countScript counts a connection. KEYS: see userKeys. ARGV: connection, owner, for how many microseconds it has been there,
// how many a user may have, for how many milliseconds the keys are kept. It returns the owners when there are too many.
var countScript = rueidis.NewLuaScript(`
local was = redis.call('HGET', KEYS[2], ARGV[1])
if was ~= ARGV[2] then
  if was and redis.call('HINCRBY', KEYS[3], was, -1) <= 0 then redis.call('HDEL', KEYS[3], was) end
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  redis.call('HINCRBY', KEYS[3], ARGV[2], 1)
  local t = redis.call('TIME')
  redis.call('ZADD', KEYS[1], string.format('%.0f', t[1] * 1000000 + t[2] - ARGV[3]), ARGV[1])
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
if redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[4]) then return {} end
return redis.call('HKEYS', KEYS[3])`)

// uncountFunction takes a connection of an owner out.
const uncountFunction = `
local function uncount(connection, owner)
  redis.call('HDEL', KEYS[2], connection)
  redis.call('ZREM', KEYS[1], connection)
  if redis.call('HINCRBY', KEYS[3], owner, -1) <= 0 then redis.call('HDEL', KEYS[3], owner) end;
end
`

// uncountScript takes a connection out, unless another owner has it. KEYS: see userKeys. ARGV: connection, owner.
var uncountScript = rueidis.NewLuaScript(uncountFunction + `
if redis.call('HGET', KEYS[2], ARGV[1]) == ARGV[2] then uncount(ARGV[1], ARGV[2]) end
return {}`)

// trimScript takes out the connections of owners that are gone, and then the oldest while there are too many. KEYS: see
// userKeys. ARGV: how many a user may have, the owners that are gone. It returns the oldest.
var trimScript = rueidis.NewLuaScript(uncountFunction + `
if #ARGV > 1 then
  local gone = {}
  for i = 2, #ARGV do gone[ARGV[i]] = true end
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    if gone[all[i + 1]] then uncount(all[i], all[i + 1]) end
  end;
end
local excess = redis.call('ZCARD', KEYS[1]) - ARGV[1]
if excess <= 0 then return {} end
local oldest = redis.call('ZRANGE', KEYS[1], 0, excess - 1)
for i = 1, #oldest do uncount(oldest[i], redis.call('HGET', KEYS[2], oldest[i]) or '') end
return oldest`)

const (
	typeMakeWay = 104 // a message between nodes: a connection of a user makes way for a newer one

	keepUsers = 2 * time.Hour   // how long the keys of a user live whom no node reports
	tellUsers = keepUsers / 2   // how often all connections are reported again, so that they stay
	userSteps = 4 * batchSize   // how many connections are reported to Redis at once
	userLimit = 5 * time.Second // for that
)

// userCounts implements namespaces.SharedUsers.
type userCounts struct {
	node *Node
	wake chan struct{}
	most atomic.Int64 // connections of a user

	mu      sync.Mutex // guards what follows; a leaf
	replace func(handshake.UserKey, string)
	here    map[counted]time.Time // the connections of this node, and when each began
	changed map[counted]struct{}  // those whose change has not been reported to Redis; unused while in doubt
	doubt   bool                  // Redis may have something else

	// Owned by the goroutine that reports to Redis.
	owner string
	times int       // that it began anew
	told  time.Time // when it last told of all
	away  bool      // the log has said that Redis is away
}

type counted struct {
	user       handshake.UserKey
	connection string
}

// Users counts users' connections over the nodes; it is for [namespaces.Config].
func (n *Node) Users() namespaces.SharedUsers { return &n.users }

// Limit implements namespaces.SharedUsers.
func (u *userCounts) Limit(most int, replace func(handshake.UserKey, string)) {
	u.most.Store(int64(most))
	u.mu.Lock()
	if u.here != nil { // only the limit has changed
		u.mu.Unlock()
		return
	}
	u.replace, u.doubt = replace, true
	u.here, u.changed = make(map[counted]time.Time), make(map[counted]struct{})
	u.mu.Unlock()
	u.node.run.Go(func() { u.keep(u.node.ctx) })
}

// Came implements namespaces.SharedUsers.
func (u *userCounts) Came(user handshake.UserKey, connection string) {
	u.change(counted{user, connection}, true)
}

// Went implements namespaces.SharedUsers.
func (u *userCounts) Went(user handshake.UserKey, connection string) {
	u.change(counted{user, connection}, false)
}

func (u *userCounts) change(c counted, came bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, ok := u.here[c]; came && !ok {
		u.here[c] = time.Now()
	} else if !came {
		delete(u.here, c)
	}
	if u.doubt {
		return // all are told
	}
	u.changed[c] = struct{}{}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// keep reports changes to Redis, until the node ends.
func (u *userCounts) keep(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	u.note(u.renew(ctx))
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			u.note(u.renew(ctx))
		case <-u.wake:
			u.note(u.tell(ctx))
		}
	}
}

// note logs once that Redis is away, and once that it is back. The untold changes are in doubt then.
func (u *userCounts) note(err error) {
	away := err != nil
	if away {
		u.mu.Lock()
		u.doubt = true
		clear(u.changed)
		u.mu.Unlock()
	}
	switch log := u.node.cfg.Logger; {
	case u.node.ctx.Err() != nil || away == u.away:
		return
	case away:
		log.Warn("cluster: redis does not answer, session.max_per_user counts on this node alone", slog.Any("error", err))
	default:
		log.Info("cluster: session.max_per_user counts over all nodes again")
	}
	u.away = away
}

// renew keeps the lease of the owner, or begins anew where Redis may differ from this node.
func (u *userCounts) renew(ctx context.Context) error {
	client, err := u.node.cfg.Client()
	if err != nil {
		return err
	}
	u.mu.Lock()
	doubt := u.doubt
	u.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	if !doubt {
		set := client.B().Set().Key(u.leaseKey(u.owner)).Value("1").Xx().PxMilliseconds(memberLimit.Milliseconds()).Build()
		err := u.node.cfg.Note(client, client.Do(limited, set).Error())
		if rueidis.IsRedisNil(err) {
			doubt = true // it has lapsed
		} else if err != nil {
			return err
		}
	}
	if doubt {
		if err := u.begin(limited, client); err != nil {
			return err
		}
	}
	if doubt || time.Since(u.told) > tellUsers {
		u.markAll()
	}
	return u.tell(ctx)
}

// begin makes another owner.
func (u *userCounts) begin(ctx context.Context, client rueidis.Client) error {
	old := u.owner
	u.times++
	u.owner = u.node.uid + "-" + strconv.Itoa(u.times)
	set := client.B().Set().Key(u.leaseKey(u.owner)).Value("1").PxMilliseconds(memberLimit.Milliseconds()).Build()
	if err := u.node.cfg.Note(client, client.Do(ctx, set).Error()); err != nil {
		return err
	}
	if old == "" {
		return nil
	}
	return client.Do(ctx, client.B().Del().Key(u.leaseKey(old)).Build()).Error()
}

func (u *userCounts) markAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.doubt, u.told = false, time.Now()
	for c := range u.here {
		u.changed[c] = struct{}{}
	}
}

// tell reports to Redis what has changed.
func (u *userCounts) tell(ctx context.Context) error {
	for {
		came, ages, went := u.take()
		if len(came)+len(went) == 0 {
			return nil
		}
		limited, cancel := context.WithTimeout(ctx, userLimit)
		err := u.tellOf(limited, came, ages, went)
		cancel()
		if err != nil {
			return err
		}
	}
}

// take returns some of what has changed.
func (u *userCounts) take() (came []counted, ages []time.Duration, went []counted) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.changed {
		if len(came)+len(went) == userSteps {
			break
		}
		delete(u.changed, c)
		if since, here := u.here[c]; here {
			came, ages = append(came, c), append(ages, time.Since(since))
		} else {
			went = append(went, c)
		}
	}
	return came, ages, went
}

func (u *userCounts) tellOf(ctx context.Context, came []counted, ages []time.Duration, went []counted) error {
	var steps []rueidis.LuaExec
	for _, c := range went {
		steps = append(steps, rueidis.LuaExec{Keys: u.userKeys(c.user), Args: []string{c.connection, u.owner}})
	}
	if _, err := u.run(ctx, uncountScript, steps); err != nil {
		return err
	}
	steps = nil
	for i, c := range came {
		steps = append(steps, rueidis.LuaExec{Keys: u.userKeys(c.user), Args: []string{
			c.connection, u.owner, strconv.FormatInt(ages[i].Microseconds(), 10), strconv.FormatInt(u.most.Load(), 10), millis(keepUsers),
		}})
	}
	found, err := u.run(ctx, countScript, steps)
	if err != nil {
		return err
	}
	for i, owners := range found {
		if len(owners) == 0 {
			continue
		}
		if err := u.trim(ctx, came[i].user, owners); err != nil {
			return err
		}
	}
	return nil
}

// run runs a script for each of several users, in one go.
func (u *userCounts) run(ctx context.Context, script *rueidis.Lua, steps []rueidis.LuaExec) ([][]string, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	client, err := u.node.cfg.Client()
	if err != nil {
		return nil, err
	}
	var answers []rueidis.RedisResult
	if len(steps) == 1 { // for several users the script is loaded first
		answers = append(answers, script.Exec(ctx, client, steps[0].Keys, steps[0].Args))
	} else {
		answers = script.ExecMulti(ctx, client, steps...)
	}
	found := make([][]string, len(answers))
	for i, answer := range answers {
		if found[i], err = answer.AsStrSlice(); u.node.cfg.Note(client, err) != nil {
			return nil, fmt.Errorf("count connections of users: %w", err)
		}
	}
	return found, nil
}

// trim ends the oldest connections of a user.
func (u *userCounts) trim(ctx context.Context, user handshake.UserKey, owners []string) error {
	args := []string{strconv.FormatInt(u.most.Load(), 10)}
	for _, owner := range owners {
		there, err := u.there(ctx, owner)
		if err != nil {
			return err
		}
		if !there {
			args = append(args, owner)
		}
	}
	found, err := u.run(ctx, trimScript, []rueidis.LuaExec{{Keys: u.userKeys(user), Args: args}})
	if err != nil {
		return err
	}
	for _, connection := range found[0] {
		if u.has(counted{user, connection}) {
			u.replace(user, connection)
			continue
		}
		b := newBuilder(true, 1)
		b.json("connection", wayMaker{user.Issuer, user.Subject, connection})
		if err := u.node.tell(u.node.everyone(), "", typeMakeWay, b.bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (u *userCounts) has(c counted) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, here := u.here[c]
	return here
}

// there reports whether an owner has its lease.
func (u *userCounts) there(ctx context.Context, owner string) (bool, error) {
	if owner == u.owner {
		return true, nil
	}
	client, err := u.node.cfg.Client()
	if err != nil {
		return false, err
	}
	n, err := client.Do(ctx, client.B().Exists().Key(u.leaseKey(owner)).Build()).AsInt64()
	return n > 0, u.node.cfg.Note(client, err)
}

// wayMaker is the message about a connection that makes way.
type wayMaker struct {
	Issuer     string `json:"issuer"`
	Subject    string `json:"subject"`
	Connection string `json:"connection"`
}

// makeWay ends a connection that another node names as too many, if this node has it.
func (u *userCounts) makeWay(m letter) error {
	var w wayMaker
	if err := m.body.value("connection", &w); err != nil {
		return err
	}
	user := handshake.UserKey{Issuer: w.Issuer, Subject: w.Subject}
	if u.has(counted{user, w.Connection}) {
		u.replace(user, w.Connection)
	}
	return nil
}

// leave gives the lease back, when the node has ended.
func (u *userCounts) leave(ctx context.Context) {
	client, err := u.node.cfg.Client()
	if err != nil || u.owner == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	_ = client.Do(ctx, client.B().Del().Key(u.leaseKey(u.owner)).Build()).Error() // or it lapses
}

func (u *userCounts) leaseKey(owner string) string { return u.node.everyone() + "#users#" + owner }

// userKeys are the keys of a user: the connections in their order, the owner of each, and how many each owner has. Their
// names do not reveal the user.
func (u *userCounts) userKeys(user handshake.UserKey) []string {
	sum := sha256.Sum256([]byte(strconv.Itoa(len(user.Issuer)) + ":" + user.Issuer + user.Subject))
	base := u.node.everyone() + "#user#{" + hex.EncodeToString(sum[:16]) + "}#"
	return []string{base + "order", base + "owners", base + "counts"}
}
