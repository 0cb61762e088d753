package server

import (
	"container/list"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// idleConns lists the TCP connections that belong to no session: new ones whose first request is not
// complete, with its body, kept-alive ones, and those with a request that is not the engine's. Each holds a
// file, so their number is limited. Above the limit, the connection that has been silent for longest is
// closed, as long as silent ones have more than half of the places; then connections that wait for their
// answers, and last users' connections between two requests. Connections that never speak thus push out each
// other, while a client that speaks at once leaves the list before its turn comes.
type idleConns struct {
	realtime func(path string) bool // tells the engine's paths
	log      *slog.Logger           // sampled

	mu    sync.Mutex // guards what follows; a leaf
	max   int
	conns map[net.Conn]*list.Element
	users map[net.Conn]bool // connections that have carried a request of an admitted user
	lines [3]list.List      // of guest, those that have been there longest first; the first line is closed first
	cut   uint64            // closed to make room
}

// guest is a connection in one of the lines.
type guest struct {
	conn net.Conn
	line line
}

// line says what a connection does.
type line uint8

const (
	saysNothing line = iota
	awaitsAnswer
	saysNothingNow // a user's
)

func newIdleConns(limit int, log *slog.Logger) *idleConns {
	return &idleConns{max: limit, log: log, realtime: realtimeAt(defaultPath), conns: make(map[net.Conn]*list.Element), users: make(map[net.Conn]bool)}
}

// state is an http.Server's ConnState.
func (q *idleConns) state(c net.Conn, now http.ConnState) {
	switch now {
	case http.StateNew, http.StateIdle:
		q.put(c, saysNothing)
	case http.StateHijacked, http.StateClosed:
		q.end(c)
		q.mu.Lock()
		delete(q.users, c)
		q.mu.Unlock()
	}
}

// put lists a connection as the newest in its line, and closes another connection when there are too many.
func (q *idleConns) put(c net.Conn, in line) {
	q.mu.Lock()
	if in == saysNothing && q.users[c] {
		in = saysNothingNow
	}
	if e, ok := q.conns[c]; ok {
		q.lines[e.Value.(guest).line].Remove(e)
	}
	q.conns[c] = q.lines[in].PushBack(guest{c, in})
	var oldest net.Conn
	limit := q.max
	if len(q.conns) > limit {
		oldest = q.nextLocked()
	}
	q.mu.Unlock()
	if oldest != nil {
		q.log.Warn("too many silent connections, closing the oldest", slog.Int("limit", limit))
		_ = netConn(oldest).Close()
	}
}

// set changes the limit. When it has become lower, each new connection replaces an old one.
func (q *idleConns) set(limit int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.max = limit
}

// nextLocked takes off the connection that has to make room for a new one. Half of the places are for silent
// ones: otherwise a new connection would be closed itself when all others wait for an answer or are users'.
func (q *idleConns) nextLocked() net.Conn {
	if q.lines[saysNothing].Len() > q.max/2 {
		return q.oldestLocked(saysNothing, awaitsAnswer, saysNothingNow)
	}
	return q.oldestLocked(awaitsAnswer, saysNothingNow, saysNothing)
}

// oldestLocked takes off the oldest connection of the first line that has any; nil when none has.
func (q *idleConns) oldestLocked(lines ...line) net.Conn {
	for _, i := range lines {
		if e := q.lines[i].Front(); e != nil {
			c := q.lines[i].Remove(e).(guest).conn
			delete(q.conns, c)
			q.cut++
			return c
		}
	}
	return nil
}

// closeOldest closes the connection that has said nothing for longest, and reports
// whether there was one.
func (q *idleConns) closeOldest() bool {
	q.mu.Lock()
	c := q.oldestLocked(saysNothing, awaitsAnswer, saysNothingNow)
	q.mu.Unlock()
	if c == nil {
		return false
	}
	_ = netConn(c).Close()
	return true
}

// netConn returns the connection under TLS. The Close of TLS may wait for
// seconds to send its alert, and the caller is the loop that accepts.
func netConn(c net.Conn) net.Conn {
	if c, ok := c.(interface{ NetConn() net.Conn }); ok {
		return c.NetConn()
	}
	return c
}

func (q *idleConns) end(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e, ok := q.conns[c]; ok {
		q.lines[e.Value.(guest).line].Remove(e)
		delete(q.conns, c)
	}
}

// count returns how many connections are silent now, and how many have been closed.
func (q *idleConns) count() (silent int, cut uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lines[saysNothing].Len() + q.lines[saysNothingNow].Len(), q.cut
}

type connKey struct{}

// context is an http.Server's ConnContext.
func (q *idleConns) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// ofUser notes that a request is an admitted user's.
func (q *idleConns) ofUser(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		q.knows(c)
	}
}

// knows notes that a connection carries requests of a client that is in a namespace.
func (q *idleConns) knows(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.users[c] = true
}

// busy takes connections off the list when a request of the engine's is there
// with its body: sessions have limits of their own.
func (q *idleConns) busy(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(net.Conn)
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		complete := func() { q.put(c, awaitsAnswer) }
		if q.realtime(r.URL.Path) {
			complete = func() { q.end(c) }
		}
		if r.ContentLength == 0 {
			complete()
		} else {
			q.put(c, saysNothing)
			own := *r // net/http looks at the body of its request at the end: an unread rest must not become a reset
			own.Body = &awaited{r.Body, func() { q.put(c, saysNothing) }, complete}
			r = &own
		}
		h.ServeHTTP(w, r)
	})
}

// awaited is the body of a request that reports its end.
type awaited struct {
	io.ReadCloser
	more, complete func()
}

// Read implements io.Reader.
func (b *awaited) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.complete()
	case n > 0:
		b.more()
	}
	return n, err
}

// roomy is a listener that makes room when the process may open no more files: the
// http.Server asks it again a moment later.
type roomy struct {
	net.Listener
	makeRoom func()
}

// Accept implements net.Listener.
func (l roomy) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		l.makeRoom()
	}
	return c, err
}

// roomAtOnce is how many connections are closed when no file is left for a new one.
const roomAtOnce = 8

// strangersTime is how long a connection may be in no namespace before it is closed to make room for others.
// An honest client has signed in by then.
const strangersTime = time.Second

// makeRoom closes connections that have the least use for a file: closing ones,
// silent ones, strangers.
func (s *Server) makeRoom() {
	s.refusals.Warn("no file is left, closing connections that say nothing or have not signed in", slog.Int("openFiles", openFiles()))
	for range roomAtOnce {
		if !s.engine.EndClosing() && !s.idle.closeOldest() && !s.hub.ClosePending(strangersTime) {
			return
		}
	}
}
