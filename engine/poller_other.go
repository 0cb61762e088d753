//go:build !linux

package engine

// newPoller returns none: elsewhere every stream has its goroutine.
func newPoller(int) (poller, error) { return nil, nil }
