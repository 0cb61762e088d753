package handshake

import (
	"net/netip"
	"testing"
	"time"
)

func TestReq07_FailuresSlowDownWithGrowingDelay(t *testing.T) {
	now := noon
	throttle := NewThrottle[string](ThrottleConfig{Free: 2, Base: time.Second, Max: 5 * time.Second, Forget: time.Minute}, func() time.Time { return now })
	for i, want := range []time.Duration{0, 0, 1, 2, 4, 5, 5} {
		if got := throttle.Fail("a"); got != want*time.Second {
			t.Fatalf("failure %d: delay %v", i+1, got)
		}
	}
	if throttle.Wait("a") != 5*time.Second || throttle.Wait("b") != 0 {
		t.Fatal("the delay is not kept, or others have it too")
	}
	now = now.Add(3 * time.Second)
	if throttle.Wait("a") != 2*time.Second {
		t.Fatal("the delay does not pass")
	}
	now = now.Add(time.Hour)
	if throttle.Wait("a") != 0 || throttle.Fail("a") != 0 {
		t.Fatal("old failures are not forgiven")
	}
	throttle.Fail("a")
	throttle.Fail("a")
	throttle.Clear("a")
	if throttle.Wait("a") != 0 {
		t.Fatal("a success does not clear")
	}
}

func TestReq07_ThrottleIsBounded(t *testing.T) {
	throttle := NewThrottle[int](ThrottleConfig{Free: -1, MaxKeys: 3}, atNoon)
	for key := range 1000 {
		throttle.Fail(key)
	}
	if n := len(throttle.failures.byKey); n != 3 {
		t.Fatalf("%d keys are remembered", n)
	}
	if throttle.Wait(999) == 0 {
		t.Fatal("the latest failure was forgotten")
	}
}

func TestAddressKeyCountsOneCustomerOnce(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := AddressKey(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if AddressKey(netip.Addr{}).IsValid() {
		t.Error("no address has a key")
	}
}

func TestALowerNumberOfKeysForgivesTheOldestAndCountsTheNew(t *testing.T) {
	now := noon
	throttle := NewThrottle[int](ThrottleConfig{Free: -1, MaxKeys: 10}, func() time.Time { return now })
	fail := func(key int) {
		throttle.Fail(key)
		now = now.Add(time.Millisecond)
	}
	for key := range 10 {
		fail(key)
	}
	throttle.Set(ThrottleConfig{Free: -1, MaxKeys: 3})
	fail(10)
	for key := range 11 {
		if counted := throttle.Wait(key) > 0; counted != (key > 7) {
			t.Errorf("the failure of %d counts: %v", key, counted)
		}
	}
}
