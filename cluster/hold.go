package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
)

// holdUserScript notes that a node holds a user in a room. KEYS: members, holders, the node's list, the names in their order,
// stream. ARGV: room and user as the node's list has them, user, member, 1 when the member replaces what there is, quiet,
// number of values of the entry that says that the user has come, 1 when others have been told so before, entries that the
// stream keeps, those values, and those of the entry for a member that has been replaced. It returns the number of users, and
// 1 when the user has come, 2 when the member has been replaced.
var holdUserScript = rueidis.NewLuaScript(entryFunction + `
local what, n = 0, tonumber(ARGV[6])
local told = ARGV[7] == '1' -- who is not there then has been forgotten, and has not come
if redis.call('HSETNX', KEYS[3], ARGV[1], 1) == 1 and redis.call('HINCRBY', KEYS[2], ARGV[2], 1) == 1 and not told then what = 1 end
if (redis.call('HSETNX', KEYS[1], ARGV[2], ARGV[3]) == 0 or told) and ARGV[4] == '1' then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  if what ~= 1 then what = 2 end -- who has come is told as such
end
redis.call('ZADD', KEYS[4], 0, ARGV[2])
local count = redis.call('HLEN', KEYS[1])
local loud = count <= tonumber(ARGV[5])
if what == 1 and loud then add(KEYS[5], 9, n) elseif what == 2 and loud then add(KEYS[5], 9 + n, #ARGV - 8 - n) end
return {count, what}`)

// Results of holdUserScript besides the count.
const (
	heldFirst    = 1
	heldReplaced = 2
)

// Hold implements namespaces.Shared.
func (a *adapter) Hold(ctx context.Context, h namespaces.Holding) (count int, first bool, err error) {
	field := h.Room + fieldEnd + h.User
	if !h.Held {
		a.present.add(field, h.Member, 1)
	} else if h.Replace {
		a.present.add(field, h.Member, 0)
	}
	k := a.keysOf(h.Room)
	came, changed := a.announcement(h.Room, h.Joined.Except, h.Joined), a.announcement(h.Room, h.Changed.Except, h.Changed)
	coming, changing := a.inscription(came), a.inscription(changed)
	args := append([]string{
		field, h.User, string(h.Member), flagOf(h.Replace), strconv.Itoa(h.Joined.Quiet), strconv.Itoa(len(coming)), flagOf(h.Told),
		strconv.Itoa(a.node.cfg.MaxLen),
	}, append(coming, changing...)...)
	got, err := a.script(ctx, holdUserScript, []string{k.members, k.holders, a.listKey(a.node.uid), k.names, a.streamKey(k)}, args...)
	if err != nil {
		a.present.doubt()
		return 0, false, err
	}
	if len(got) != 2 {
		return 0, false, errRoom
	}
	n, err1 := got[0].AsInt64()
	what, err2 := got[1].AsInt64()
	if err := errors.Join(err1, err2); err != nil {
		return 0, false, fmt.Errorf("%w: %w", errRoom, err)
	}
	if a.node.cfg.Mode != ModeStreams && int(n) <= h.Joined.Quiet {
		switch what {
		case heldFirst:
			err = a.spread(came)
		case heldReplaced:
			err = a.spread(changed)
		}
	}
	return int(n), what == heldFirst, err
}

// Release implements namespaces.Shared.
func (a *adapter) Release(ctx context.Context, room, user string, left namespaces.Announcement) (count int, last bool, err error) {
	field := room + fieldEnd + user
	rest := a.present.add(field, nil, -1)
	if count, last, err = a.exit(ctx, a.node.uid, room, user, 0, &left); err != nil {
		a.present.owe(field, rest)
	}
	return count, last, err
}

// Members implements namespaces.Shared.
func (a *adapter) Members(ctx context.Context, room, after string, limit int) (members []json.RawMessage, count int, more bool, err error) {
	client, err := a.node.cfg.Client()
	if err != nil {
		return nil, 0, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	k, least := a.keysOf(room), "-"
	if after != "" {
		least = "(" + after + fieldEnd + "\xff" // behind all users of that name
	}
	page := client.B().Zrangebylex().Key(k.names).Min(least).Max("+").Limit(0, int64(limit)+1).Build()
	answers := client.DoMulti(ctx, client.B().Hlen().Key(k.members).Build(), page)
	n, err1 := answers[0].AsInt64()
	users, err2 := answers[1].AsStrSlice()
	if err := a.node.cfg.Note(client, errors.Join(err1, err2)); err != nil {
		return nil, 0, false, fmt.Errorf("read members: %w", err)
	}
	if more = len(users) > limit; more {
		users = users[:limit]
	}
	if len(users) == 0 {
		return nil, int(n), false, nil
	}
	values, err := client.Do(ctx, client.B().Hmget().Key(k.members).Field(users...).Build()).ToArray()
	if err := a.node.cfg.Note(client, err); err != nil {
		return nil, 0, false, fmt.Errorf("read members: %w", err)
	}
	for _, v := range values {
		if text, err := v.ToString(); err == nil && json.Valid([]byte(text)) { // else gone meanwhile
			members = append(members, json.RawMessage(text))
		}
	}
	return members, int(n), more, nil
}
