package crew_test

import (
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"gatehouse/internal/crew"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTasksDoNotWaitForEachOther(*testing.T) {
	const n = 2000 // far more than ever rest
	var c crew.Crew
	for range 3 {
		var all sync.WaitGroup
		all.Add(n)
		for range n {
			c.Go(func() {
				all.Done()
				all.Wait() // until every task of the round runs
			})
		}
		all.Wait()
	}
	c.Wait()
}

func TestWaitReturnsWhenTheLastTaskHasEnded(t *testing.T) {
	var c crew.Crew
	var ran atomic.Int32
	release := make(chan struct{})
	c.Hold()
	c.Go(func() {
		<-release
		c.Go(func() { ran.Add(1) }) // a task may begin another
		ran.Add(1)
	})
	waited := make(chan struct{})
	go func() {
		c.Wait()
		close(waited)
	}()
	close(release)
	c.Go(func() { ran.Add(1) }) // while a caller waits, and a Hold is in force
	select {
	case <-waited:
		t.Fatal("Wait did not wait for Release")
	default:
	}
	c.Release()
	<-waited
	if n := ran.Load(); n != 3 {
		t.Errorf("%d tasks ran", n)
	}
}

func TestACrewWithoutTasks(*testing.T) {
	var c crew.Crew
	c.Wait()
	c.Wait()
}

// Few goroutines rest, and not for long.
func TestNothingIsLeftOfABusyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew.Crew
		var gate sync.WaitGroup
		gate.Add(1000)
		for range 1000 {
			c.Go(func() { gate.Done(); gate.Wait() })
		}
		gate.Wait()
		synctest.Wait()
		if n, most := workers(), 16*runtime.GOMAXPROCS(0); n < 1 || n > most {
			t.Errorf("%d goroutines rest, at most %d should", n, most)
		}
		time.Sleep(2 * time.Second)
		if n := workers(); n > 0 {
			t.Errorf("%d goroutines are left", n)
		}
		c.Wait()
	})
}

// workers counts the goroutines of crews that do nothing. The process has other
// goroutines, of the runtime and of earlier tests, which come and go.
func workers() int {
	var all strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 2); err != nil {
		panic(err)
	}
	return strings.Count(all.String(), "crew.(*Crew).work(")
}

// A goroutine that has done its task takes the next.
func TestGoroutinesAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c crew.Crew
		ids := map[string]bool{}
		for range 100 {
			c.Go(func() { ids[goroutine()] = true })
			synctest.Wait()
		}
		if len(ids) != 1 {
			t.Errorf("%d goroutines ran 100 tasks, one after the other", len(ids))
		}
		c.Wait()
	})
}

// goroutine names the one that calls it.
func goroutine() string {
	var b [64]byte
	name, _, _ := strings.Cut(string(b[:runtime.Stack(b[:], false)]), "[")
	return name
}

func BenchmarkGo(b *testing.B) {
	deep := func() { grow(40) }
	b.Run("crew", func(b *testing.B) {
		var c crew.Crew
		each(b, c.Go, deep)
		c.Wait()
	})
	b.Run("fresh", func(b *testing.B) {
		var c sync.WaitGroup
		each(b, c.Go, deep)
		c.Wait()
	})
}

func each(b *testing.B, run func(func()), task func()) {
	done := make(chan struct{})
	for b.Loop() {
		run(func() {
			task()
			done <- struct{}{}
		})
		<-done
	}
}

// grow needs some kilobytes of stack.
func grow(n int) (sum byte) {
	var local [128]byte
	local[n] = 1
	if n > 0 {
		sum = grow(n - 1)
	}
	for _, c := range local {
		sum += c
	}
	return sum
}
