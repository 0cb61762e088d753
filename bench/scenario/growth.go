package scenario

import (
	"fmt"
	"time"

	"gatehouse/bench/measure"
)

// growth measures the same fan-out in one room that grows.
func (s Sizes) growth(r *Rig) (Values, error) {
	if err := warm(r); err != nil {
		return nil, err
	}
	before, err := measure.MemoryOf(r.PID)
	if err != nil {
		return nil, err
	}
	values := Values{}
	m := newRoom(r, "hall")
	for _, n := range s.GrowthMembers {
		if err := s.grow(m, n, values); err != nil {
			return nil, fmt.Errorf("%d members: %w", n, err)
		}
	}
	after, err := measure.MemoryOf(r.PID)
	if err != nil {
		return nil, err
	}
	largest := s.GrowthMembers[len(s.GrowthMembers)-1]
	values["growth_kb"] = kbEach(after.RSS-before.RSS, largest)
	values["growth_flat"] = values[growthID("us", largest)] / values[growthID("us", s.GrowthMembers[1])]
	return values, m.verdict(m.err)
}

// grow brings the room to n members and measures it.
func (s Sizes) grow(m *room, n int, values Values) error {
	present := len(m.conns)
	if err := m.connect(n); err != nil {
		return err
	}
	cpu, err := m.rig.spent(growthID("join", n), func() error { return m.join(m.name, present, m.last) })
	if err != nil {
		return err
	}
	values[growthID("join_us", n)] = per(cpu, n-present)
	if err := m.burst(rehearse); err != nil {
		return err
	}
	count := max(rehearse, s.GrowthDeliveries/n)
	cpu, err = m.rig.spent(growthID("us", n), func() error { return m.burst(count) })
	if err != nil {
		return err
	}
	values[growthID("us", n)] = per(cpu, count*n)
	return m.rig.Loop.For(200 * time.Millisecond)
}

func growthID(kind string, n int) string { return fmt.Sprintf("growth_%s_%d", kind, n) }
