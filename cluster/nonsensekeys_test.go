package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"gatehouse/history"
)

// use is what clients do with keys of Redis. Each function reports whether everything went well; it need not, but it
// must return.
type use struct {
	keys  []string    // ends of the names of some of them
	whole func() bool // makes all keys
	quick func() bool // the part that does not wait until Redis has taken something; nil: all of it
}

// said asks, and reports whether the answer is good.
func (g *talker) said(event string, in map[string]any) bool {
	g.m.t.Helper()
	var answer struct{ OK bool }
	return json.Unmarshal(g.ask(event, in), &answer) == nil && answer.OK
}

// saidAll asks one question after the other.
func (g *talker) saidAll(in map[string]any, events ...string) bool {
	g.m.t.Helper()
	good := true
	for _, event := range events {
		good = g.said(event, in) && good
	}
	return good
}

// hasKeys returns the keys of a Redis, except those that only test whether it takes writes.
func hasKeys(r *redisServer, client rueidis.Client) []string {
	r.t.Helper()
	keys, err := r.do(client, "KEYS", "*").AsStrSlice()
	if err != nil {
		r.t.Fatal(err)
	}
	keys = slices.DeleteFunc(keys, func(key string) bool { return strings.HasSuffix(key, "probe") })
	slices.Sort(keys)
	return keys
}

// spoil writes nonsense under a key: a value of another type, or text into the present value.
func spoil(r *redisServer, client rueidis.Client, key string, replace bool) {
	r.t.Helper()
	const nonsense = "nonsense \x00\xff"
	kind, _ := r.do(client, "TYPE", key).ToString()
	switch {
	case kind == "none":
	case replace && kind == "string":
		r.do(client, "DEL", key)
		r.do(client, "RPUSH", key, nonsense)
	case replace:
		r.do(client, "SET", key, nonsense)
	case kind == "string":
		r.do(client, "SET", key, nonsense)
	case kind == "hash":
		fields, _ := r.do(client, "HKEYS", key).AsStrSlice()
		for _, field := range append(fields, nonsense) {
			r.do(client, "HSET", key, field, nonsense)
		}
	case kind == "zset":
		r.do(client, "ZADD", key, "inf", nonsense, "-inf", "")
	case kind == "list":
		r.do(client, "LPUSH", key, nonsense)
		r.do(client, "RPUSH", key, nonsense)
	case kind == "stream":
		r.do(client, "XADD", key, "*", nonsense, nonsense)
	}
}

func useChat(t *testing.T, r *redisServer, cfg NodeConfig) use {
	g := joinChat(t, r, cfg).visitChat("ann")
	return use{keys: []string{":leases", ":epoch", ":room%3Ar"}, whole: func() bool {
		in := map[string]any{"room": "r", "text": "hi", "nonce": "n"}
		return g.saidAll(in, "room:join", "message:send", "room:leave", "room:join")
	}}
}

func usePresence(t *testing.T, r *redisServer, cfg NodeConfig) use {
	g, in := joinRelay(t, r, cfg, 0).visitChat("bob"), map[string]any{"room": "doc:1", "state": 1}
	return use{
		keys: []string{":holders:doc%3A1", ":members:doc%3A1", ":names:doc%3A1"},
		whole: func() bool {
			return g.saidAll(in, "room:join", "presence:set", "presence:get", "room:leave", "room:join")
		},
		quick: func() bool {
			good := g.said("presence:get", in)
			g.client.Message(false, []byte(`2/chat,["presence:set",{"room":"doc:1","state":2}]`)) // its answer would come after 4 s
			return good
		},
	}
}

func useSessions(t *testing.T, r *redisServer, cfg NodeConfig) use {
	cfg.Recovery = time.Minute
	m := joinLimited(t, r, cfg, 2, enters)
	return use{keys: []string{"#counts", "#order"}, whole: func() bool {
		g, first := m.come("ann", "", "")
		g.enter("hall")
		_ = m.ns.In("hall").Emit("news")
		_, again := m.come("ann", first.PID, "")
		return first.SID != "" && again.SID != ""
	}}
}

func useHistory(t *testing.T, r *redisServer, _ NodeConfig) use {
	log, limits := logOn(r), history.Limits{Messages: 3}
	return use{keys: []string{":entries", ":facts"}, whole: func() bool {
		_, err := log.Append(t.Context(), "topic", limits, history.Entry{Event: "e", Data: json.RawMessage(`1`)})
		_, err2 := log.Read(t.Context(), "topic", limits, history.Query{})
		return err == nil && err2 == nil
	}}
}

// Whatever is written under the keys of nodes, no node ends, every request is answered, and when the nonsense is gone
// everything works as before.
func TestNonsenseUnderAnyKeyEndsNoNode(t *testing.T) {
	for name, begin := range map[string]func(*testing.T, *redisServer, NodeConfig) use{
		"chat": useChat, "presence": usePresence, "sessions": useSessions, "history": useHistory,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // this waits for nodes that connect anew
			r := startRedis(t)
			client := r.client()
			u := begin(t, r, NodeConfig{Settings: Settings{Patience: 100 * time.Millisecond}})
			until(t, "everything works", u.whole)
			for _, end := range u.keys {
				until(t, "there is the key "+end, func() bool {
					return slices.ContainsFunc(hasKeys(r, client), func(key string) bool { return strings.HasSuffix(key, end) })
				})
			}
			for _, key := range hasKeys(r, client) {
				if u.quick != nil && !slices.ContainsFunc(u.keys, func(end string) bool { return strings.HasSuffix(key, end) }) {
					continue // the chat has it too, and what Redis has not taken for presence is tried again only after a second
				}
				for _, replace := range []bool{true, false} {
					spoil(r, client, key, replace)
					if u.quick != nil {
						u.quick()
					} else {
						u.whole()
					}
					r.do(client, "DEL", key)
					until(t, fmt.Sprintf("everything works without what stood under %q", key), u.whole)
				}
			}
		})
	}
}
