//go:build unix

package server

import "syscall"

// openFiles is how many files the process may have open.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > highestLimit {
		return highestLimit
	}
	return int(limit.Cur)
}
