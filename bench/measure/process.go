// Package measure reads what a process has used, from the operating system's own
// accounting (Linux).
package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

var errNoFigure = errors.New("no such figure")

// CPU returns the processor time that all threads of a process have used so far,
// user and system, those that ended included. It is what /proc/PID/stat counts
// as utime + stime, to the nanosecond instead of the clock tick.
func CPU(pid int) (time.Duration, error) {
	const clockSched = 2 // CPUCLOCK_SCHED of a process, see clock_getcpuclockid(3)
	clock := uintptr(^pid)<<3 | clockSched
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("processor clock of %d: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// Memory is what a process holds, in bytes.
type Memory struct {
	RSS int64 // resident, VmRSS of /proc/PID/status
	PSS int64 // resident, shared pages by their share, of /proc/PID/smaps_rollup
}

// MemoryOf reads a process's memory.
func MemoryOf(pid int) (Memory, error) {
	rss, err := field(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	if err != nil {
		return Memory{}, err
	}
	pss, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
	return Memory{RSS: rss, PSS: pss}, err
}

// field reads one "Name:  123 kB" line of a file of /proc, in bytes.
func field(path, name string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("memory: %w", err)
	}
	for line := range bytes.Lines(text) {
		if words := bytes.Fields(line); len(words) >= 2 && string(words[0]) == name {
			kb, err := strconv.ParseInt(string(words[1]), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("%w: %s in %s", errNoFigure, name, path)
}

// Files returns how many files a process has open.
func Files(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return 0, fmt.Errorf("files: %w", err)
	}
	return len(entries), nil
}
