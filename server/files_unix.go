//go:build unix

package server

import (
	"syscall"

	"gatehouse/internal/settings"
)

// openFiles is how many files the process may have open.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > settings.Highest {
		return settings.Highest
	}
	return int(limit.Cur)
}
