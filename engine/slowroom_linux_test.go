package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"

	"gatehouse/internal/wiretest"
)

// The limit holds for the memory of the process. Of the clients of a room,
// thousands never read, and a few read and miss nothing.
func TestMemoryUnderThousandsOfSlowReadersStaysWithinTheBudget(t *testing.T) {
	const quick, messages, perPass = 10, 250, 50
	slow, total := wiretest.Crowd(5000), wiretest.Crowd(8<<20)
	onPaths(t, Config{Limits: Limits{OutboxTotal: total, OutboxAge: time.Hour, PingInterval: time.Hour, CloseTimeout: time.Second}}, func(t *testing.T, cfg Config) {
		// A session may hold this much beside the budget: what the allocator
		// rounds up, the end of a cut session, and without a loop a goroutine that
		// waits for room.
		beside := 2 << 10
		if cfg.Portable {
			beside = 8 << 10
		}
		r := newRig(t, cfg, onListener(smallBuffers(t)))
		conns := r.dialMany(t, slow+quick, net.Dialer{Control: bufferSize(unix.SO_RCVBUF)})
		var all []*side
		for range conns {
			all = append(all, r.opened.next(t))
		}
		var readers sync.WaitGroup
		readSoFar := make(chan error, quick*messages/perPass)
		for _, c := range conns[slow:] {
			readers.Go(func() { readRoom(c, messages, perPass, readSoFar) })
		}
		base, most := inUse(), int64(0)
		text := strings.Repeat("x", 900)
		for n := range messages {
			f := NewFrame([]byte(fmt.Sprintf("%06d%s", n, text)), nil)
			for _, s := range all {
				_ = s.Send(f)
			}
			if (n+1)%perPass == 0 {
				for range quick { // the room is as fast as the clients that read
					check(t, await(t, readSoFar))
				}
				most = max(most, inUse()-base)
			}
		}
		readers.Wait()
		st := r.srv.Stats()
		t.Logf("%.1f MiB more than before at most, the limit is %.1f MiB; cut: %+v", float64(most)/(1<<20), float64(total)/(1<<20), st.Cuts)
		if limit := int64(total + (slow+quick)*beside); most > limit {
			t.Errorf("%d bytes more than before, at most %d were expected", most, limit)
		}
		if st.Cuts.Total == 0 || st.Cuts.Full+st.Cuts.Age > 0 {
			t.Errorf("cut: %+v", st.Cuts)
		}
		for _, c := range conns {
			_ = c.Close()
		}
		for deadline := time.Now().Add(patience); r.held() > 0 || r.srv.Sessions() > 0; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes count in the end", r.held())
			}
		}
	})
}

// smallBuffers listens with kernel buffers that are soon full: 5,000 of the usual
// ones would take gigabytes of the kernel's memory.
func smallBuffers(t *testing.T) net.Listener {
	lc := net.ListenConfig{Control: bufferSize(unix.SO_SNDBUF)}
	return must[net.Listener](t)(lc.Listen(context.Background(), "tcp", "127.0.0.1:0"))
}

func bufferSize(option int) func(_, _ string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 4<<10) }); e != nil {
			return e
		}
		return err
	}
}

// readRoom expects the numbered messages of a room and reports after each pass.
func readRoom(c net.Conn, messages, perPass int, done chan<- error) {
	in := bufio.NewReader(c)
	for n := range messages {
		err := readNumbered(in, n)
		if (n+1)%perPass == 0 || err != nil {
			done <- err
		}
		if err != nil {
			return
		}
	}
}

func readNumbered(in *bufio.Reader, n int) error {
	h, err := ws.ReadHeader(in)
	if err != nil {
		return err
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(in, b); err != nil {
		return err
	}
	if want := fmt.Sprintf("4%06d", n); len(b) < len(want) || string(b[:len(want)]) != want {
		return fmt.Errorf("got %.20q instead of message %d", b, n)
	}
	return nil
}
