package wiretest

// Crowd gives how many of n connections, steps or whatever else a test takes many of are enough where the race detector watches,
// which makes each several times dearer: a fifth.
func Crowd(n int) int {
	if raced {
		return n / 5
	}
	return n
}
