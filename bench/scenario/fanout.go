package scenario

import (
	"time"

	"gatehouse/bench/measure"
)

// burst measures fan-out when messages follow each other closely.
func (s Sizes) burst(r *Rig) (Values, error) {
	m := newRoom(r, "hall")
	if err := m.fill(s.BurstMembers); err != nil {
		return nil, err
	}
	cpu, err := r.spent("burst", func() error { return m.burst(s.BurstMessages) })
	if err != nil {
		return nil, err
	}
	return Values{"burst_us": per(cpu, m.book.Delivered())}, m.verdict(m.err)
}

// paced measures fan-out when there is time between the messages.
func (s Sizes) paced(r *Rig) (Values, error) {
	m := newRoom(r, "hall")
	if err := m.fill(s.PacedMembers); err != nil {
		return nil, err
	}
	cpu, err := r.spent("paced", func() error { return m.pace(s.PacedMessages, s.PacedRate) })
	if err != nil {
		return nil, err
	}
	return Values{
		"paced_us":     per(cpu, m.book.Delivered()),
		"paced_p50_ms": milliseconds(measure.Percentile(m.latencies, 50)),
		"paced_p99_ms": milliseconds(measure.Percentile(m.latencies, 99)),
	}, m.verdict(m.err)
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
