package scenario

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"gatehouse/bench/measure"
)

// manyPatience is how long a server with so much to do is waited for.
const manyPatience = 60 * time.Second

// storming is how many connections of a storm are on their way in at once.
const storming = 256

// many measures as many idle connections as the files of one machine allow: what
// they cost while pings come and go, what it costs when all come again at once,
// and how long the server takes to let all of them go.
func (s Sizes) many(r *Rig) (Values, error) {
	r.Patience = max(r.Patience, manyPatience)
	values := Values{"many_start_ms": milliseconds(r.Started.Nanoseconds())}
	c := newCrowd(r, "/chat")
	if err := s.rest(c, values); err != nil {
		return nil, err
	}
	for _, conn := range c.conns {
		conn.Drop()
	}
	if err := r.released(s.ManyConnections / 10); err != nil {
		return nil, err
	}
	again := newCrowd(r, "/chat")
	again.dialling = storming
	start := time.Now()
	cpu, err := r.spent("storm", func() error { return again.connect(s.ManyConnections) })
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	values["many_storm_us"] = per(cpu, s.ManyConnections)
	values["many_storm_s"] = time.Since(start).Seconds()
	again.closing = true
	start = time.Now()
	if err := syscall.Kill(r.PID, syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("drain: %w", err)
	}
	if err := again.until(func() bool { return again.closed == len(again.conns) }); err != nil {
		return nil, fmt.Errorf("drain: %d of %d connections closed: %w", again.closed, len(again.conns), err)
	}
	values["many_drain_s"] = time.Since(start).Seconds()
	return values, errors.Join(c.err, again.err)
}

// released waits until the server has at most so many files open.
func (r *Rig) released(files int) error {
	for start := time.Now(); time.Since(start) < r.Patience; {
		n, err := measure.Files(r.PID)
		if err != nil || n <= files {
			return err
		}
		if err := r.Loop.For(100 * time.Millisecond); err != nil {
			return err
		}
	}
	return errFiles
}

var errFiles = errors.New("the server does not close its end of connections that are gone")

// rest brings the connections in and has them idle.
func (s Sizes) rest(c *crowd, values Values) error {
	if err := warm(c.rig); err != nil {
		return err
	}
	before, err := measure.MemoryOf(c.rig.PID)
	if err != nil {
		return err
	}
	if err := c.connect(s.ManyConnections); err != nil {
		return err
	}
	if err := c.rig.Loop.For(s.Settle); err != nil {
		return err
	}
	cpu, err := c.rig.spent("pings", func() error { return c.rig.Loop.For(s.ManyIdle) })
	if err != nil {
		return err
	}
	after, err := measure.MemoryOf(c.rig.PID)
	if err != nil {
		return err
	}
	values["many_kb"] = kbEach(after.RSS-before.RSS, s.ManyConnections)
	values["many_us_s"] = per(cpu, s.ManyConnections) / s.ManyIdle.Seconds()
	return c.err
}
