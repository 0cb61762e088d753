package engine

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acceptFlags are those of every accepted socket.
const acceptFlags = unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC

// acceptSocket is accept4(2). from is room for the peer's address. unix.Accept4 makes
// that room anew each time, and asks each socket for its protocol by one more call.
func acceptSocket(listener uintptr, from *unix.RawSockaddrAny) (fd int, peer netip.AddrPort, err error) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, errno := unix.Syscall6(unix.SYS_ACCEPT4, listener,
		uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)), acceptFlags, 0, 0)
	if errno != 0 {
		return -1, netip.AddrPort{}, errno
	}
	return int(n), addrPort(from), nil
}

// addrPort reads an address. The result is not valid for an address that has a zone.
func addrPort(a *unix.RawSockaddrAny) netip.AddrPort {
	port := func(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }
	switch a.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(&in.Port))
	case unix.AF_INET6:
		if in := (*unix.RawSockaddrInet6)(unsafe.Pointer(a)); in.Scope_id == 0 {
			return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), port(&in.Port))
		}
	}
	return netip.AddrPort{}
}

// peek is recv(2) that leaves the bytes in the socket. unix.Recvfrom would make room
// for an address, which a TCP socket does not report.
func peek(fd int, b []byte) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MSG_PEEK, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// queuedBytes is how many bytes a TCP socket holds that the peer has not
// acknowledged (tcp(7), SIOCOUTQ), or -1.
func queuedBytes(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
