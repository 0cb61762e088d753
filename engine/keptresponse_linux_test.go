package engine

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// narrowed is narrow for kept connections: accepted sockets inherit the buffer.
func narrowed(t testing.TB, r *rig) {
	raw := must[syscall.RawConn](t)(r.web.Listener.(*net.TCPListener).SyscallConn())
	check(t, raw.Control(func(fd uintptr) {
		check(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<10))
	}))
}

// An answer that a client does not read ends with its connection, as with an http.Server.
func TestKeptAnswersThatNobodyReadsHoldNothing(t *testing.T) { unreadAnswersEnd(t, narrowed) }

// A client that reads late gets all of its answer. While that waits it holds no second
// file, of which there may be none.
func TestAnAnswerThatWaitsHoldsNoFileOfItsOwn(t *testing.T) {
	r := newRig(t, Config{}, narrowed)
	conn := r.oneConn(t)
	sid := conn.open()
	s := r.opened.next(t)
	text := strings.Repeat("x", 4<<20)
	check(t, s.Send(NewFrame([]byte(text), nil)))
	before := filesOpen(t)
	conn.write(pollGET(sid))
	awaitWaiting(t, r)
	if n := filesOpen(t); n > before {
		t.Errorf("%d files, %d before", n, before)
	}
	if _, body := conn.answer(); body != "4"+text {
		t.Errorf("%d bytes, want %d", len(body), len(text)+1)
	}
}

func filesOpen(t *testing.T) int {
	t.Helper()
	return len(must[[]os.DirEntry](t)(os.ReadDir("/proc/self/fd")))
}

// awaitWaiting returns when an answer waits for its client.
func awaitWaiting(t *testing.T, r *rig) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-look.C {
		for _, l := range r.interceptor().loops.loops {
			l.mu.Lock()
			for _, c := range l.streams {
				if k, ok := c.(*kept); ok && k.response.waits() {
					l.mu.Unlock()
					return
				}
			}
			l.mu.Unlock()
		}
	}
	t.Fatal("no answer waits")
}

func (w *keptResponse) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed != nil
}
