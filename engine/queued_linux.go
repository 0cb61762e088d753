package engine

import "golang.org/x/sys/unix"

// queuedBytes is how many bytes a TCP socket holds that the peer has not
// acknowledged (tcp(7), SIOCOUTQ), or -1.
func queuedBytes(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}
