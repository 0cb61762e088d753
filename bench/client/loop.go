package client

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	readBuffer = 256 << 10
	batch      = 512
)

// ErrStalled says that a server went silent while something was still awaited.
var ErrStalled = errors.New("nothing came any more")

// Loop runs connections.
type Loop struct {
	epoll  int
	links  []*link // by file descriptor
	events [batch]syscall.EpollEvent
	buf    []byte
	now    time.Time // when the data in hand was read
	moved  time.Time // when a packet last came
}

// NewLoop makes a loop without connections.
func NewLoop() (*Loop, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Loop{epoll: fd, buf: make([]byte, readBuffer)}, nil
}

// Close closes all connections, without a word to their handlers, and the loop.
func (l *Loop) Close() error {
	for _, k := range l.links {
		k.drop()
	}
	return syscall.Close(l.epoll)
}

// Now is when the packet that is being handled was read.
func (l *Loop) Now() time.Time { return l.now }

// Until runs the connections until done says so. It gives up with [ErrStalled]
// when no packet has come for as long as patience; heartbeats do not count.
func (l *Loop) Until(done func() bool, patience time.Duration) error {
	l.moved = time.Now()
	for !done() {
		if err := l.poll(100 * time.Millisecond); err != nil {
			return err
		}
		if time.Since(l.moved) > patience {
			return ErrStalled
		}
	}
	return nil
}

// For runs the connections for a time.
func (l *Loop) For(d time.Duration) error {
	end := time.Now().Add(d)
	for {
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		if err := l.poll(left); err != nil {
			return err
		}
	}
}

// poll handles what has come, waiting for at most the time given, rounded up to
// a millisecond.
func (l *Loop) poll(wait time.Duration) error {
	ms := int((wait + time.Millisecond - 1) / time.Millisecond)
	n, err := syscall.EpollWait(l.epoll, l.events[:], ms)
	if errors.Is(err, syscall.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	for i := range l.events[:n] {
		l.dispatch(&l.events[i])
	}
	return nil
}

func (l *Loop) dispatch(e *syscall.EpollEvent) {
	k := l.links[e.Fd]
	if k == nil {
		return // closed by the handler of another connection
	}
	if e.Events&syscall.EPOLLOUT != 0 {
		k.writable()
	}
	if e.Events&^syscall.EPOLLOUT != 0 && k.fd >= 0 {
		l.now = time.Now()
		k.readable(l.buf)
	}
}

func (l *Loop) add(k *link) error {
	for len(l.links) <= k.fd {
		l.links = append(l.links, nil)
	}
	l.links[k.fd] = k
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, k.fd, interest(k.fd, syscall.EPOLLIN))
}

// watch adds or takes away the interest in a link's room for output.
func (l *Loop) watch(k *link, output bool) error {
	events := uint32(syscall.EPOLLIN)
	if output {
		events |= syscall.EPOLLOUT
	}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_MOD, k.fd, interest(k.fd, events))
}

func interest(fd int, events uint32) *syscall.EpollEvent {
	return &syscall.EpollEvent{Events: events, Fd: int32(fd)}
}
