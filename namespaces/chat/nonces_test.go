package chat

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"gatehouse/handshake"
)

// heap returns how much memory is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) // far below
}

// chatty returns a function that makes a room in which each user has sent many messages with the longest nonces.
func chatty(t *testing.T, rs *rooms, cfg *Config) func(name string, users, each int) *room {
	rs.init(cfg)
	return func(name string, users, each int) *room {
		r, err := rs.obtain(name, rs.accountLocked(handshake.UserKey{}))
		if err != nil {
			t.Fatal(err)
		}
		for u := range users {
			for i := range each {
				r.nonces.add(nonceOf(handshake.UserKey{Issuer: "issuer", Subject: fmt.Sprint(u)}, fmt.Sprintf("%0*d", maxNonce, i)), rs.stamp())
			}
		}
		return r
	}
}

func TestNoncesCountForWhatTheyTake(t *testing.T) {
	const many = 10
	for name, c := range map[string]struct{ users, each, remembered int }{
		"few users":      {8, 128, 1024},
		"many users":     {1024, 1, 1024},
		"more than fits": {1030, 1, 1024 - 16 + 6},
		"one user":       {1, 1000, 128},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{}.withDefaults()
			var rs rooms
			fill := chatty(t, &rs, &cfg)
			list := make([]*room, many)
			for i := range list {
				list[i] = fill(fmt.Sprint("r", i), 0, 0) // not counting what a room takes by itself
			}
			before := heap()
			for i, r := range list {
				fill(r.name, c.users, c.each)
				if got := r.nonces.len(); got != c.remembered {
					t.Fatalf("room %d remembers %d nonces, want %d", i, got, c.remembered)
				}
			}
			counted, taken := rs.bytes.Load(), heap()-before
			const noise = 64 << 10
			if taken > counted+noise {
				t.Errorf("%d bytes are counted, %d taken", counted, taken)
			}
			for _, r := range list {
				for r.shedLocked() {
					continue
				}
			}
			if left := heap() - before; left > rs.bytes.Load()+noise {
				t.Errorf("%d bytes are counted when all are forgotten, %d taken", rs.bytes.Load(), left)
			}
			for rs.forgetOneLocked() {
				continue
			}
			if left := rs.bytes.Load(); left != 0 {
				t.Errorf("%d bytes are counted without rooms", left)
			}
			runtime.KeepAlive(list)
		})
	}
}

func TestAHistoryThatWasCutGivesMemoryBack(t *testing.T) {
	const many = 20
	cfg := Config{}.withDefaults()
	var rs rooms
	fill := chatty(t, &rs, &cfg)
	list := make([]*room, many)
	for i := range list {
		list[i] = fill(fmt.Sprint("r", i), 0, 0)
	}
	before := heap()
	for _, r := range list {
		for range 2*cfg.HistoryMessages - 1 {
			r.history.add(post{id: rs.stamp().text()})
		}
		for r.shedLocked() {
			continue
		}
	}
	const noise = 64 << 10
	if counted, taken := rs.bytes.Load(), heap()-before; taken > counted+noise {
		t.Errorf("%d bytes are counted, %d taken", counted, taken)
	}
	runtime.KeepAlive(list)
}

func TestARoomForgetsTheOldestFirst(t *testing.T) {
	cfg := Config{}.withDefaults()
	var rs rooms
	r := chatty(t, &rs, &cfg)("r", 1, 2) // two answers from before the first message
	for i := range 3 {
		st := rs.stamp()
		r.history.add(post{id: st.text()})
		r.nonces.add(nonceOf(handshake.UserKey{}, strings.Repeat("n", i+1)), st)
	}
	var got []string
	for r.shedLocked() {
		got = append(got, fmt.Sprint(r.nonces.len(), "+", r.history.len()))
	}
	if want := "4+3 3+3 2+3 2+2 1+2 1+1 0+1 0+0"; strings.Join(got, " ") != want {
		t.Errorf("nonces and messages left: %v, want %s", got, want)
	}
}

func TestUsersHaveDigestsOfTheirOwn(t *testing.T) {
	seen := make(map[digest]handshake.UserKey)
	for _, k := range []handshake.UserKey{{}, {Issuer: "a"}, {Subject: "a"}, {Issuer: "ab", Subject: "c"}, {Issuer: "a", Subject: "bc"}, {Issuer: "1 a"}, {Subject: "1 a"}} {
		user := nonceOf(k, "n").user
		if other, ok := seen[user]; ok {
			t.Errorf("%q and %q are one user", k, other)
		}
		seen[user] = k
	}
}
