package engine

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/wiretest"
)

// countingStream takes everything at once and counts it.
type countingStream struct{ bytes *atomic.Int64 }

func (s countingStream) tryWrite(b []byte) (int, error) {
	s.bytes.Add(int64(len(b)))
	return len(b), nil
}
func (countingStream) start()         {}
func (countingStream) pending() bool  { return false }
func (countingStream) queued() int    { return -1 }
func (countingStream) awaitWritable() {}
func (countingStream) pause()         {}
func (countingStream) resume()        {}
func (countingStream) closeWrite()    {}
func (countingStream) close()         {}

// BenchmarkFanOut sends one frame to 1,000 sessions and waits until all of it is
// written. Burst is how many frames are in flight.
func BenchmarkFanOut(b *testing.B) {
	const members = 1000
	for _, burst := range []int{1, 4} {
		b.Run(fmt.Sprintf("burst=%d", burst), func(b *testing.B) {
			srv, err := New(Config{}, func(*Session) Handler { return noHandler{} })
			if err != nil {
				b.Fatal(err)
			}
			defer srv.Close()
			var written atomic.Int64
			sessions := make([]*Session, members)
			for i := range sessions {
				s, _ := srv.newSession(&Peer{})
				s.handler = noHandler{}
				s.link = &websocket{s: s, stream: countingStream{&written}}
				sessions[i] = s
			}
			text := []byte(strings.Repeat("x", 100))
			b.ReportAllocs()
			for b.Loop() {
				goal := written.Load()
				for range burst {
					f := NewFrame(text, nil)
					goal += int64(members * len(f.websocket()))
					for _, s := range sessions {
						_ = s.Send(f)
					}
				}
				for written.Load() < goal {
					runtime.Gosched()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members*burst), "ns/delivery")
		})
	}
}

func BenchmarkWheel(b *testing.B) {
	w, all, now := turning(250*time.Millisecond, 10_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		*now = int64(i) * int64(time.Microsecond)
		w.schedule(all[i%len(all)], *now+int64(25*time.Second))
	}
}

// BenchmarkIdleWebSocket reports what one idle session costs the process. The
// client is in this process too: its cost is measured first and taken off.
func BenchmarkIdleWebSocket(b *testing.B) {
	if testing.Short() {
		b.Log("5,000 connections are opened only without -short")
		return
	}
	for name, portable := range map[string]bool{"epoll": false, "portable": true} {
		b.Run(name, func(b *testing.B) { idle(b, Config{Portable: portable}) })
	}
}

func idle(b *testing.B, cfg Config) {
	const sessions = 5000
	srv, err := New(cfg, func(*Session) Handler { return noHandler{} })
	check(b, err)
	r := &rig{srv: srv, web: httptest.NewServer(srv)}
	defer r.web.Close()
	defer srv.Close()
	for b.Loop() {
		conns := make([]net.Conn, sessions)
		before := inUse()
		for i := range conns {
			c, err := net.Dial("tcp", r.web.Listener.Addr().String())
			check(b, err)
			conns[i] = c
		}
		clients := inUse() // half of it is the server's accepted end
		var all sync.WaitGroup
		for part := range 4 {
			all.Go(func() {
				for i := part; i < sessions; i += 4 {
					_, _ = io.WriteString(conns[i], wiretest.Opening(""))
					readOpen(conns[i])
				}
			})
		}
		all.Wait()
		b.ReportMetric(float64(inUse()-before)/sessions, "B/session+client")
		b.ReportMetric(float64(clients-before)/sessions, "B/accepted+client")
		for _, c := range conns {
			_ = c.Close()
		}
		for r.srv.Sessions() > 0 {
			runtime.Gosched()
		}
	}
}

// readOpen reads until the open packet is there.
func readOpen(c net.Conn) {
	var got strings.Builder
	b := make([]byte, 512)
	for !strings.Contains(got.String(), "maxPayload") {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		got.Write(b[:n])
	}
}

// inUse returns how many bytes the heap and the stacks hold.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkSendAndFlush sends a frame to 1,000 sessions on one goroutine, so
// that the machine's scheduling has no part in it.
func BenchmarkSendAndFlush(b *testing.B) {
	const members = 1000
	srv, err := New(Config{}, func(*Session) Handler { return noHandler{} })
	check(b, err)
	defer srv.Close()
	var written atomic.Int64
	f := newFlusher(nil)
	f.dirty = make([]*websocket, 1, members+1) // never empty: nobody needs to be woken
	sessions := make([]*Session, members)
	for i := range sessions {
		s, _ := srv.newSession(&Peer{})
		s.handler, s.flusher = noHandler{}, f
		s.link = &websocket{s: s, stream: countingStream{&written}}
		sessions[i] = s
	}
	text := []byte(strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		frame := NewFrame(text, nil)
		for _, s := range sessions {
			_ = s.Send(frame)
		}
		for _, s := range append(f.dirty[1:], f.direct...) {
			f.flush(s)
		}
		f.dirty, f.direct = f.dirty[:1], f.direct[:0]
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/delivery")
}

// BenchmarkDeflate compresses a message of 2 KB, as it comes and behind earlier ones.
func BenchmarkDeflate(b *testing.B) {
	cfg := Config{}.withDefaults()
	history := rfc6455.NewHistory(1 << cfg.Deflate.Window)
	for _, c := range []struct {
		name string
		past *rfc6455.History
	}{{"none", nil}, {"takeover", &history}} {
		b.Run(c.name, func(b *testing.B) {
			z := rfc6455.NewCompressor(cfg.Deflate.Level, DefaultCompressAbove)
			var buf []byte
			text := []byte(talk(1))
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				buf = NewFrame(text, nil).appendDeflated(buf[:0], z, c.past)
			}
			b.ReportMetric(float64(len(buf))/float64(len(text)), "ratio")
		})
	}
}

// BenchmarkSendToABlockedClient sends a frame to 1,000 clients that do not
// read, each of which counts in the budget.
func BenchmarkSendToABlockedClient(b *testing.B) {
	const members = 1000
	srv, err := New(Config{Limits: Limits{OutboxBytes: 1 << 30, OutboxTotal: math.MaxInt}}, func(*Session) Handler { return noHandler{} })
	check(b, err)
	defer srv.Close()
	sessions := make([]*Session, members)
	for i := range sessions {
		s, _ := srv.newSession(&Peer{})
		s.handler = noHandler{}
		s.link = &websocket{s: s, stream: countingStream{}, blocked: true}
		sessions[i] = s
	}
	text := []byte(strings.Repeat("x", 100))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		frame := NewFrame(text, nil)
		for _, s := range sessions {
			_ = s.Send(frame)
		}
		if i%500 == 499 {
			for _, s := range sessions {
				s.out.forget(&srv.budget)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/frame")
}
