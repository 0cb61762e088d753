package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wireline is the network of one member: a proxy before the server that treats
// connections as real networks do.
type wireline struct {
	target string
	ln     net.Listener
	all    sync.WaitGroup

	mu   sync.Mutex // guards legs
	legs map[*leg]bool
	over bool
}

// fault is something that happens to the connections of a line.
type fault int

const (
	well     fault = iota
	cut            // both ends see an orderly end
	reset          // both ends see RST
	halfOpen       // nothing comes through any more, and nobody is told
	delay          // every piece takes a while longer
	slow           // the server's bytes trickle
	torn           // an end in the middle of a frame
	faults
)

func (f fault) String() string {
	return [...]string{"well", "cut", "reset", "half-open", "delay", "slow", "torn"}[f]
}

func newWireline(target string) (*wireline, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wireline{target: target, ln: ln, legs: make(map[*leg]bool)}
	w.all.Go(w.accept)
	return w, nil
}

func (w *wireline) addr() string { return w.ln.Addr().String() }

func (w *wireline) accept() {
	for {
		c, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.all.Go(func() { w.carry(c) })
	}
}

// socketBuffer is small, so that the kernel does not buffer in the server's
// place.
const socketBuffer = 16 << 10

func (w *wireline) carry(client net.Conn) {
	upstream, err := net.DialTimeout("tcp", w.target, 2*time.Second)
	if err != nil {
		abort(client) // a server that is not there refuses
		return
	}
	for _, c := range []net.Conn{client, upstream} {
		_ = c.(*net.TCPConn).SetReadBuffer(socketBuffer)
		_ = c.(*net.TCPConn).SetWriteBuffer(socketBuffer)
	}
	l := &leg{client: client, server: upstream, gone: make(chan struct{})}
	if !w.add(l) {
		l.end(true)
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { l.pump(upstream, client, true) })
	pumps.Go(func() { l.pump(client, upstream, false) })
	pumps.Wait()
	l.end(false)
	w.mu.Lock()
	delete(w.legs, l)
	w.mu.Unlock()
}

func (w *wireline) add(l *leg) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		w.legs[l] = true
	}
	return !w.over
}

// strike lets f happen to the present connections, for as long as it lasts, and
// reports whether there are any. Later connections are not affected.
func (w *wireline) strike(f fault, lasts time.Duration, after int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.legs {
		l.strike(f, lasts, after)
	}
	return len(w.legs) > 0
}

func (l *leg) strike(f fault, lasts time.Duration, after int64) {
	switch {
	case f == cut, f == reset:
		l.end(f == reset)
		return
	case l.silent(): // bytes are missing already
		return
	case f == torn:
		l.left.Store(after)
	}
	l.until.Store(time.Now().Add(lasts).UnixNano())
	l.fault.Store(int64(f))
}

// heal ends the delays; half-open connections stay half-open.
func (w *wireline) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.legs {
		l.until.Store(0)
	}
}

// close ends all connections and waits for them.
func (w *wireline) close() {
	_ = w.ln.Close()
	w.mu.Lock()
	w.over = true
	for l := range w.legs {
		l.end(true)
	}
	w.mu.Unlock()
	w.all.Wait()
}

// leg is one connection through a line.
type leg struct {
	client, server net.Conn
	fault          atomic.Int64
	until          atomic.Int64 // when delay and slow are over
	left           atomic.Int64 // bytes before torn tears
	once           sync.Once
	gone           chan struct{}
}

// pump carries one direction until either end is over. A half-open leg tells
// neither end about the other.
func (l *leg) pump(to, from net.Conn, toServer bool) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if n > 0 && !l.pass(to, buf[:n], toServer) {
			l.end(true)
			return
		}
		if err == nil {
			continue
		}
		switch {
		case l.silent():
		case errors.Is(err, io.EOF):
			_ = to.(*net.TCPConn).CloseWrite()
		default:
			l.end(true)
		}
		return
	}
}

func (l *leg) silent() bool { return fault(l.fault.Load()) == halfOpen }

// pass writes b as the line's state requires.
func (l *leg) pass(to net.Conn, b []byte, toServer bool) bool {
	lasting := time.Now().UnixNano() < l.until.Load()
	switch f := fault(l.fault.Load()); {
	case f == halfOpen:
		return true
	case f == torn:
		if left := l.left.Add(int64(-len(b))); left <= 0 {
			_, _ = to.Write(b[:max(0, int64(len(b))+left)])
			l.end(false)
			return false
		}
	case f == delay && lasting:
		l.wait(150 * time.Millisecond)
	case f == slow && lasting && !toServer:
		return l.trickle(to, b)
	}
	_, err := to.Write(b)
	return err == nil || l.silent()
}

// trickle writes about two kilobytes a second.
func (l *leg) trickle(to net.Conn, b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), 200)
		if _, err := to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
		if time.Now().UnixNano() < l.until.Load() {
			l.wait(100 * time.Millisecond)
		}
	}
	return true
}

func (l *leg) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.gone:
	}
}

// end closes both ends.
func (l *leg) end(rst bool) {
	l.once.Do(func() {
		close(l.gone)
		for _, c := range []net.Conn{l.client, l.server} {
			if rst {
				abort(c)
			} else {
				_ = c.Close()
			}
		}
	})
}

// abort closes with a reset, below TLS where there is TLS.
func abort(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}
