package engine

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sendRing hands the writes of several sockets to the kernel in one system call,
// through an io_uring (io_uring_enter(2)). Every send has finished when submit
// returns: none waits for room. It is for one goroutine.
type sendRing struct {
	fd    int
	rings []byte // the kernel's mapping of both queues
	slots []byte // and of the submissions

	sqTail, cqHead, cqTail *uint32
	sqMask, cqMask         uint32
	order                  []uint32
	submissions            []submission
	completions            []completion

	held    [][]byte // the bytes to send: the kernel has their addresses
	results []int32  // results of the last submit, in the order of add
}

// submission is struct io_uring_sqe, for IORING_OP_SEND.
type submission struct {
	opcode   uint8
	flags    uint8
	ioprio   uint16
	fd       int32
	offset   uint64
	address  uint64
	length   uint32
	msgFlags uint32
	userData uint64
	_        [3]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	userData uint64
	result   int32
	flags    uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     ringOffsets
	cq                                                                     ringOffsets
}

// ringOffsets is struct io_sqring_offsets and struct io_cqring_offsets: the first
// five fields are the same, then array and cqes stand at different places.
type ringOffsets struct {
	head, tail, mask, entries    uint32
	flagsOrOverflow, droppedOrCQ uint32
	arrayOrFlags                 uint32
	_                            uint32
	_                            uint64
}

// Constants of linux/io_uring.h that x/sys/unix does not have.
const (
	opSend            = 26
	enterGetEvents    = 1
	featureSingleMmap = 1
	offsetRings       = 0
	offsetSubmissions = 0x10000000
)

var errOldRing = errors.New("this kernel's io_uring is too old")

// newSendRing makes a ring for up to size sends at once, and tries it. Where the
// kernel or a container's policy denies io_uring it returns an error.
func newSendRing(size int) (*sendRing, error) {
	var p ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(size), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("set io_uring up: %w", errno)
	}
	r := &sendRing{fd: int(fd), held: make([][]byte, 0, size), results: make([]int32, 0, size)}
	unix.CloseOnExec(r.fd)
	err := r.mapQueues(&p)
	if err == nil {
		err = r.try()
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

// mapQueues maps what the kernel and we share.
func (r *sendRing) mapQueues(p *ringParams) (err error) {
	if p.features&featureSingleMmap == 0 {
		return errOldRing
	}
	size := max(p.sq.arrayOrFlags+p.sqEntries*4, p.cq.droppedOrCQ+p.cqEntries*uint32(unsafe.Sizeof(completion{})))
	const access, kind = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.rings, err = unix.Mmap(r.fd, offsetRings, int(size), access, kind); err != nil {
		return fmt.Errorf("map io_uring: %w", err)
	}
	if r.slots, err = unix.Mmap(r.fd, offsetSubmissions, int(p.sqEntries)*int(unsafe.Sizeof(submission{})), access, kind); err != nil {
		return fmt.Errorf("map io_uring: %w", err)
	}
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }
	r.sqTail, r.sqMask = word(p.sq.tail), *word(p.sq.mask)
	r.cqHead, r.cqTail, r.cqMask = word(p.cq.head), word(p.cq.tail), *word(p.cq.mask)
	r.order = unsafe.Slice(word(p.sq.arrayOrFlags), p.sqEntries)
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.slots[0])), p.sqEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.rings[p.cq.droppedOrCQ])), p.cqEntries)
	return nil
}

// try sends a byte between two sockets of our own.
func (r *sendRing) try() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("try io_uring: %w", err)
	}
	defer func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) }()
	b := make([]byte, 1)
	r.add(pair[0], b)
	results, err := r.submit()
	switch {
	case err != nil:
		return err
	case results[0] != 1:
		return fmt.Errorf("try io_uring: %w", unix.Errno(-results[0]))
	}
	return nil
}

// add puts a send of b into the next submit. Its caller keeps fd open and b as it is
// until then, and adds no more than the ring's size.
func (r *sendRing) add(fd int, b []byte) {
	at := *r.sqTail + uint32(len(r.results))
	slot := at & r.sqMask
	r.submissions[slot] = submission{
		opcode: opSend, fd: int32(fd), address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), length: uint32(len(b)),
		msgFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, userData: uint64(len(r.results)),
	}
	r.order[slot] = slot
	r.held = append(r.held, b)
	r.results = append(r.results, -int32(unix.EIO))
}

// submit sends what add has listed. results, which are valid until the next add, are
// what send(2) would return, or a negative errno: ECANCELED for what was not sent, EIO
// where that is not known. After an error the ring is of no more use.
func (r *sendRing) submit() (results []int32, err error) {
	results = r.results
	atomic.StoreUint32(r.sqTail, *r.sqTail+uint32(len(results)))
	submitted := 0
	for done := 0; done < len(results) && err == nil; done += r.collect(results) {
		// The scheduler is told of the call: it may take as long as a slice of the kernel's
		// when the machine is busy, and others could use the processor.
		n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(len(results)-submitted), uintptr(len(results)-done), enterGetEvents, 0, 0)
		switch errno {
		case 0:
			submitted += int(n)
		case unix.EINTR:
		default:
			err = fmt.Errorf("submit to io_uring: %w", errno)
		}
	}
	for i := submitted; i < len(results); i++ {
		results[i] = -int32(unix.ECANCELED)
	}
	clear(r.held)
	r.held, r.results = r.held[:0], results[:0]
	return results, err
}

// collect takes the completions and returns how many there were.
func (r *sendRing) collect(results []int32) int {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	n := int(tail - head)
	for ; head != tail; head++ {
		c := r.completions[head&r.cqMask]
		results[c.userData] = c.result
	}
	atomic.StoreUint32(r.cqHead, head)
	return n
}

func (r *sendRing) close() {
	if r.slots != nil {
		_ = unix.Munmap(r.slots)
	}
	if r.rings != nil {
		_ = unix.Munmap(r.rings)
	}
	_ = unix.Close(r.fd)
}
