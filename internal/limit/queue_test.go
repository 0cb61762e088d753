package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// turns records who was served, in order.
type turns struct {
	mu   sync.Mutex
	list []string
}

func (s *turns) add(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, who)
}

func (s *turns) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// enter has a caller wait for a place and hold it for a second.
func enter(t *testing.T, q *Queue[string], key string, preferred bool, served *turns) {
	go func() {
		leave, err := q.Enter(t.Context(), key, preferred)
		if err != nil {
			served.add(key + ": " + err.Error())
			return
		}
		served.add(key)
		time.Sleep(time.Second)
		leave()
	}()
	synctest.Wait()
}

func TestAKeyWithManyCallersDelaysAnotherByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, served := NewQueue[string](QueueConfig{Places: 1, PerKey: 1, Waiting: 100}), &turns{}
		for range 20 {
			enter(t, q, "many", true, served)
		}
		enter(t, q, "one", true, served)
		time.Sleep(time.Minute)
		if at := slices.Index(served.all(), "one"); at > 2 || len(served.all()) != 21 {
			t.Errorf("served at place %d of %v", at, served.all())
		}
	})
}

func TestPreferredCallersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, served := NewQueue[string](QueueConfig{Places: 1, PerKey: 1, Waiting: 1000}), &turns{}
		for i := range 100 {
			enter(t, q, fmt.Sprint("bad", i), false, served)
		}
		enter(t, q, "good", true, served)
		time.Sleep(3 * time.Minute)
		if at := slices.Index(served.all(), "good"); at != 1 || len(served.all()) != 101 {
			t.Errorf("served at place %d of %d", at, len(served.all()))
		}
	})
}

func TestOtherNumbersCountForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		of := func(places int) QueueConfig { return QueueConfig{Places: places, PerKey: 1, Waiting: 100} }
		q, served := NewQueue[string](of(1)), &turns{}
		have := func(want int) {
			t.Helper()
			if synctest.Wait(); len(served.all()) != want {
				t.Fatalf("served %v, want %d", served.all(), want)
			}
		}
		for _, key := range []string{"a", "b", "c", "d"} {
			enter(t, q, key, true, served)
		}
		have(1)
		time.Sleep(time.Second / 2)
		q.Set(of(3))
		have(3)
		q.Set(of(2))
		time.Sleep(time.Second / 2) // the first one leaves
		have(3)
		time.Sleep(time.Second / 2)
		have(4)
		time.Sleep(time.Second)
	})
}

func TestOneKeyDoesNotHoldAllPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, served := NewQueue[string](QueueConfig{Places: 4, PerKey: 3, Waiting: 100}), &turns{}
		for range 10 {
			enter(t, q, "many", true, served)
		}
		enter(t, q, "one", true, served)
		if !slices.Equal(served.all(), []string{"many", "many", "many", "one"}) {
			t.Errorf("served %v", served.all())
		}
		time.Sleep(time.Minute)
	})
}

func TestAFullQueueRefusesTheNewestOfTheLargestKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, served := NewQueue[string](QueueConfig{Places: 1, PerKey: 1, Waiting: 3}), &turns{}
		for range 4 {
			enter(t, q, "many", true, served)
		}
		enter(t, q, "one", true, served)
		if want := []string{"many", "many: " + errFull.Error()}; !slices.Equal(served.all(), want) {
			t.Errorf("served %v, want %v", served.list, want)
		}
		time.Sleep(time.Minute)
		if q.Waiting() != 0 || len(q.keys) != 0 || len(served.all()) != 5 {
			t.Errorf("%d wait, %d keys, %v", q.Waiting(), len(q.keys), served.all())
		}
	})
}

func TestWhoGivesUpLeavesNoTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[string](QueueConfig{Places: 1, PerKey: 1, Waiting: 3})
		leave, err := q.Enter(t.Context(), "a", true)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := q.Enter(ctx, "b", false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waited on: %v", err)
		}
		if q.Waiting() != 0 || len(q.keys) != 1 {
			t.Errorf("%d wait, %d keys", q.Waiting(), len(q.keys))
		}
		leave()
		leave() // once is enough
		if len(q.keys) != 0 || q.taken != 0 {
			t.Errorf("%d keys, %d places taken", len(q.keys), q.taken)
		}
	})
}

func TestQueueUnderLoad(t *testing.T) {
	q := NewQueue[int](QueueConfig{Places: 3, PerKey: 2, Waiting: 50})
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if i%5 == 0 {
				cancel()
			}
			if leave, err := q.Enter(ctx, i%7, i%2 == 0); err == nil {
				leave()
			}
		})
	}
	all.Wait()
	if q.taken != 0 || q.waiting != 0 || len(q.keys) != 0 {
		t.Errorf("%d taken, %d waiting, %d keys", q.taken, q.waiting, len(q.keys))
	}
}
