package scenario

import (
	"time"

	"gatehouse/bench/measure"
)

// warming is how many connections come and go before anything is measured.
const warming = 50

// idle measures what a connection costs to let in, and to keep.
func (s Sizes) idle(r *Rig) (Values, error) {
	if err := warm(r); err != nil {
		return nil, err
	}
	before, err := measure.MemoryOf(r.PID)
	if err != nil {
		return nil, err
	}
	c := newCrowd(r, "/chat")
	cpu, err := r.spent("connect", func() error { return c.connect(s.IdleConnections) })
	if err != nil {
		return nil, err
	}
	if err := r.Loop.For(s.Settle); err != nil {
		return nil, err
	}
	after, err := measure.MemoryOf(r.PID)
	if err != nil {
		return nil, err
	}
	return Values{
		"idle_kb":    kbEach(after.RSS-before.RSS, s.IdleConnections),
		"connect_us": per(cpu, s.IdleConnections),
	}, c.err
}

// warm lets a server load what it needs for a connection.
func warm(r *Rig) error {
	c := newCrowd(r, "/chat")
	if err := c.connect(warming); err != nil {
		return err
	}
	if err := c.leave(); err != nil {
		return err
	}
	return r.Loop.For(time.Second)
}

func kbEach(bytes int64, n int) float64 { return float64(bytes) / 1024 / float64(n) }
