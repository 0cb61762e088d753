package engine

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func ringOrSkip(t *testing.T, size int) *sendRing {
	t.Helper()
	ring, err := newSendRing(size)
	if err != nil {
		t.Skip(err)
	}
	return ring
}

func TestARingSendsToSeveralSockets(t *testing.T) {
	ring := ringOrSkip(t, 4)
	defer ring.close()
	for round := range 10 { // more than the ring has slots
		var ends [3]int
		for i := range ends {
			pair := socketPair(t)
			ring.add(pair[0], []byte(strings.Repeat("x", round+i)+"."))
			ends[i] = pair[1]
		}
		closed := socketPair(t)
		_ = unix.Close(closed[1])
		ring.add(closed[0], []byte("nobody reads this"))
		results, err := ring.submit()
		check(t, err)
		if len(results) != 4 || !errors.Is(unix.Errno(-results[3]), unix.EPIPE) {
			t.Fatalf("results %d", results)
		}
		for i, fd := range ends {
			b := make([]byte, 100)
			n := must[int](t)(unix.Read(fd, b))
			if n != round+i+1 || int(results[i]) != n {
				t.Errorf("%d bytes came, %d were sent, %d expected", n, results[i], round+i+1)
			}
		}
	}
}

func TestARingSendsWhatASocketHasRoomFor(t *testing.T) {
	ring := ringOrSkip(t, 4)
	defer ring.close()
	pair := socketPair(t)
	big := bytes.Repeat([]byte("x"), 16<<20)
	for _, want := range []func(n int32) bool{
		func(n int32) bool { return n > 0 && int(n) < len(big) },
		func(n int32) bool { return n == -int32(unix.EAGAIN) },
	} {
		ring.add(pair[0], big)
		results, err := ring.submit()
		check(t, err)
		if !want(results[0]) {
			t.Errorf("result %d", results[0])
		}
	}
}

func socketPair(t *testing.T) [2]int {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	check(t, err)
	t.Cleanup(func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) })
	return pair
}

// taken makes the kernel take the server's rings away.
func taken(t testing.TB, r *rig) {
	for _, f := range r.srv.flushers {
		if f.joint == nil {
			t.Skip("there is no io_uring")
		}
		check(t, unix.Close(f.joint.ring.fd))
		f.joint.ring.fd = -1
	}
}

// Every member of a room gets all messages in order, with and without io_uring,
// whether it reads at once or late. A member that leaves holds nobody up.
func TestARoomIsWrittenInOrder(t *testing.T) {
	const members, messages = 40, 200
	for name, rig := range map[string]func(*testing.T) *rig{
		"together":    func(t *testing.T) *rig { ringOrSkip(t, 4).close(); return newRig(t, Config{}) },
		"one by one":  func(t *testing.T) *rig { return newRig(t, Config{NoIOUring: true}) },
		"a lost ring": func(t *testing.T) *rig { return newRig(t, Config{}, taken) },
		"TLS":         func(t *testing.T) *rig { return newRig(t, Config{}, overTLS) },
		"TLS, lost":   func(t *testing.T) *rig { return newRig(t, Config{}, overTLS, taken) },
		"TLS, write":  func(t *testing.T) *rig { return newRig(t, Config{NoIOUring: true}, overTLS) },
	} {
		t.Run(name, func(t *testing.T) {
			r := rig(t)
			var clients []wsClient
			var sides []*side
			for range members {
				clients = append(clients, r.dial(t, "websocket").(wsClient))
				sides = append(sides, r.opened.next(t))
			}
			go func() {
				for i := range messages {
					f := NewFrame(roomText(i), nil)
					for _, s := range sides {
						_ = s.Send(f)
					}
				}
			}()
			read := func(i int) {
				for n := range messages {
					p, err := clients[i].next()
					if err != nil || p.data != string(roomText(n)) {
						t.Errorf("member %d got %.20q (%v) for message %d", i, p, err, n)
						return
					}
				}
			}
			var atOnce, late sync.WaitGroup
			for i := range clients {
				switch i % 8 {
				case 0:
					_ = clients[i].Conn.Close() // in the middle
				case 1, 2: // below
				default:
					atOnce.Go(func() { read(i) })
				}
			}
			atOnce.Wait()
			for i := range clients {
				if i%8 == 1 || i%8 == 2 {
					late.Go(func() { read(i) })
				}
			}
			late.Wait()
		})
	}
}

// roomText is a message of some bytes, or of many.
func roomText(i int) []byte {
	size := 20
	if i%10 == 9 {
		size = 30 << 10
	}
	return fmt.Appendf(nil, "%d %s", i, strings.Repeat("x", size))
}

// A session to which a frame for all and a frame for itself alone were sent is in
// two lists, and may be twice in one.
func TestASessionThatIsListedTwiceIsWrittenOnce(t *testing.T) {
	srv := must[*Server](t)(New(Config{}, func(*Session) Handler { return noHandler{} }))
	defer srv.Close()
	joint := srv.newJointWrites()
	if joint == nil {
		t.Skip("there is no io_uring")
	}
	f := newFlusher(joint)
	defer f.endJoint()
	member := func() (*Session, int) {
		pair := socketPair(t)
		s := &Session{srv: srv, flusher: f}
		s.link = &websocket{s: s, stream: srv.epoll.adopt(pair[0], (*websocket)(nil))}
		return s, pair[1]
	}
	twice, end := member()
	other, _ := member()
	frame := NewFrame([]byte("once"), nil)
	check(t, twice.Send(frame))
	check(t, other.Send(frame))
	f.flushAll([]*websocket{twice.socket(), other.socket(), twice.socket()})
	b := make([]byte, 100)
	if n := must[int](t)(unix.Read(end, b)); n != len(frame.websocket()) {
		t.Errorf("%d bytes came of %d", n, len(frame.websocket()))
	}
}
