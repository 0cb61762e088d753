package engine

import (
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"gatehouse/engine/internal/rfc6455"
	"gatehouse/internal/budget"
)

// neighbours has two clients on one loop.
func neighbours(t *testing.T, cfg Config) (r *rig, busy, quiet wsClient, busySide, quietSide *side) {
	t.Helper()
	r = newRig(t, cfg, oneLoop)
	busy = r.dial(t, "websocket").(wsClient)
	busySide = r.opened.next(t)
	quiet = r.dial(t, "websocket").(wsClient)
	quietSide = r.opened.next(t)
	return r, busy, quiet, busySide, quietSide
}

// expectEcho checks that the loop serves the client.
func expectEcho(t *testing.T, c wsClient, s *side) {
	t.Helper()
	check(t, c.send("hello"))
	if m := s.got.next(t); m.data != "hello" {
		t.Errorf("got %q", m)
	}
}

// Another goroutine that hands something up for a session, such as its end, does not hold up
// the loop that reads the session's connection.
func TestAnEndThatBlocksDoesNotDelayOthers(t *testing.T) {
	_, busy, quiet, busySide, quietSide := neighbours(t, Config{})
	busySide.in.Lock() // as a handler that is being told of the end
	check(t, busy.send("one"))
	for range 10 {
		expectEcho(t, quiet, quietSide)
	}
	busySide.in.Unlock()
	if m := busySide.got.next(t); m.data != "one" {
		t.Errorf("got %q", m)
	}
	expectEcho(t, busy, busySide) // it is read again
}

func TestADecompressionThatBlocksDoesNotDelayOthers(t *testing.T) {
	cfg := Config{Deflate: Deflate{Enabled: true, Threshold: 1}}
	r := newRig(t, cfg, oneLoop)
	busy := r.dialZipped(t, "").wsClient
	busySide := r.opened.next(t)
	quiet := r.dial(t, "websocket").(wsClient)
	quietSide := r.opened.next(t)
	for range cap(r.srv.inflaters.Slots) { // all of them are taken
		r.srv.inflaters.Begin()
	}
	text := strings.Repeat("x", 1000)
	check(t, busy.Write(append(compressedFrame(ws.OpText, true, deflated(t, nil, []byte("4"+text))), clientFrame(ws.OpText, []byte("4after"))...)))
	for range 10 {
		expectEcho(t, quiet, quietSide)
	}
	if n := busySide.got.length(); n > 0 {
		t.Errorf("%d messages came on the loop", n)
	}
	for range cap(r.srv.inflaters.Slots) {
		r.srv.inflaters.End()
	}
	for _, want := range []string{text, "after"} {
		if m := busySide.got.next(t); m.data != want {
			t.Errorf("got %q", m)
		}
	}
	expectEcho(t, busy, busySide)
}

// A megabyte of numbers takes many milliseconds to check.
func TestALongMessageThatTakesItsTimeDoesNotDelayOthers(t *testing.T) {
	r, busy, quiet, busySide, quietSide := neighbours(t, Config{})
	leave := make([]func(), longPlaces()) // all of them are taken
	for i := range leave {
		leave[i] = r.srv.enterLong(budget.Stranger(netip.MustParseAddr("192.0.2.1")), true)
	}
	text := strings.Repeat("x", rfc6455.LongMessage+1)
	frames := append(fragment(ws.OpText, false, "4"+text[:10]), fragment(ws.OpContinuation, true, text[10:])...)
	check(t, busy.Write(append(frames, clientFrame(ws.OpText, []byte("4after"))...)))
	for range 10 {
		expectEcho(t, quiet, quietSide)
	}
	if n := busySide.got.length(); n > 0 {
		t.Errorf("%d messages came on the loop", n)
	}
	for _, f := range leave {
		f()
	}
	for _, want := range []string{text, "after"} {
		if m := busySide.got.next(t); m.data != want {
			t.Errorf("got %d bytes", len(m.data))
		}
	}
	expectEcho(t, busy, busySide)
}

// A connection that always has more to read waits for its turns behind all connections that
// have less.
func TestTurnsAreTakenByUser(t *testing.T) {
	var q turns[string]
	for range 3 {
		q.push(1, "a")
	}
	q.push(2, "b")
	q.push(3, "c")
	q.push(1, "a")
	var got strings.Builder
	for q.length > 0 {
		got.WriteString(q.pop())
	}
	if got.String() != "abcaaa" || len(q.queues) > 0 || len(q.order) > 0 {
		t.Errorf("turns: %s, left: %v", got.String(), q.queues)
	}
}

// A loop whose connections always have more to read lets the goroutines run that it has woken:
// otherwise only the scheduler would stop it, after ten milliseconds.
func TestABusyLoopLetsRunWhomItHasWoken(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var ends [2]int
	check(t, unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC))
	defer func() { _ = unix.Close(ends[1]) }()
	size, err := unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, 1<<20) // what anybody may have
	check(t, err)
	turns := size / turnBytes
	must[int](t)(unix.Write(ends[1], make([]byte, turns*turnBytes)))
	p, err := newEpoll(1)
	check(t, err)
	defer p.close()
	o := &wakingOwner{wake: make(chan struct{}), late: make(chan int, 1), read: make(chan struct{}), left: turns * turnBytes}
	o.stream = p.adopt(ends[0], o)
	go func() {
		<-o.wake
		o.late <- int(o.turns.Load())
	}()
	runtime.Gosched() // it waits
	o.stream.start()
	await(t, o.read)
	if late := await(t, o.late); late > turns/10 { // now and then the scheduler takes up the loop first
		t.Errorf("the loop had %d turns first", late)
	}
	o.stream.close()
}

// wakingOwner counts turns, and wakes somebody in the first.
type wakingOwner struct {
	stream     stream
	wake, read chan struct{}
	late       chan int
	turns      atomic.Int32
	left       int
}

func (*wakingOwner) enter()                {}
func (*wakingOwner) tryEnter() bool        { return true }
func (*wakingOwner) leave()                {}
func (*wakingOwner) account() budget.Owner { return 1 }
func (*wakingOwner) writable()             {}
func (*wakingOwner) streamFailed(error)    {}

func (o *wakingOwner) readable(b []byte) {
	if o.turns.Add(1) == 1 {
		close(o.wake)
	}
	if o.left -= len(b); o.left == 0 {
		close(o.read)
	}
}
