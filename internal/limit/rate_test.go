package limit

import (
	"testing"
	"time"
)

func TestARateIsABurstAndThenEven(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r := NewRate[string](60, func() time.Time { return now })
	for i := range 60 {
		if wait := r.Take("a"); wait != 0 {
			t.Fatalf("take %d waits %v", i, wait)
		}
	}
	if wait := r.Take("a"); wait != time.Second {
		t.Errorf("one too many waits %v", wait)
	}
	if wait := r.Take("b"); wait != 0 {
		t.Errorf("another key waits %v", wait)
	}
	now = now.Add(time.Second)
	if wait := r.Take("a"); wait != 0 {
		t.Errorf("after a second it waits %v", wait)
	}
	if wait := r.Take("a"); wait != time.Second {
		t.Errorf("then it waits %v", wait)
	}
}

func TestWhatIsSpentBeyondTheBurstIsOwed(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var a Allowance
	for _, step := range []struct{ passed, cost, wait time.Duration }{
		{0, 4 * time.Second, 0},
		{0, 2 * time.Second, time.Second},
		{0, time.Second, 2 * time.Second},
		{0, time.Hour, 10 * time.Second}, // more is forgiven
		{9 * time.Second, 0, time.Second},
		{6 * time.Second, time.Second, 0},
		{time.Hour, 6 * time.Second, time.Second}, // nothing is saved up
	} {
		now = now.Add(step.passed)
		if wait := a.Spend(now, step.cost, 5*time.Second, 10*time.Second); wait != step.wait {
			t.Errorf("%v later, %v waits %v, want %v", step.passed, step.cost, wait, step.wait)
		}
	}
}

func TestARateRemembersSoManyKeys(t *testing.T) {
	r := NewRate[int](1, nil)
	for key := range 3 * rateKeys {
		r.Take(key)
	}
	if held := len(r.young) + len(r.old); held > 2*rateKeys {
		t.Errorf("%d keys", held)
	}
}

func TestABackoffDoubles(t *testing.T) {
	b := Backoff{First: time.Second, Max: 5 * time.Second}
	for failures, want := range []time.Duration{0, 1, 2, 4, 5, 5} {
		if got := b.Wait(failures); got != want*time.Second {
			t.Errorf("after %d failures: %v", failures, got)
		}
	}
	if got := b.Wait(1 << 30); got != b.Max {
		t.Errorf("after very many: %v", got)
	}
	if got := (Backoff{}).Wait(3); got != 0 {
		t.Errorf("the zero value waits %v", got)
	}
}
