package cluster

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/namespaces"
)

// The cost of recovery for each action of a client, until its answer may leave: the commands that Redis gets and the bytes
// that it reads, without the reading of the stream.
func BenchmarkClusterRecovery(b *testing.B) {
	for _, recovery := range []time.Duration{0, time.Minute} {
		b.Run(map[bool]string{true: "on", false: "off"}[recovery > 0], func(b *testing.B) {
			r := startRedis(b)
			node, hub, ns, _ := benchMemberWith(b, r, NodeConfig{Recovery: recovery})
			var s *namespaces.Socket
			comes := func() {
				c := &counting{come: make(chan struct{}, 1)}
				hub.Connect(c).Message(false, []byte("0"))
				<-c.come
				s = c.socket(b, ns)
			}
			told := func() { // a frame that goes to a client directly
				done := make(chan struct{})
				node.adapter("/").carrier.direct(func() { close(done) })
				<-done
			}
			does := []struct {
				name         string
				before, step func() // before is not measured
			}{
				{"connect", func() {}, comes},
				{"join", comes, func() { _ = s.Join("more") }},
				{"leave", func() { comes(); _ = s.Join("more") }, func() { s.Leave("more") }},
				{"emit", comes, func() { _ = s.Emit("event", 1) }},
			}
			for _, one := range does {
				b.Run(one.name, func(b *testing.B) {
					b.ReportAllocs()
					commands, bytes := 0, 0
					for b.Loop() {
						b.StopTimer()
						one.before()
						told()
						atCommands, atBytes := r.load(b)
						b.StartTimer()
						one.step()
						told()
						b.StopTimer()
						nowCommands, nowBytes := r.load(b)
						commands, bytes = commands+nowCommands-atCommands, bytes+nowBytes-atBytes-askedLoad
						b.StartTimer()
					}
					b.ReportMetric(float64(commands)/float64(b.N), "commands/op")
					b.ReportMetric(float64(bytes)/float64(b.N), "sent-B/op")
				})
			}
		})
	}
}

const askedLoad = 44

// load is how many commands, and bytes of commands, clients have sent to Redis, except those that read the stream or
// ask for the load.
func (r *redisServer) load(b testing.TB) (commands, bytes int) {
	b.Helper()
	if r.own == nil {
		r.own = r.client()
	}
	info, err := r.do(r.own, "INFO", "commandstats", "stats").ToString() // of askedLoad bytes
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "total_net_input_bytes" {
			bytes, _ = strconv.Atoi(value)
		}
		calls, _, _ := strings.Cut(strings.TrimPrefix(value, "calls="), ",")
		n, _ := strconv.Atoi(calls)
		switch strings.TrimPrefix(name, "cmdstat_") {
		case "eval", "evalsha", "multi", "exec", "xadd", "hmget":
			commands += n
		}
	}
	return commands, bytes
}

// socket is the client's.
func (c *counting) socket(b testing.TB, ns *namespaces.Namespace) *namespaces.Socket {
	b.Helper()
	var in reply
	if err := json.Unmarshal(c.reply.Load().Text[1:], &in); err != nil {
		b.Fatal(err)
	}
	var s *namespaces.Socket
	until(b, "the socket is there", func() (ok bool) { s, ok = ns.Socket(in.SID); return ok })
	return s
}

// Without recovery nothing is allocated for it: an action of a client allocates as much on a node of a cluster as on a
// single node.
func TestWithoutRecoveryNothingIsAllocatedForIt(t *testing.T) {
	_, _, ns, there := benchMemberWith(t, startRedis(t), NodeConfig{})
	single := namespaces.New("/")
	hub, err := namespaces.NewHub(namespaces.Config{Gate: everybody}, single)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hub.Close(t.Context()) })
	c := &counting{come: make(chan struct{}, 1)}
	hub.Connect(c).Message(false, []byte("0"))
	<-c.come
	clustered, alone, data := there.socket(t, ns), c.socket(t, single), new(int)
	for name, do := range map[string]func(*namespaces.Socket){
		"join and leave": func(s *namespaces.Socket) { _ = s.Join("more"); s.Leave("more") },
		"data":           func(s *namespaces.Socket) { s.SetData(data) },
	} {
		one, many := testing.AllocsPerRun(200, func() { do(alone) }), testing.AllocsPerRun(200, func() { do(clustered) })
		for range 20 { // the node's heartbeat and readers also allocate meanwhile: the least value is the action's own
			if many <= one {
				break
			}
			many = min(many, testing.AllocsPerRun(200, func() { do(clustered) }))
		}
		if many > one {
			t.Errorf("%s: %v allocations, %v on one node", name, many, one)
		}
	}
}
