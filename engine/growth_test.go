//go:build unix

package engine

import (
	"bytes"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// BenchmarkManySessions reports what one idle session costs while pings of the
// default interval come and go, among 20,000, 200,000 and a million of them: memory,
// and processor time in a second. Their connections are in memory, as a machine
// does not have so many files. Each size takes more than a minute:
//
//	go test ./engine -run '^$' -bench ManySessions -benchtime 1x -timeout 30m
func BenchmarkManySessions(b *testing.B) {
	if testing.Short() {
		b.Log("a million sessions are opened only without -short")
		return
	}
	for _, n := range []int{20_000, 200_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				manySessions(b, n)
			}
		})
	}
}

// manyIdle is how long the sessions are watched: two pings of each.
var manyIdle = 2 * defaults.PingInterval

func manySessions(b *testing.B, n int) {
	srv, err := New(Config{}, func(*Session) Handler { return noHandler{} })
	check(b, err)
	defer srv.Close()
	clients := &pongers{}
	var group sync.WaitGroup
	group.Go(clients.run)
	defer group.Wait()
	defer clients.stop()

	before := inUse()
	spread := time.NewTicker(defaults.PingInterval / time.Duration(n/1000)) // so that pings are spread too
	defer spread.Stop()
	for i := range n {
		if i%1000 == 0 {
			<-spread.C
		}
		openInMemory(b, srv, clients)
	}
	b.ReportMetric(float64(inUse()-before)/float64(n), "B/session")
	clients.pongs.Store(0)
	used := processorTime(b)
	time.Sleep(manyIdle)
	used = processorTime(b) - used
	b.ReportMetric(float64(used.Nanoseconds())/float64(n)/manyIdle.Seconds(), "ns/session/s")
	b.ReportMetric(float64(clients.pongs.Load())/float64(n), "pings/session")
	if srv.Sessions() != n {
		b.Fatalf("%d of %d sessions are left", srv.Sessions(), n)
	}
	runtime.KeepAlive(clients)
}

// openInMemory opens a session as a WebSocket handshake does.
func openInMemory(b *testing.B, srv *Server, clients *pongers) {
	s, err := srv.newSession(&Peer{Host: "x", Transport: "websocket", RemoteAddr: netip.MustParseAddrPort("127.0.0.1:1")})
	check(b, err)
	c := &websocket{s: s, frames: frameWebSocket}
	c.stream = memoryStream{c, clients}
	s.link = c
	if !srv.admit(s, nil) {
		b.Fatal("the server is closed")
	}
	_, err = c.stream.tryWrite(s.openFrame().websocket())
	check(b, err)
	c.begin(nil)
}

// memoryStream is the connection of a client that only answers pings.
type memoryStream struct {
	owner   streamOwner
	clients *pongers
}

var pingOnWire = []byte{0x81, 1, '2'}

func (m memoryStream) tryWrite(p []byte) (int, error) {
	if bytes.Equal(p, pingOnWire) {
		m.clients.pinged(m.owner)
	}
	return len(p), nil
}
func (memoryStream) start()         {}
func (memoryStream) pending() bool  { return false }
func (memoryStream) queued() int    { return -1 }
func (memoryStream) awaitWritable() {}
func (memoryStream) pause()         {}
func (memoryStream) resume()        {}
func (memoryStream) closeWrite()    {}
func (memoryStream) close()         {}

// pongers answers the pings of all clients, on one goroutine.
type pongers struct {
	pongs atomic.Int64

	mu      sync.Mutex // guards what follows
	woken   sync.Cond
	waiting []streamOwner
	over    bool
}

func (p *pongers) pinged(o streamOwner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, o)
	p.signal()
}

func (p *pongers) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	p.signal()
}

func (p *pongers) signal() {
	p.woken.L = &p.mu
	p.woken.Signal()
}

func (p *pongers) run() {
	pong := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("3"))))
	var batch []streamOwner
	for {
		p.mu.Lock()
		p.woken.L = &p.mu
		for len(p.waiting) == 0 && !p.over {
			p.woken.Wait()
		}
		if p.over {
			p.mu.Unlock()
			return
		}
		batch, p.waiting = p.waiting, batch[:0]
		p.mu.Unlock()
		for _, o := range batch {
			o.enter()
			o.readable(bytes.Clone(pong)) // it is unmasked in place
			o.leave()
			p.pongs.Add(1)
		}
	}
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
