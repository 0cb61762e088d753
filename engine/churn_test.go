package engine

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// goings are the ways in which a client leaves its session.
var goings = []func(c client){
	func(c client) { _ = c.leave() },
	func(c client) { // a reset, if there is a connection
		if w, ok := c.(wsClient); ok {
			_ = w.Conn.(*net.TCPConn).SetLinger(0)
			_ = w.Conn.Close()
		}
	},
	func(c client) { _ = c.send("on its way"); _ = c.leave() },
	func(c client) { // in the middle of a frame
		if w, ok := c.(wsClient); ok {
			_ = w.Write(clientFrame(ws.OpText, []byte("4half"))[:5])
			_ = w.Conn.Close()
		}
	},
	func(client) {}, // without a word: its heartbeat ends it
}

// Clients leave nothing in the server's lists, over whatever transport they
// came and however they went.
func TestSessionsThatEndAreInNoList(t *testing.T) {
	count := 400
	if testing.Short() {
		count = 100
	}
	cfg := Config{Limits: Limits{PingInterval: 500 * time.Millisecond, PingTimeout: 500 * time.Millisecond, CloseTimeout: 50 * time.Millisecond}}
	cfg.IdleTimeout = 500 * time.Millisecond // connections that have carried polls
	onPaths(t, cfg, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg)
		come(t, r, count)
		for range count {
			await(t, r.opened.next(t).closed)
		}
		r.srv.awaitNothing(t)
	})
}

// come lets clients come and go, a few at a time.
func come(t *testing.T, r *rig, count int) {
	const atOnce = 8
	var all sync.WaitGroup
	for worker := range atOnce {
		all.Go(func() {
			for n := worker; n < count; n += atOnce {
				goings[n%len(goings)](r.dial(t, transports[n%len(transports)]))
			}
		})
	}
	all.Wait()
}

// awaitNothing waits until nothing is held for any session.
func (srv *Server) awaitNothing(t *testing.T) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for limit := time.Now().Add(patience); ; <-again.C {
		sessions, wheel, streams := len(srv.snapshot()), srv.wheel.length(), watched(srv.epoll)
		if sessions+wheel+streams+srv.Sessions() == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%d sessions, %d on the wheel, %d streams, %d counted", sessions, wheel, streams, srv.Sessions())
		}
	}
}

// length counts the sessions on the wheel.
func (w *wheel) length() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.buckets {
		for ; s != nil; s = s.slot.next {
			n++
		}
	}
	return n
}
