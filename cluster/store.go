package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/handshake"
)

// store is the list of revocations in Redis: a hash of records by id, which is read
// whole, and a sorted set of their ends, by which they are dropped. Both keys
// lapse with the last revocation.
type store struct {
	revocations, ends, channel string
	limit                      string
	script                     *rueidis.Lua
}

// maxAhead is how far a revocation may lie in the future by the clock of Redis. A node
// whose clock is ahead would lock out everybody who signs in after it.
const maxAhead = 2 * time.Minute

// putScript drops revocations that have lapsed by the clock of Redis, merges the
// revocation with the one that is there, bounds its moment by ARGV[7] (how far
// ahead of the clock of Redis), and publishes the result. It answers 0 when the
// list is full.
const putScript = `
local id, at, till, rest = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local now = redis.call('TIME')
now = now[1] .. string.format('%06d', now[2])
for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do
  redis.call('HDEL', KEYS[1], old)
  redis.call('ZREM', KEYS[2], old)
end
local old = redis.call('HGET', KEYS[1], id)
if old then
  local a, u = string.match(old, '^(%d+):(%d+):')
  if a and tonumber(a) > tonumber(at) then at = a end
  if u and tonumber(u) > tonumber(till) then till = u end
elseif redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then
  return 0
end
local latest = tonumber(now) + tonumber(ARGV[7])
if tonumber(at) > latest then at = string.format('%.0f', latest) end
local record = at .. ':' .. till .. ':' .. rest
redis.call('HSET', KEYS[1], id, record)
redis.call('ZADD', KEYS[2], till, id)
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')
local lapse = string.format('%.0f', math.ceil(tonumber(last[2]) / 1000))
redis.call('PEXPIREAT', KEYS[1], lapse)
redis.call('PEXPIREAT', KEYS[2], lapse)
redis.call('PUBLISH', ARGV[6], record)
return 1`

const (
	putTimeout  = time.Second      // time for storing one revocation, while an operator waits
	listTimeout = 10 * time.Second // time for reading the list, and for storing a batch
	putBatch    = 500              // revocations in one go
)

// ErrFull is returned when Redis holds as many revocations as it may.
var ErrFull = errors.New("the list of revocations in redis is full; raise revocation.max_marks")

func newStore(prefix string, limit int) store {
	base := prefix + "{revocations}:" // one slot of a Redis Cluster
	return store{
		revocations: base + "marks", ends: base + "ends", channel: base + "made",
		limit: strconv.Itoa(limit), script: rueidis.NewLuaScript(putScript),
	}
}

func (s store) put(ctx context.Context, client rueidis.Client, records ...record) error {
	calls := make([]rueidis.LuaExec, len(records))
	for i, r := range records {
		calls[i] = rueidis.LuaExec{Keys: []string{s.revocations, s.ends}, Args: []string{
			r.id, strconv.FormatInt(r.at, 10), strconv.FormatInt(r.until, 10), r.rest, s.limit, s.channel,
			strconv.FormatInt(maxAhead.Microseconds(), 10),
		}}
	}
	for _, answer := range s.script.ExecMulti(ctx, client, calls...) {
		stored, err := answer.AsInt64()
		if err != nil {
			return fmt.Errorf("store a revocation: %w", err)
		}
		if stored == 0 {
			return ErrFull
		}
	}
	return nil
}

// remove takes a revocation out and reports whether it was there.
func (s store) remove(ctx context.Context, client rueidis.Client, id string) (bool, error) {
	answers := client.DoMulti(ctx,
		client.B().Hdel().Key(s.revocations).Field(id).Build(), client.B().Zrem().Key(s.ends).Member(id).Build())
	removed, err := answers[0].AsInt64()
	if err = errors.Join(err, answers[1].Error()); err != nil {
		return false, fmt.Errorf("remove a revocation: %w", err)
	}
	return removed > 0, nil
}

// list reads all revocations, by id; broken says how many could not be read.
func (s store) list(ctx context.Context, client rueidis.Client) (revocations map[string]handshake.Revocation, broken int, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	records, err := client.Do(ctx, client.B().Hgetall().Key(s.revocations).Build()).AsStrMap()
	if err != nil {
		return nil, 0, fmt.Errorf("read the revocations: %w", err)
	}
	revocations = make(map[string]handshake.Revocation, len(records))
	for _, text := range records {
		m, err := parseRecord(text)
		if err != nil {
			broken++
			continue
		}
		revocations[idOf(m)] = m
	}
	return revocations, broken, nil
}
