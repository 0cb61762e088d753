package crew_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
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
	c.Go(func() { ran.Add(1) }) // while somebody waits, and something is held
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

// Goroutines are used again, and those that are too many go.
func TestFewGoroutinesRest(t *testing.T) {
	var c crew.Crew
	before := runtime.NumGoroutine()
	for range 1000 {
		done := make(chan struct{})
		c.Go(func() { close(done) })
		<-done
	}
	var gate sync.WaitGroup
	gate.Add(1000)
	for range 1000 {
		c.Go(func() { gate.Done(); gate.Wait() })
	}
	gate.Wait()
	most := 16 * runtime.GOMAXPROCS(0)
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine()-before > most; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines rest, at most %d should", runtime.NumGoroutine()-before, most)
		}
	}
	c.Wait()
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
