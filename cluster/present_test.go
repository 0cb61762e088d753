package cluster

import (
	"encoding/json"
	"testing"
)

// fieldOf is ann in a room of the chat, as the list of a node has her.
func fieldOf(room string) string { return "room:" + room + fieldEnd + `"" "ann"` }

// Changes during a comparison with Redis are right in the end.
func TestAComparisonSparesWhatChangesMeanwhile(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	m := joinChat(t, r, NodeConfig{})
	m.node.mu.RLock()
	a := m.node.adapters["/chat"]
	m.node.mu.RUnlock()
	client := r.client()
	ann := m.visitChat("ann")
	ann.join("lobby", "") // the node has entered somebody
	for name, c := range map[string]struct {
		before, during, after func(room string)
		want                  int64 // how many sockets of ann the list has
	}{
		"somebody leaves": {
			before: func(room string) { ann.join(room, "") },
			during: func(room string) { ann.ask("room:leave", map[string]string{"room": room}) },
		},
		"somebody enters": {during: func(room string) { ann.join(room, "") }, want: 1},
		"Redis hears later that somebody enters": {
			before: func(room string) { a.present.add(fieldOf(room), json.RawMessage(`{}`), 1) },
			after: func(room string) {
				r.do(client, "HINCRBY", a.listKey(m.node.uid), fieldOf(room), "1")
			},
			want: 1,
		},
		"Redis has somebody who is not there": {
			before: func(room string) { r.do(client, "HSET", a.listKey(m.node.uid), fieldOf(room), "2") },
			after:  func(string) { a.present.doubt() },
		},
		"Redis lacks somebody": {
			before: func(room string) {
				ann.join(room, "")
				r.do(client, "HDEL", a.listKey(m.node.uid), fieldOf(room))
			},
			after: func(string) { a.present.doubt() },
			want:  1,
		},
	} {
		step := func(do func(room string)) {
			if do != nil {
				do(name)
			}
		}
		step(c.before)
		want, _, _ := a.present.want()
		step(c.during)
		if err := a.compare(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		step(c.after)
		until(t, "the list is right after: "+name, func() bool {
			a.attend(t.Context())
			a.present.mu.Lock()
			unsure := a.present.unsure
			a.present.mu.Unlock()
			there, err := a.list(t.Context(), m.node.uid)
			if err != nil {
				t.Fatal(err)
			}
			return !unsure && there[fieldOf(name)] == c.want
		})
	}
}

// A comparison forgets users who have gone. One that begins before a change reaches Redis does not affect the announcements
// when Redis comes back empty.
func TestWhoHasGoneIsOwedAlsoAfterAComparison(t *testing.T) {
	t.Parallel()
	field, member := fieldOf("lobby"), json.RawMessage(`{"name":"ann"}`)
	p := &present{}
	p.in("before")
	p.add(field, member, 2)
	p.owe(field, p.add(field, nil, -1)) // another tab is left
	rest := p.add(field, nil, -1)
	p.want()
	p.owe(field, rest)
	p.in("after")
	var told []string
	for range forgotFor {
		for gone, one := range p.settle() {
			told = append(told, gone+string(one.member))
		}
	}
	if len(told) != 1 || told[0] != field+string(member) {
		t.Errorf("told of %q", told)
	}
}
