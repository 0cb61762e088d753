package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// batch is how many sends one call submits.
const batch = 128

// The numbers of io_uring_setup(2) and io_uring_enter(2).
const (
	sysSetup    = 425
	sysEnter    = 426
	getEvents   = 1
	opSend      = 26
	noSignal    = 0x4000
	dontWait    = 0x40
	offsetSQEs  = 0x10000000
	mapShared   = syscall.MAP_SHARED | syscall.MAP_POPULATE
	mapReadable = syscall.PROT_READ | syscall.PROT_WRITE
)

type offsets struct {
	head, tail, mask, entries, flags, dropped, array, resv1 uint32
	resv2                                                   uint64
}

type completions struct {
	head, tail, mask, entries, overflow, cqes, flags, resv1 uint32
	resv2                                                   uint64
}

type params struct {
	sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFD uint32
	resv                                                               [3]uint32
	sq                                                                 offsets
	cq                                                                 completions
}

type submission struct {
	op, flags uint8
	priority  uint16
	fd        int32
	off, addr uint64
	size, how uint32
	data      uint64
	_         [3]uint64
}

type completion struct {
	data   uint64
	result int32
	flags  uint32
}

// ring is an instance of io_uring with the rings mapped.
type ring struct {
	fd                     int
	sqTail, cqHead, cqTail *uint32
	sqMask, cqMask         uint32
	array                  []uint32
	submissions            []submission
	completions            []completion
}

func newRing() (*ring, error) {
	var p params
	fd, _, errno := syscall.Syscall(sysSetup, batch, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring: %w", errno)
	}
	size := max(p.sq.array+p.sqEntries*4, p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	rings, err := syscall.Mmap(int(fd), 0, int(size), mapReadable, mapShared)
	if err != nil {
		return nil, fmt.Errorf("io_uring: %w", err)
	}
	entries, err := syscall.Mmap(int(fd), offsetSQEs, int(p.sqEntries)*int(unsafe.Sizeof(submission{})), mapReadable, mapShared)
	if err != nil {
		return nil, fmt.Errorf("io_uring: %w", err)
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&rings[offset])) }
	return &ring{
		fd: int(fd), sqTail: at(p.sq.tail), cqHead: at(p.cq.head), cqTail: at(p.cq.tail),
		sqMask: *at(p.sq.mask), cqMask: *at(p.cq.mask),
		array:       unsafe.Slice(at(p.sq.array), p.sqEntries),
		submissions: unsafe.Slice((*submission)(unsafe.Pointer(&entries[0])), p.sqEntries),
		completions: unsafe.Slice((*completion)(unsafe.Pointer(&rings[p.cq.cqes])), p.cqEntries),
	}, nil
}

// writeAll sends the frame to all members, a batch in a call.
func (r *ring) writeAll(members []int, frame []byte) error {
	for len(members) > 0 {
		n := min(batch, len(members))
		if err := r.send(members[:n], frame); err != nil {
			return err
		}
		members = members[n:]
	}
	return nil
}

func (r *ring) send(members []int, frame []byte) error {
	tail := *r.sqTail
	for _, fd := range members {
		i := tail & r.sqMask
		r.submissions[i] = submission{
			op: opSend, fd: int32(fd), addr: uint64(uintptr(unsafe.Pointer(&frame[0]))), size: uint32(len(frame)),
			how: noSignal | dontWait, data: uint64(fd),
		}
		r.array[i] = i
		tail++
	}
	atomic.StoreUint32(r.sqTail, tail)
	n := uintptr(len(members))
	if done, _, errno := syscall.Syscall6(sysEnter, uintptr(r.fd), n, n, getEvents, 0, 0); errno != 0 || done != n {
		return fmt.Errorf("io_uring: %d of %d submitted: %w", done, n, errno)
	}
	head := *r.cqHead
	for ; head != atomic.LoadUint32(r.cqTail); head++ {
		if c := r.completions[head&r.cqMask]; int(c.result) != len(frame) {
			return errShort(int(c.data), int(c.result), syscall.Errno(max(0, -c.result)))
		}
	}
	atomic.StoreUint32(r.cqHead, head)
	runtime.KeepAlive(frame) // the kernel had only its address
	return nil
}
