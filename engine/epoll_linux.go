package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// epollLoops spreads connections over loops, each an epoll instance with one
// goroutine. The Go runtime polls the instances, which are pollable themselves: a
// thread of ours that waits in the kernel would hold a processor of the scheduler
// until that notices, some ten thousand times a second.
type epollLoops struct {
	loops []*epollLoop
	next  atomic.Uint32
	done  sync.WaitGroup
}

// epollLoop waits for its connections and reads those that have something.
type epollLoop struct {
	fd   int
	file *os.File // the file of fd; a read deadline in the past ends the loop
	raw  syscall.RawConn

	busy turns[*epollStream] // owned by run: streams that have more to read than one turn's share

	mu      sync.Mutex // guards what follows
	streams map[int32]pollable
	closed  bool
}

// pollable is a connection that a loop watches.
type pollable interface {
	// ready handles what the kernel reported. Only the loop calls it, and lends it a
	// buffer for the call.
	ready(events uint32, buffer []byte)
	// close is called when the loop ends.
	close()
}

// epollEvents is how many ready connections one wait returns.
const epollEvents = 256

func newEpoll(loops int) (epoll, error) {
	p := &epollLoops{}
	for range loops {
		l, err := newEpollLoop()
		if err != nil {
			p.close()
			return nil, err
		}
		p.loops = append(p.loops, l)
		p.done.Go(l.run)
	}
	return p, nil
}

func newEpollLoop() (*epollLoop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	_ = unix.SetNonblock(fd, true) // so that os.NewFile has the runtime poll it
	file := os.NewFile(uintptr(fd), "epoll")
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // fails where it is not polled
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("poll epoll: %w", err)
	}
	return &epollLoop{fd: fd, file: file, raw: raw, streams: make(map[int32]pollable)}, nil
}

// take duplicates the socket of conn, so that the Go runtime's own poller lets
// it go, and closes conn.
func (p *epollLoops) take(conn net.Conn, owner streamOwner) (stream, bool) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, false
	}
	fd := -1
	if err := raw.Control(func(old uintptr) {
		fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil || fd < 0 {
		return nil, false
	}
	_ = tcp.Close()
	return p.adopt(fd, owner), true
}

func (p *epollLoops) adopt(socket int, owner streamOwner) stream {
	return &epollStream{loop: p.turn(), fd: int32(socket), owner: owner, interest: interestRead}
}

// turn returns the loop whose turn it is to get a connection.
func (p *epollLoops) turn() *epollLoop { return p.loops[int(p.next.Add(1))%len(p.loops)] }

func (p *epollLoops) close() {
	for _, l := range p.loops {
		l.stop()
	}
	p.done.Wait()
}

// stop ends the loop; its streams are closed by their owners before.
func (l *epollLoop) stop() { _ = l.file.SetReadDeadline(time.Now()) }

func (l *epollLoop) run() {
	events := make([]unix.EpollEvent, epollEvents)
	buffer := make([]byte, readBytes)
	for {
		n, err := l.wait(events)
		if err != nil {
			break
		}
		for _, ev := range events[:n] {
			if s := l.stream(ev.Fd); s != nil {
				s.ready(ev.Events, buffer)
			}
		}
		if l.busy.length > 0 {
			l.busy.pop().turn(buffer)
			runtime.Gosched() // a busy loop never parks: the goroutines that it has woken would wait until the scheduler interrupts it, after 10 ms
		}
	}
	l.end()
}

// wait returns the number of events. Without an error that is at least one, unless a
// stream is busy.
func (l *epollLoop) wait(events []unix.EpollEvent) (n int, err error) {
	stopped := l.raw.Read(func(fd uintptr) bool {
		for {
			n, err = unix.EpollWait(int(fd), events, 0)
			if !errors.Is(err, unix.EINTR) {
				return n > 0 || err != nil || l.busy.length > 0
			}
		}
	})
	return n, errors.Join(err, stopped)
}

func (l *epollLoop) end() {
	l.mu.Lock()
	l.closed = true
	left := l.streams
	l.streams = map[int32]pollable{}
	l.mu.Unlock()
	for _, s := range left {
		s.close()
	}
	_ = l.file.Close()
}

func (l *epollLoop) stream(fd int32) pollable {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams[fd]
}

// watch begins to watch a socket.
func (l *epollLoop) watch(fd int32, c pollable, interest uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.streams[fd] = c
	err := unix.EpollCtl(l.fd, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: interest, Fd: fd})
	if err != nil {
		delete(l.streams, fd)
	}
	return err
}

// forget ends watch. Another loop may watch the socket from then on.
func (l *epollLoop) forget(fd int32, c pollable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams[fd] == c {
		delete(l.streams, fd)
		_ = unix.EpollCtl(l.fd, unix.EPOLL_CTL_DEL, int(fd), nil)
	}
}

// epollStream is a stream that an epollLoop reads. Its descriptor is closed
// under mu, and used under mu by everybody but the loop, which alone reads: a
// descriptor that was closed could already belong to another connection.
type epollStream struct {
	loop  *epollLoop
	owner streamOwner

	mu       sync.Mutex // guards what follows; writes under it do not block
	fd       int32
	interest uint32
	watched  bool
	closed   bool
	reading  bool // the loop is handing bytes up: it closes when it is back
	lent     bool // a flusher has the descriptor: it closes when it gives it back
	busy     bool // waits for its turn, and not for the kernel; changed by the loop
}

// interestRead are the events that a stream waits for while it is not paused.
const interestRead = unix.EPOLLIN | unix.EPOLLRDHUP

// start begins to watch; a stream that was paused before stays so.
func (s *epollStream) start() {
	if err := s.add(); err != nil {
		s.owner.streamFailed(fmt.Errorf("watch connection: %w", err))
	}
}

func (s *epollStream) add() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	err := s.loop.watch(s.fd, s, s.interest)
	s.watched = err == nil
	return err
}

// rewatchLocked tells the kernel what to watch for. It cannot fail: the stream is open
// and watched, and no new memory is needed.
func (s *epollStream) rewatchLocked() {
	ev := unix.EpollEvent{Events: s.interest, Fd: s.fd}
	if s.busy {
		ev.Events &^= interestRead
	}
	_ = unix.EpollCtl(s.loop.fd, unix.EPOLL_CTL_MOD, int(s.fd), &ev)
}

// watch adds and takes away interest.
func (s *epollStream) watch(add, remove uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.interest
	s.interest = old&^remove | add
	if s.watched && !s.closed && s.interest != old {
		s.rewatchLocked()
	}
}

func (s *epollStream) pause()         { s.watch(0, interestRead) }
func (s *epollStream) resume()        { s.watch(interestRead, 0) }
func (s *epollStream) awaitWritable() { s.watch(unix.EPOLLOUT, 0) }

// ready handles what the kernel reported. Only the loop calls it.
func (s *epollStream) ready(events uint32, buffer []byte) {
	if events&unix.EPOLLOUT != 0 {
		s.watch(0, unix.EPOLLOUT)
		s.owner.writable()
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.read(events, buffer)
	}
}

// turnBytes is what a connection that has more gets handed up in one turn.
const turnBytes = 8 << 10

// read hands up what is there. A connection that has more than a turn's share waits
// for its next turn behind those that have less.
func (s *epollStream) read(events uint32, buffer []byte) {
	if s.busy {
		return // the kernel reports the end of a connection all the time
	}
	if n := s.readOnce(events, buffer[:turnBytes]); n == turnBytes {
		s.setBusy(true)
		s.loop.busy.push(s.owner.account(), s)
	}
}

// turn hands up the next share of a busy connection.
func (s *epollStream) turn(buffer []byte) {
	if n := s.readOnce(unix.EPOLLIN, buffer[:turnBytes]); n == turnBytes {
		s.loop.busy.push(s.owner.account(), s)
		return
	}
	s.setBusy(false)
}

func (s *epollStream) setBusy(busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = busy
	if s.watched && !s.closed {
		s.rewatchLocked()
	}
}

// readOnce hands up what fits into buffer, and returns how much that was.
func (s *epollStream) readOnce(events uint32, buffer []byte) int {
	fd, ok := s.beginRead(events)
	if !ok {
		return 0
	}
	n, err := 0, errBusy
	if s.owner.tryEnter() {
		if n, err = readSome(uintptr(fd), buffer); n > 0 {
			s.owner.readable(buffer[:n])
		}
		s.owner.leave()
	}
	s.endRead()
	if err != nil && !errors.Is(err, errBusy) {
		s.owner.streamFailed(err)
	}
	return n
}

// beginRead holds the descriptor open for the read. A paused stream that the
// peer reset is failed at once: the kernel would go on reporting it.
func (s *epollStream) beginRead(events uint32) (int32, bool) {
	s.mu.Lock()
	paused := s.interest&unix.EPOLLIN == 0
	if s.closed || paused {
		gone := paused && !s.closed && events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 && hungUp(s.fd)
		s.mu.Unlock()
		if gone {
			s.owner.streamFailed(io.ErrUnexpectedEOF)
		}
		return 0, false
	}
	s.reading = true
	s.mu.Unlock()
	return s.fd, true
}

// hungUp asks again: the event may have been meant for an earlier connection
// with the same number.
func hungUp(fd int32) bool { return saysNow(fd, unix.POLLHUP|unix.POLLERR) }

// saysNow reports whether the kernel says any of events of a socket.
func saysNow(fd int32, events int16) bool {
	p := []unix.PollFd{{Fd: fd, Events: events}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&events != 0
}

func (s *epollStream) endRead() {
	s.mu.Lock()
	s.reading = false
	s.closeUnusedLocked()
	s.mu.Unlock()
}

// closeUnusedLocked closes the descriptor of a closed stream when nobody has it.
func (s *epollStream) closeUnusedLocked() {
	if s.closed && !s.reading && !s.lent {
		_ = unix.Close(int(s.fd))
	}
}

// lend implements jointSocket.
func (s *epollStream) lend(b, _ []byte) (fd int, wire []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = !s.closed
	return int(s.fd), b, s.lent
}

// conclude implements jointSocket.
func (s *epollStream) conclude(_ int, wire []byte, result int) (n int, err error) {
	s.giveBack()
	n, err = written(result)
	if err != nil && !errors.Is(err, unix.EIO) {
		return s.tryWrite(wire) // which says what is wrong, if anything is
	}
	return n, err
}

func (s *epollStream) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent = false
	s.closeUnusedLocked()
}

func (s *epollStream) tryWrite(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	n, err := writeSome(uintptr(s.fd), b)
	if errors.Is(err, errBusy) {
		err = nil
	}
	return n, err
}

func (s *epollStream) pending() bool { return false }

func (s *epollStream) queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return -1
	}
	return queuedBytes(uintptr(s.fd))
}

func (s *epollStream) closeWrite() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		_ = unix.Shutdown(int(s.fd), unix.SHUT_WR)
	}
}

func (s *epollStream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.loop.mu.Lock()
	if s.loop.streams[s.fd] == s {
		delete(s.loop.streams, s.fd)
	}
	s.loop.mu.Unlock()
	if s.reading || s.lent {
		_ = unix.Shutdown(int(s.fd), unix.SHUT_RDWR)
	}
	s.closeUnusedLocked() // otherwise the goroutine that uses the descriptor closes it
}
