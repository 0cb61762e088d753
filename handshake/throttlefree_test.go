package handshake

import (
	"testing"
	"time"
)

// A try whose clock was read just before another failure of its address
// counts as simultaneous.
func TestAFreeFailureDelaysNobodyWhoComesAtTheSameTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	throttle := NewThrottle[string](ThrottleConfig{Free: 2}, func() time.Time { return now })
	throttle.Fail("a")
	now = now.Add(-time.Millisecond)
	if wait := throttle.Wait("a"); wait != 0 {
		t.Errorf("has to wait for %v after a free failure", wait)
	}
	throttle.Fail("a")
	if delay := throttle.Fail("a"); delay == 0 || throttle.Wait("a") == 0 {
		t.Error("the third failure is not free")
	}
}
