//go:build !unix

package engine

import (
	"net"
	"syscall"
)

// rawConn returns nil: on this system a goroutine reads each connection, and
// one writes on demand.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readSome(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }

func writeSome(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }

func canWrite(uintptr) bool { return true }
