// Package crew runs short tasks in goroutines that stay for the next ones. A fresh
// goroutine begins with a small stack; growing that several times over was a tenth
// of what connecting and a single event cost.
package crew

import (
	"cmp"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Crew runs tasks that its owner waits for, in place of a sync.WaitGroup. There
// is no limit: no task ever waits for another. The zero value is ready; the
// methods are safe for concurrent use.
type Crew struct {
	// Rest is how many workers of each processor wait for further tasks; 0 means
	// restPerCPU. Set before the first task.
	Rest int

	tasks   sync.WaitGroup
	workers sync.WaitGroup
	idle    atomic.Int32 // workers without a task

	begin, end sync.Once
	next       chan func() // unbuffered: an idle worker takes the task at once, or none does
	over       chan struct{}
}

const (
	restPerCPU = 16          // workers that wait for further tasks
	idleFor    = time.Second // how long each of them waits, so that none is left over from a busy time
)

func (c *Crew) init() { c.next, c.over = make(chan func()), make(chan struct{}) }

// Go runs f, which must not panic. Like WaitGroup.Go it may be called while tasks
// run or before Wait is called.
func (c *Crew) Go(f func()) {
	c.begin.Do(c.init)
	c.tasks.Add(1)
	select {
	case c.next <- f:
	default:
		c.workers.Go(func() { c.work(f) })
	}
}

// Hold counts as a task until Release, so that others may begin meanwhile.
func (c *Crew) Hold() { c.tasks.Add(1) }

// Release ends one Hold.
func (c *Crew) Release() { c.tasks.Done() }

// Wait returns when all tasks have ended, and their goroutines with them.
func (c *Crew) Wait() {
	c.tasks.Wait()
	c.begin.Do(c.init)
	c.end.Do(func() { close(c.over) })
	c.workers.Wait()
}

// work runs f and then further tasks, until there is none for a while.
func (c *Crew) work(f func()) {
	most := int32(cmp.Or(c.Rest, restPerCPU) * runtime.GOMAXPROCS(0))
	rest := time.NewTimer(idleFor)
	defer rest.Stop()
	for f != nil {
		f()
		c.tasks.Done()
		f = nil
		if c.idle.Add(1) <= most {
			rest.Reset(idleFor)
			select {
			case f = <-c.next:
			case <-rest.C:
			case <-c.over:
			}
		}
		c.idle.Add(-1)
	}
}
