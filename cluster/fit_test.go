package cluster

import (
	"strings"
	"testing"
	"time"
)

// A node says which settings of Redis do not fit.
func TestWhatOfRedisDoesNotFitIsSaid(t *testing.T) {
	r := startRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	m := joinFleet(t, r, NodeConfig{}, nil)
	list, err := m.node.Misfits(t.Context())
	if err != nil || len(list) != 1 || !strings.Contains(list[0], "noeviction") {
		t.Errorf("%q, %v", list, err)
	}
	r.do(r.client(), "CONFIG", "SET", "maxmemory-policy", "noeviction")
	if list, err := m.node.Misfits(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%q, %v", list, err)
	}
	if list := misfits(ModePubSub, map[string]string{"redis_version": "6.2.14"}, true); len(list) != 2 || !strings.Contains(list[0], "6.2.14") {
		t.Errorf("%q", list)
	}
}

// A stream that was trimmed and reaches back for less than a node may be away is a gap to come.
func TestAStreamThatIsTrimmedTooShortIsSaid(t *testing.T) {
	r := startRedis(t)
	client := r.client()
	cfg := NodeConfig{Settings: Settings{BacklogAge: time.Minute}}
	say := func() []string {
		list, err := Misfits(t.Context(), client, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	add := func(id string) { r.do(client, "XADD", "socket.io", "MAXLEN", "=", "2", id, "uid", "x") }
	if list := say(); len(list) > 0 {
		t.Errorf("without a stream: %q", list)
	}
	add("1000-0")
	add("2000-0")
	if list := say(); len(list) > 0 {
		t.Errorf("a young stream: %q", list)
	}
	add("3000-0")
	if list := say(); len(list) != 1 || !strings.Contains(list[0], "reaches back 1s") || !strings.Contains(list[0], "cluster.max_len") {
		t.Errorf("a short stream: %q", list)
	}
	add("63000-0")
	if list := say(); len(list) > 0 {
		t.Errorf("a stream that reaches back: %q", list)
	}
}

// The lag is how far the reading is behind the end of the stream.
func TestTheLagOfAReaderIsMeasured(t *testing.T) {
	r := startRedis(t)
	m := joinFleet(t, r, NodeConfig{}, nil)
	l := m.node.lanes[0]
	at := func(set string) (was string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if was = l.at; set != "" {
			l.at = set
		}
		return was
	}
	until(t, "the node has read its first mark", func() bool { return at("") != "" })
	at("1000-0") // as if it had read nothing since
	l.measure(t.Context())
	if lag := m.node.Status().Lag; lag < time.Hour {
		t.Errorf("%s", lag)
	}
}
