package server

import (
	"container/list"
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// silence lists the TCP connections that have no request under way: new ones
// whose first request is not complete, and kept-alive ones. Each holds a file,
// so there is a limit; over it the one that has been silent for longest is
// closed. Connections that never speak thus push out each other, while a client
// that speaks at once is gone from the list before its turn comes.
type silence struct {
	most int
	log  *slog.Logger // sampled

	mu    sync.Mutex // guards what follows; a leaf
	conns map[net.Conn]*list.Element
	order list.List // of net.Conn, the longest silent first
	cut   uint64    // closed for the limit
}

func newSilence(most int, log *slog.Logger) *silence {
	return &silence{most: most, log: log, conns: make(map[net.Conn]*list.Element)}
}

// state is an http.Server's ConnState.
func (q *silence) state(c net.Conn, now http.ConnState) {
	switch now {
	case http.StateNew, http.StateIdle:
		if oldest := q.begin(c); oldest != nil {
			q.log.Warn("too many silent connections, closing the oldest", slog.Int("limit", q.most))
			_ = beneath(oldest).Close()
		}
	case http.StateHijacked, http.StateClosed:
		q.end(c)
	}
}

// beneath returns what is under TLS, whose own Close may wait for seconds until
// there is room for its alert: a state is told from the loop that accepts.
func beneath(c net.Conn) net.Conn {
	if c, ok := c.(interface{ NetConn() net.Conn }); ok {
		return c.NetConn()
	}
	return c
}

// begin lists a connection and takes the oldest off when there are too many.
func (q *silence) begin(c net.Conn) (oldest net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ok := q.conns[c]; !ok {
		q.conns[c] = q.order.PushBack(c)
	}
	if len(q.conns) <= q.most {
		return nil
	}
	q.cut++
	oldest = q.order.Remove(q.order.Front()).(net.Conn)
	delete(q.conns, oldest)
	return oldest
}

func (q *silence) end(c net.Conn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e, ok := q.conns[c]; ok {
		q.order.Remove(e)
		delete(q.conns, c)
	}
}

// count gives how many are silent now, and how many have been closed for it.
func (q *silence) count() (silent int, cut uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.conns), q.cut
}

type connKey struct{}

// context is an http.Server's ConnContext.
func (q *silence) context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// broken takes connections off the list when a request is there: its head is
// complete, and its handler has limits of its own.
func (q *silence) broken(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			q.end(c)
		}
		h.ServeHTTP(w, r)
	})
}
