package wiretest

// Crowd returns n, or a fifth of it under the race detector, which makes each connection or step of a test several times
// dearer.
func Crowd(n int) int {
	if raced {
		return n / 5
	}
	return n
}
