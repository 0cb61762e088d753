package limit

import "time"

// Backoff says how long to wait before the next try: First, then twice as long
// after each failure, up to Max. The zero value waits not at all.
type Backoff struct {
	First, Max time.Duration
}

// Wait returns the time before the try that follows so many failures. It is zero
// for none.
func (b Backoff) Wait(failures int) time.Duration {
	if failures <= 0 {
		return 0
	}
	wait := b.First
	for ; failures > 1 && wait < b.Max; failures-- {
		wait *= 2
	}
	return min(wait, b.Max)
}
