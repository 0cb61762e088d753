package engine

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
)

// One client that floods gets one borrowed buffer per turn: a message of another
// one on the same loop is handled behind at most two of them.
func TestAFloodDoesNotStarveAnotherClientOfTheSameLoop(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		const size = 100
		entered, release := make(chan struct{}), make(chan struct{})
		var log []string // the messages, in their order; owned by the loop, or guarded by mu
		var mu sync.Mutex
		first := sync.OnceFunc(func() { close(entered); <-release })
		read, quietCame := make(chan struct{}), make(chan struct{})
		r := newRig(t, cfg, oneLoop, onOpen(func(s *side) {
			s.hook = func(_ *side, m message) {
				if m.data == "begin" {
					close(read)
					return
				}
				mu.Lock()
				log = append(log, m.data[:1])
				mu.Unlock()
				if m.data[0] == 'f' {
					first()
				} else {
					close(quietCame)
				}
			}
		}))
		flooding, quiet := r.dial(t, "websocket").(wsClient), r.dial(t, "websocket")
		check(t, quiet.send("begin")) // by the loop
		await(t, read)
		burst := []byte(strings.Repeat(string(clientFrame(ws.OpText, []byte("4"+strings.Repeat("f", size)))), 1000))
		flood := goes(func() error {
			for flooding.Write(burst) == nil {
			}
			return nil
		})
		await(t, entered)
		check(t, quiet.send("q"))
		close(release)
		await(t, quietCame)
		_ = flooding.Conn.Close()
		await(t, flood)
		if cfg.Portable {
			return // each has a goroutine of its own, so the Go scheduler decides
		}
		mu.Lock()
		defer mu.Unlock()
		before := 0
		for before < len(log) && log[before] == "f" {
			before++
		}
		if most := 2 * readBytes / size; before > most {
			t.Errorf("%d messages of the flood came first, at most %d were expected", before, most)
		}
	})
}

// oneLoop has all connections read by one loop, where there are loops.
func oneLoop(t testing.TB, r *rig) {
	t.Helper()
	if r.srv.epoll == nil {
		return
	}
	r.srv.epoll.close()
	p, err := newEpoll(1)
	check(t, err)
	r.srv.epoll = p
}

// A flood is not read, which slows it down; it costs no more memory than the
// bytes kept of one read.
func TestAPausedFloodIsNotReadAndOthersAre(t *testing.T) {
	onPaths(t, Config{}, func(t *testing.T, cfg Config) {
		r := newRig(t, cfg, oneLoop, onOpen(func(s *side) {
			s.hook = func(s *side, m message) {
				if m.data[0] == 'f' {
					s.Pause()
				}
			}
		}))
		flooding, quiet := r.dial(t, "websocket").(wsClient), r.dial(t, "websocket")
		floodSide, quietSide := r.opened.next(t), r.opened.next(t)
		burst := []byte(strings.Repeat(string(clientFrame(ws.OpText, []byte("4f"))), 1000))
		flood := goes(func() error {
			for flooding.Write(burst) == nil {
			}
			return nil
		})
		for n := range 100 {
			check(t, quiet.send(number(n)))
			if m := quietSide.got.next(t); m.data != number(n) {
				t.Fatalf("got %q", m)
			}
		}
		floodSide.got.next(t)
		if n := floodSide.got.length(); n > 0 {
			t.Errorf("%d messages while paused", n)
		}
		_ = flooding.Conn.Close()
		await(t, flood)
	})
}

// journal notes which streams were written to, in order.
type journal struct {
	mu     sync.Mutex
	writes []string
	taken  map[string]int // bytes
}

type journaled struct {
	countingStream
	*journal
	name string
}

func (s journaled) tryWrite(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, s.name)
	s.taken[s.name] += len(b)
	return len(b), nil
}

// A room with long backlogs does not keep a small one waiting: a connection
// with little to write has its turn before the second turn of almost all
// others.
func TestAHugeRoomDoesNotStallASmallOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members, rounds = 1000, 20
		srv := bare()
		f := newFlusher(nil)
		j := &journal{taken: map[string]int{}}
		member := func(name string) *Session {
			s := &Session{srv: srv, flusher: f}
			s.link = &websocket{s: s, stream: journaled{journal: j, name: name}}
			return s
		}
		backlog := NewFrame(make([]byte, flushBytes), nil)
		for n := range members {
			s := member(fmt.Sprint("huge ", n))
			for range rounds {
				check(t, s.Send(backlog))
			}
		}
		check(t, member("small").Send(NewFrame([]byte("x"), nil)))
		done := make(chan struct{})
		go func() { f.run(); close(done) }()
		synctest.Wait()
		close(f.stop)
		<-done

		turns := map[string]int{}
		for _, name := range j.writes {
			if turns[name]++; turns[name] > 1 {
				t.Fatalf("%s had a second turn first", name)
			}
			if name == "small" {
				break
			}
		}
		for name, n := range j.taken {
			if name != "small" && n < rounds*flushBytes {
				t.Fatalf("%s got %d bytes only", name, n)
			}
		}
	})
}

// A frame that is sent while the bulk is written waits for a few turns of it
// only.
func TestSmallWritesComeBetweenTheBulk(t *testing.T) {
	srv := bare()
	f := newFlusher(nil)
	j := &journal{taken: map[string]int{}}
	for n := range 1000 {
		s := &Session{srv: srv, flusher: f}
		c := &websocket{s: s, stream: journaled{journal: j, name: fmt.Sprint(n)}, listed: listedShared}
		s.link = c
		check(t, s.Send(NewFrame(make([]byte, flushBytes), nil)))
		f.bulk.push(0, c)
	}
	f.flushBulk()
	if n := len(j.writes); n != bulkTurns {
		t.Errorf("%d turns of the bulk at a time", n)
	}
}

// An acknowledgement does not stand behind a broadcast to thousands.
func TestAnAnswerDoesNotWaitForABroadcast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := bare()
		f := newFlusher(nil)
		j := &journal{taken: map[string]int{}}
		member := func(name string) *Session {
			s := &Session{srv: srv, flusher: f}
			s.link = &websocket{s: s, stream: journaled{journal: j, name: name}}
			return s
		}
		asks := member("asks")
		broadcast := NewFrame([]byte("to all"), nil)
		for n := range 2500 {
			check(t, member(fmt.Sprint("member ", n)).Send(broadcast))
		}
		check(t, asks.Send(broadcast))
		check(t, asks.Send(NewFrame([]byte("an answer"), nil)))
		done := make(chan struct{})
		go func() { f.run(); close(done) }()
		synctest.Wait()
		close(f.stop)
		<-done
		if at := slices.Index(j.writes, "asks"); at < 0 || at > sharedTurns {
			t.Errorf("written after %d others", at)
		}
		if n := len(j.writes); n < 2501 {
			t.Errorf("%d writes", n)
		}
	})
}
