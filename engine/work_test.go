package engine

import (
	"context"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/budget"
)

// slowAddresses has so little work for strangers that a test can spend it, and takes
// the address from the query.
func slowAddresses() Config {
	return Config{Early: &Early{AddressLimits: AddressLimits{WorkPerAddress: 20}}, ClientAddr: func(r *http.Request) netip.Addr {
		addr, _ := netip.ParseAddr(r.URL.Query().Get("from"))
		return addr
	}}
}

// handshake asks for a session from an address and returns the answer's status.
func (r *rig) handshake(t *testing.T, from string) (int, http.Header) {
	t.Helper()
	res, err := http.Get(r.url("http", "EIO=4&transport=polling&from="+from))
	check(t, err)
	_ = res.Body.Close()
	return res.StatusCode, res.Header
}

func TestAnAddressWhoseStrangersDoTooMuchIsRefused(t *testing.T) {
	r := newRig(t, slowAddresses())
	refused := 0
	for range 30 { // 200 packets are allowed, and a handshake counts as 16
		status, header := r.handshake(t, "2001:db8::1")
		if status == http.StatusOK {
			continue
		}
		refused++
		if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
			t.Fatalf("refused with %d, Retry-After %q", status, header.Get("Retry-After"))
		}
	}
	if refused == 0 {
		t.Error("thirty handshakes were not too many")
	}
	if _, err := r.tryWS("from=2001:db8::2"); err == nil {
		t.Error("another address of the same network was let in")
	}
	if status, _ := r.handshake(t, "192.0.2.1"); status != http.StatusOK {
		t.Errorf("another address got %d", status)
	}
}

// TestAWebSocketOfABusyAddressIsReadMoreSlowly looks at the state of the connection,
// and does not measure time.
func TestAWebSocketOfABusyAddressIsReadMoreSlowly(t *testing.T) {
	onPaths(t, slowAddresses(), func(t *testing.T, cfg Config) {
		told := make(chan Handler, 1000)
		cfg.Slowed = func(h Handler) { told <- h }
		r := newRig(t, cfg)
		dial := func(from string) (wsClient, *side) {
			c, err := r.tryWS("from=" + from)
			check(t, err)
			t.Cleanup(func() { _ = c.Conn.Close() })
			c.expectOpen(t)
			return c, r.opened.next(t)
		}
		busy, stranger := dial("192.0.2.1")
		mate, user := dial("192.0.2.1")
		user.Admit("", "ann")
		other, honest := dial("192.0.2.2")
		check(t, busy.Write([]byte(strings.Repeat(string(clientFrame(ws.OpText, []byte("4x"))), 400))))
		for range 50 { // in any case so many are read
			stranger.got.next(t)
		}
		check(t, mate.send("of a user"))
		check(t, other.send("of another address"))
		user.got.next(t)
		honest.got.next(t)
		if n := len(stranger.closed) + len(user.closed) + len(honest.closed); n > 0 {
			t.Errorf("%d ended", n)
		}
		stranger.in.Lock()
		defer stranger.in.Unlock()
		if !stranger.socket().waits {
			t.Error("the stranger is read as fast as before")
		}
		if len(told) == 0 {
			t.Error("nobody was told")
		}
		for range len(told) {
			if h := <-told; h != Handler(stranger) {
				t.Errorf("%v is said to be read more slowly", h)
			}
		}
	})
}

// shareOf is the work of addresses that each may do so many packets a second.
func shareOf(perSecond int) *earlyWork {
	return newEarlyWork(&Early{AddressLimits: AddressLimits{WorkPerAddress: perSecond}}, func(f func()) bool { go f(); return true })
}

func TestARequestOfABusyAddressWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := shareOf(10)
		s := &Session{srv: &Server{earlyWork: work}}
		s.incoming.Init(budget.Stranger(netip.MustParseAddr("192.0.2.1")))
		began := time.Now()
		s.awaitShare(t.Context())
		if passed := time.Since(began); passed != 0 {
			t.Errorf("a first request waits %v", passed)
		}
		s.countWork(1000)
		s.awaitShare(t.Context())
		if passed := time.Since(began); passed != longestSlowdown {
			t.Errorf("it waits %v", passed)
		}
		s.countWork(1000)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		s.awaitShare(gone)
		s.early.Store(admitted)
		s.awaitShare(t.Context())
		if passed := time.Since(began); passed != longestSlowdown {
			t.Errorf("who is gone or admitted waits until %v", passed)
		}
		time.Sleep(time.Hour) // the place in line of a client that has gone
		synctest.Wait()
		if len(work.lines) > 0 {
			t.Errorf("%d lines are left", len(work.lines))
		}
	})
}

// Thousands of connections that are read again all at once hold up everybody else.
func TestOfABusyAddressOneGoesOnAtATime(t *testing.T) {
	const many = 1500
	synctest.Test(t, func(t *testing.T) {
		work := shareOf(50_000)
		owner := budget.Stranger(netip.MustParseAddr("192.0.2.1"))
		work.Spend(owner, 1_000_000, longestSlowdown)
		began := time.Now()
		going, at := atomic.Int32{}, [many]time.Duration{}
		for n := range many {
			work.wait(owner, func() {
				if going.Add(1) > 1 {
					t.Error("two go on at once")
				}
				at[n] = time.Since(began)
				work.Spend(owner, 50, longestSlowdown)
				runtime.Gosched()
				going.Add(-1)
			})
		}
		other := make(chan struct{})
		work.wait(budget.Stranger(netip.MustParseAddr("192.0.2.2")), func() { close(other) })
		<-other
		if passed := time.Since(began); passed != workTurn {
			t.Errorf("another address waits %v", passed)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		for n := range many - 1 {
			if at[n+1] <= at[n] {
				t.Fatalf("%d goes on after %v, the one before after %v", n+1, at[n+1], at[n])
			}
		}
		if at[many/2] > 2*longestSlowdown || at[many-1] > 5*longestSlowdown {
			t.Errorf("half of them wait %v, the last one %v", at[many/2], at[many-1])
		}
		if len(work.lines) > 0 {
			t.Errorf("%d lines are left", len(work.lines))
		}
	})
}

// A server that is closed keeps no request waiting for its turn.
func TestWhoWaitsInLineIsLetGoAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		work := newEarlyWork(&Early{AddressLimits: AddressLimits{WorkPerAddress: 10}}, func(func()) bool { return false })
		s := &Session{srv: &Server{earlyWork: work}}
		s.incoming.Init(budget.Stranger(netip.MustParseAddr("192.0.2.1")))
		s.countWork(1000)
		began := time.Now()
		var waits sync.WaitGroup
		for range 100 {
			waits.Go(func() { s.awaitShare(t.Context()) })
		}
		waits.Wait()
		if passed := time.Since(began); passed > longestSlowdown {
			t.Errorf("they are let go after %v", passed)
		}
	})
}

func TestAPollOfABusyAddressIsAnsweredAllTheSame(t *testing.T) {
	r := newRig(t, slowAddresses())
	c := r.dialPolling(t)
	s := r.opened.next(t)
	for n := range 40 { // each address may send four packets, and as many messages
		check(t, c.send(number(n)))
	}
	for n := range 40 {
		if m := s.got.next(t); m.data != number(n) {
			t.Fatalf("got %q", m)
		}
	}
	if len(s.closed) > 0 {
		t.Error("the session ended")
	}
}
