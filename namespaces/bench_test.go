package namespaces_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// sink is a connection that drops frames; it signals each reply.
type sink struct{ replies chan struct{} }

func (s *sink) Send(f *packet.Frame) error {
	if s.replies != nil && f.Text[0] != '2' {
		s.replies <- struct{}{}
	}
	return nil
}
func (s *sink) SendVolatile(*packet.Frame) bool { return true }
func (s *sink) Close(int, string)               {}
func (s *sink) Pause()                          {}
func (s *sink) Resume()                         {}
func (s *sink) Hold(int) bool                   { return true }
func (s *sink) Admitted()                       {}
func (s *sink) Identified(*namespaces.Socket)   {}
func (s *sink) Request() *handshake.Request     { return nil }

func admitAll(context.Context, *handshake.Request) (handshake.Identity, error) {
	return handshake.Identity{Subject: "u"}, nil
}

// benchHub admits n clients, each in the room "room" if told so.
func benchHub(b *testing.B, n int, room bool) (*namespaces.Namespace, []*namespaces.Client, *sink) {
	return benchHubWith(b, n, room, namespaces.Recovery{})
}

func benchHubWith(b *testing.B, n int, room bool, recovery namespaces.Recovery) (*namespaces.Namespace, []*namespaces.Client, *sink) {
	b.Helper()
	ns := namespaces.New("/")
	if room {
		ns.Admit(func(_ context.Context, s *namespaces.Socket) error { return s.Join("room") })
	}
	namespaces.On(ns, "echo", func(_ context.Context, _ *namespaces.Socket, in packet.Args) (packet.Args, error) { return in, nil })
	cfg := namespaces.Config{Gate: namespaces.GateFunc(admitAll), ConnectLimits: namespaces.ConnectLimits{MaxPending: n + 1}, Recovery: recovery}
	hub, err := namespaces.NewHub(cfg, ns)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	replies := &sink{make(chan struct{}, n+4096)}
	clients := make([]*namespaces.Client, n)
	for i := range clients {
		clients[i] = hub.Connect(replies)
		clients[i].Message(false, []byte("0"))
		<-replies.replies // one after another: goroutines that ended leave memory behind
	}
	return ns, clients, replies
}

// BenchmarkIdleSocket reports what one admitted connection holds: client, socket, identity, its places in the indexes.
func BenchmarkIdleSocket(b *testing.B) {
	for _, room := range []bool{false, true} {
		b.Run(fmt.Sprintf("room=%v", room), func(b *testing.B) {
			const n = 20_000
			var before, after runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&before)
			ns, clients, _ := benchHub(b, n, room)
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(ns)
			runtime.KeepAlive(clients)
			for b.Loop() {
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/socket")
		})
	}
}

func BenchmarkConnect(b *testing.B) {
	ns := namespaces.New("/")
	hub, err := namespaces.NewHub(namespaces.Config{Gate: namespaces.GateFunc(admitAll)}, ns)
	if err != nil {
		b.Fatal(err)
	}
	s := &sink{make(chan struct{}, 1)}
	b.ReportAllocs()
	for b.Loop() {
		c := hub.Connect(s)
		c.Message(false, []byte("0"))
		<-s.replies
		c.Closed(namespaces.End{Reason: namespaces.ReasonTransportClose})
	}
	if err := hub.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// BenchmarkFanOut sends one broadcast to rooms of several sizes, encoding included.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns, _, _ := benchHub(b, n, true)
			benchFanOut(b, ns, n)
		})
	}
}

func benchFanOut(b *testing.B, ns *namespaces.Namespace, n int) {
	b.Helper()
	to := ns.In("room")
	args, err := packet.NewArgs(map[string]string{"text": "a message of about sixty bytes, as people write in a chat"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_ = to.Emit("message", args)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/delivery")
}

// BenchmarkEcho sends events with acknowledgements from one socket: one at a time, and many in flight.
func BenchmarkEcho(b *testing.B) {
	event := []byte(`2["echo",{"text":"a message of about sixty bytes, as people write in a chat"}]`)
	event = append([]byte("21"), event[1:]...)
	for _, inFlight := range []int{1, 500} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			_, clients, s := benchHub(b, 1, false)
			b.ReportAllocs()
			waiting := 0
			for b.Loop() {
				clients[0].Message(false, event)
				if waiting++; waiting == inFlight {
					for ; waiting > 0; waiting-- {
						<-s.replies
					}
				}
			}
			for ; waiting > 0; waiting-- {
				<-s.replies
			}
		})
	}
}

func (*sink) ID() string { return "connection" }

func (*sink) Transport() string { return "websocket" }

func (*sink) Context() context.Context { return nil }

// withRecovery is the configuration of the benchmarks of recovery.
var withRecovery = namespaces.Recovery{For: time.Minute}

// BenchmarkIdleSocketRecovery is BenchmarkIdleSocket with recovery on; sent is how many messages of a broadcast were
// delivered to each: their tails are full from 256 on.
func BenchmarkIdleSocketRecovery(b *testing.B) {
	for _, sent := range []int{0, 10, 1000} {
		b.Run(fmt.Sprintf("sent=%d", sent), func(b *testing.B) {
			const n = 20_000
			var before, after runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&before)
			ns, clients, _ := benchHubWith(b, n, true, withRecovery)
			for range sent {
				_ = ns.In("room").Emit("message", "a message of about sixty bytes, as people write in a chat")
			}
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(ns)
			runtime.KeepAlive(clients)
			for b.Loop() {
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/socket")
		})
	}
}

// BenchmarkFanOutRecovery is BenchmarkFanOut with recovery on.
func BenchmarkFanOutRecovery(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns, _, _ := benchHubWith(b, n, true, withRecovery)
			benchFanOut(b, ns, n)
		})
	}
}
