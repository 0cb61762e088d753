//go:build !linux

package engine

// newEpoll returns none: elsewhere every stream has its goroutine.
func newEpoll(int) (epoll, error) { return nil, nil }

// queuedBytes cannot be known here.
func queuedBytes(uintptr) int { return -1 }
