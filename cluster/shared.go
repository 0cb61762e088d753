package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// The shared state of a room is in Redis: its members with the number of nodes that have each, its history, and the
// nonces of messages that are sent once only. In the mode "streams" the scripts that change this state also write the
// operations that belong to the change into the stream of the namespace. So both have one order: the history that a
// socket reads when it enters ends where its events begin.
//
// Ghosts: each node has a lease, and a list of its users by room. Any other node takes out the members of a node whose
// lease has lapsed. A node that could not tell Redis of a change finds out by comparing that list with its own.

// enterScript enters a room. KEYS: history, facts, members, holders, the node's list, stream. ARGV: room and user as the
// node's list has them, user, member, how many members are wanted, 1 when the socket is in the room already, quiet, how many
// entries the stream keeps, number of values of the first entry, its values, and those of the second, which announces.
// It returns the number of users, some members, the history, what is dropped, 1 when something was cut, and the entry's id.
var enterScript = rueidis.NewLuaScript(entryFunction + `
local first = false
if ARGV[6] ~= '1' then
  if redis.call('HINCRBY', KEYS[5], ARGV[1], 1) == 1 and redis.call('HINCRBY', KEYS[4], ARGV[2], 1) == 1 then first = true end
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
end
redis.call('PERSIST', KEYS[1])
redis.call('PERSIST', KEYS[2])
local count = redis.call('HLEN', KEYS[3])
local members, cursor = {}, '0'
repeat
  local part = redis.call('HSCAN', KEYS[3], cursor, 'COUNT', 100)
  cursor = part[1]
  for i = 2, #part[2], 2 do
    if #members < tonumber(ARGV[4]) then members[#members + 1] = part[2][i] end
  end
until cursor == '0' or #members >= tonumber(ARGV[4])
local facts = redis.call('HMGET', KEYS[2], 'last', 'dropped')
local history = redis.call('LRANGE', KEYS[1], 0, -1)
local cut = 0
if facts[1] and #history == 0 then cut = 1 end
local n = tonumber(ARGV[7])
local id = add(KEYS[6], 9, n)
if first and count <= tonumber(ARGV[5]) then add(KEYS[6], 9 + n, #ARGV - 8 - n) end
return {count, members, history, facts[2] or '', cut, id}`)

// entryFunction writes values of ARGV into a stream; none writes nothing. How many entries the stream keeps is ARGV[8].
const entryFunction = `
local function add(stream, from, n)
  if n <= 0 then return '' end
  return redis.call('XADD', stream, 'MAXLEN', '~', ARGV[8], '*', unpack(ARGV, from, from + n - 1))
end
`

// exitScript leaves a room. KEYS as of enterScript, and the names in their order, see holdUserScript. ARGV: room and user as the node's list has them, user, milliseconds that an
// empty room is kept for, and its facts, 0 when one socket of the user at this node leaves, or how many there are when all do
// (nothing happens when there is another number), quiet, unused, entries that the stream keeps, and the values of the entry
// that announces.
var exitScript = rueidis.NewLuaScript(entryFunction + `
if ARGV[5] ~= '0' and redis.call('HGET', KEYS[5], ARGV[1]) ~= ARGV[5] then return {0, 0} end
local left = redis.call('HINCRBY', KEYS[5], ARGV[1], -1)
if left > 0 and ARGV[5] == '0' then return {0, 0} end
redis.call('HDEL', KEYS[5], ARGV[1])
if left < 0 then return {0, 0} end
if redis.call('HINCRBY', KEYS[4], ARGV[2], -1) > 0 then return {0, 0} end
local before = redis.call('HLEN', KEYS[3])
redis.call('HDEL', KEYS[4], ARGV[2])
local member = redis.call('HGET', KEYS[3], ARGV[2])
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('ZREM', KEYS[7], ARGV[2])
if before <= 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
if before <= tonumber(ARGV[6]) then add(KEYS[6], 9, #ARGV - 8) end
return {1, before - 1, member or ''}`)

// postScript sends to a room. KEYS: history, facts, what was sent once, its order, stream. ARGV: the id, the value, the name of
// what is sent once, messages, bytes and names that are kept, unused, entries that the stream keeps, and the values of the
// entry. It returns "later" and the last id when the id is none that comes after it, "again" and what was sent, or "sent" and
// the id of the entry.
var postScript = rueidis.NewLuaScript(entryFunction + `
if ARGV[3] ~= '' then
  local first = redis.call('HGET', KEYS[3], ARGV[3])
  if first then return {'again', first} end
end
local facts = redis.call('HMGET', KEYS[2], 'last', 'bytes')
if facts[1] and facts[1] >= ARGV[1] then return {'later', facts[1]} end
local value = ARGV[1] .. ' ' .. ARGV[2]
local n = redis.call('RPUSH', KEYS[1], value)
local bytes = #value
if n > 1 then bytes = bytes + (tonumber(facts[2]) or 0) end
redis.call('HSET', KEYS[2], 'last', ARGV[1])
while n > 1 and (n > tonumber(ARGV[4]) or bytes > tonumber(ARGV[5])) do
  local oldest = redis.call('LPOP', KEYS[1])
  n, bytes = n - 1, bytes - #oldest
  redis.call('HSET', KEYS[2], 'dropped', string.match(oldest, '^(%S+) '))
end
redis.call('HSET', KEYS[2], 'bytes', bytes)
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[3], value)
  if redis.call('RPUSH', KEYS[4], ARGV[3]) > tonumber(ARGV[6]) then
    redis.call('HDEL', KEYS[3], redis.call('LPOP', KEYS[4]))
  end
  redis.call('PEXPIRE', KEYS[3], ARGV[7])
  redis.call('PEXPIRE', KEYS[4], ARGV[7])
end
return {'sent', add(KEYS[5], 9, #ARGV - 8)}`)

const (
	keepEmpty = 10 * time.Minute         // what an empty room remembers
	keepFacts = keepEmpty + 24*time.Hour // that it has existed
	keepOnce  = 24 * time.Hour           // what is not to be sent twice
	postTries = 16                       // tries, against others that send to the same room at the same time
	roomStep  = 2 * redisLimit           // time for one step of a room, until its operation has come back
	fieldEnd  = "\x00"                   // between room and user in the list of a node
)

var errRoom = errors.New("cluster: the record of a room cannot be read")

// roomKeys are the keys of a room. All keys of a stream are in its slot of a Redis Cluster.
type roomKeys struct{ history, facts, members, holders, once, order, names string }

func (a *adapter) slotKey(parts ...string) string {
	tag := a.node.cfg.streamName(0)
	if a.node.cfg.Mode == ModeStreams {
		tag = a.node.cfg.streamName(a.node.cfg.streamOf(a.name))
	}
	for i := range parts {
		parts[i] = url.QueryEscape(parts[i])
	}
	return inSlotOf(tag) + url.QueryEscape(a.name) + ":" + strings.Join(parts, ":")
}

func (a *adapter) keysOf(room string) roomKeys {
	k := func(what string) string { return a.slotKey(what, room) }
	return roomKeys{k("history"), k("facts"), k("members"), k("holders"), k("once"), k("order"), k("names")}
}

// listKey is the key of a node's list of users by room; leasesKey that of the nodes' leases.
func (a *adapter) listKey(uid string) string { return a.slotKey("node", uid) }
func (a *adapter) leasesKey() string         { return a.slotKey("leases") }

// inscription returns the values of an operation's entry, which a script writes into the stream; none in the modes that
// publish.
func (a *adapter) inscription(act *action) []string {
	if a.node.cfg.Mode != ModeStreams {
		return nil
	}
	act.encode()
	e := entry{uid: a.node.uid, namespace: a.name, kind: act.kind, data: act.data}
	return e.fields(a.node.signer, a.streamName(), a.node.cfg.Now())
}

func (a *adapter) streamName() string { return a.node.cfg.streamName(a.node.cfg.streamOf(a.name)) }

// announcement is an event to a room, except to one socket.
func (a *adapter) announcement(room, except string, ann namespaces.Announcement) *action {
	act := &action{namespace: a.name, kind: typeBroadcast, uid: a.node.uid}
	act.operation.Rooms = []string{room}
	if except != "" {
		act.operation.Except = []string{except}
	}
	if ann.Volatile {
		act.operation.Flags = namespaces.Volatile
	}
	act.operation.Packet = packet.Packet{Type: packet.Event, Namespace: a.name, Event: ann.Event, Args: ann.Args}
	return act
}

// script runs a script that changes a room.
func (a *adapter) script(ctx context.Context, s *rueidis.Lua, keys []string, args ...string) ([]rueidis.RedisMessage, error) {
	client, err := a.node.cfg.Client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	got, err := s.Exec(ctx, client, keys, args).ToArray()
	if err = a.node.cfg.Note(client, err); err != nil {
		return nil, fmt.Errorf("change a room: %w", err)
	}
	return got, nil
}

// Enter implements namespaces.Shared.
func (a *adapter) Enter(ctx context.Context, s *namespaces.Socket, in namespaces.Entrance) (out namespaces.Entered, err error) {
	ctx, cancel := context.WithTimeout(ctx, roomStep)
	defer cancel()
	field := in.Room + fieldEnd + in.User
	if !in.Again {
		a.present.add(field, in.Member, 1)
	}
	k := a.keysOf(in.Room)
	join := &action{namespace: a.name, kind: typeJoin, change: namespaces.Change{Join: []string{in.Room}}}
	join.operation.Rooms = []string{s.ID()}
	entering, telling := a.inscription(join), a.inscription(a.announcement(in.Room, s.ID(), in.Joined))
	args := append([]string{
		field, in.User, string(in.Member), strconv.Itoa(in.Members), strconv.Itoa(in.Joined.Quiet), flagOf(in.Again),
		strconv.Itoa(len(entering)), strconv.Itoa(a.node.cfg.MaxLen),
	}, append(entering, telling...)...)
	if a.node.cfg.Mode != ModeStreams { // no event is missing, but one sent just now may come twice
		if err := s.Join(in.Room); err != nil {
			if !in.Again {
				a.present.add(field, nil, -1)
			}
			return out, fmt.Errorf("%w: %w", namespaces.ErrNotEntered, err)
		}
		if err := a.node.signal.await(ctx); err != nil {
			a.present.doubt()
			return out, err
		}
	}
	got, err := a.script(ctx, enterScript, []string{k.history, k.facts, k.members, k.holders, a.listKey(a.node.uid), a.streamKey(k)}, args...)
	if err != nil {
		a.present.doubt()
		return out, err
	}
	if out, err = readEntered(got); err != nil {
		return out, err
	}
	id, _ := got[5].ToString()
	return out, a.joined(ctx, s, in, id, out.Count)
}

// streamKey is the key that a script writes entries to; in the modes that publish it writes none.
func (a *adapter) streamKey(k roomKeys) string {
	if a.node.cfg.Mode != ModeStreams {
		return k.order
	}
	return a.streamName()
}

// joined waits until the socket is in the room.
func (a *adapter) joined(ctx context.Context, s *namespaces.Socket, in namespaces.Entrance, id string, count int) error {
	if l, ok := a.carrier.(*lane); ok {
		if err := l.reached(ctx, id); err != nil {
			return err
		}
		if !s.Joined(in.Room) { // the entry that joins skips sockets that are in too many rooms
			return s.Join(in.Room)
		}
		return nil
	}
	if !in.Again && count <= in.Joined.Quiet {
		return a.spread(a.announcement(in.Room, s.ID(), in.Joined))
	}
	return nil
}

func readEntered(got []rueidis.RedisMessage) (out namespaces.Entered, err error) {
	if len(got) != 6 {
		return out, errRoom
	}
	count, err1 := got[0].AsInt64()
	members, err2 := got[1].AsStrSlice()
	history, err3 := got[2].AsStrSlice()
	dropped, err4 := got[3].ToString()
	cut, err5 := got[4].AsInt64()
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return out, fmt.Errorf("%w: %w", errRoom, err)
	}
	out = namespaces.Entered{Count: int(count), Dropped: dropped, Cut: cut == 1}
	for _, m := range members {
		if json.Valid([]byte(m)) {
			out.Members = append(out.Members, json.RawMessage(m))
		}
	}
	for _, h := range history {
		if id, value, ok := strings.Cut(h, " "); ok && json.Valid([]byte(value)) {
			out.History = append(out.History, namespaces.Record{ID: id, Value: json.RawMessage(value)})
		}
	}
	return out, nil
}

// Exit implements namespaces.Shared.
func (a *adapter) Exit(ctx context.Context, s *namespaces.Socket, room, user string, left namespaces.Announcement) {
	s.Leave(room)
	field := room + fieldEnd + user
	rest := a.present.add(field, nil, -1)
	if _, _, err := a.exit(ctx, a.node.uid, room, user, 0, &left); err != nil {
		a.present.owe(field, rest)
	}
}

// exit takes one socket of a user at a node out of a room, or all of them if Redis still has exactly that many. It returns
// how many users are left if that was the user's last.
func (a *adapter) exit(ctx context.Context, uid, room, user string, all int64, left *namespaces.Announcement) (count int, last bool, err error) {
	k := a.keysOf(room)
	quiet, telling := 0, []string(nil)
	if left != nil {
		quiet, telling = left.Quiet, a.inscription(a.announcement(room, "", *left))
	}
	args := append([]string{
		room + fieldEnd + user, user, millis(keepEmpty), millis(keepFacts), strconv.FormatInt(all, 10), strconv.Itoa(quiet), "",
		strconv.Itoa(a.node.cfg.MaxLen),
	}, telling...)
	got, err := a.script(ctx, exitScript, []string{k.history, k.facts, k.members, k.holders, a.listKey(uid), a.streamKey(k), k.names}, args...)
	if err != nil {
		return 0, false, err
	}
	gone, _ := got[0].AsInt64()
	if gone != 1 || len(got) < 3 {
		return 0, false, nil
	}
	n, _ := got[1].AsInt64()
	member, _ := got[2].ToString()
	switch {
	case left == nil:
		a.found(room, member, int(n), false)
	case a.node.cfg.Mode != ModeStreams && int(n) < quiet:
		return int(n), true, a.spread(a.announcement(room, "", *left))
	}
	return int(n), true, nil
}

// Post implements namespaces.Shared.
func (a *adapter) Post(ctx context.Context, p namespaces.Posting) (namespaces.Posted, error) {
	ctx, cancel := context.WithTimeout(ctx, roomStep)
	defer cancel()
	k, after := a.keysOf(p.Room), ""
	for range postTries {
		id := p.ID(after)
		value, err := p.Value(id)
		if err != nil {
			return namespaces.Posted{}, err
		}
		args, err := packet.NewArgs(value)
		if err != nil {
			return namespaces.Posted{}, err
		}
		act := a.announcement(p.Room, "", namespaces.Announcement{Event: p.Event, Args: args})
		got, err := a.script(ctx, postScript, []string{k.history, k.facts, k.once, k.order, a.streamKey(k)}, append([]string{
			id, string(value), p.Once, strconv.Itoa(p.Limit.Messages), strconv.Itoa(p.Limit.Bytes), strconv.Itoa(p.Limit.Once),
			millis(keepOnce), strconv.Itoa(a.node.cfg.MaxLen),
		}, a.inscription(act)...)...)
		if err != nil {
			return namespaces.Posted{}, err
		}
		verdict, _ := got[0].ToString()
		said, _ := got[1].ToString()
		switch verdict {
		case "later":
			after = said
			continue
		case "again":
			id, value, _ := strings.Cut(said, " ")
			return namespaces.Posted{ID: id, Again: true, Value: json.RawMessage(value)}, nil
		}
		if l, ok := a.carrier.(*lane); ok {
			return namespaces.Posted{ID: id, Value: value}, l.reached(ctx, said)
		}
		return namespaces.Posted{ID: id, Value: value}, a.spread(act)
	}
	return namespaces.Posted{}, errBusy
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func flagOf(b bool) string {
	if b {
		return "1"
	}
	return "0"
}
