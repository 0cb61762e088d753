package scenario

import (
	"strings"
	"time"

	"gatehouse/bench/measure"
)

// burst measures fan-out when messages follow each other closely.
func (s Sizes) burst(r *Rig) (Values, error) {
	return bursts(newRoom(r, "hall"), "burst", s.BurstMembers, s.BurstMessages)
}

// large measures the same with texts of 2 KB.
func (s Sizes) large(r *Rig) (Values, error) {
	m := newRoom(r, "hall")
	m.text = strings.Repeat(text, long/len(text)+1)[:long]
	return bursts(m, "large", s.BurstMembers, s.LargeMessages)
}

func bursts(m *room, name string, members, messages int) (Values, error) {
	if err := m.fill(members); err != nil {
		return nil, err
	}
	cpu, err := m.rig.spent(name, func() error { return m.burst(messages) })
	if err != nil {
		return nil, err
	}
	return Values{name + "_us": per(cpu, m.book.Delivered())}, m.verdict(m.err)
}

// paced measures fan-out when there is time between the messages.
func (s Sizes) paced(r *Rig) (Values, error) {
	return paces(newRoom(r, "hall"), "paced", s.PacedMembers, s.PacedMessages, s.PacedRate)
}

// poll measures the same with clients that use long-polling.
func (s Sizes) poll(r *Rig) (Values, error) {
	m := newRoom(r, "hall")
	m.polling = true
	return paces(m, "poll", s.PollMembers, s.PollMessages, s.PollRate)
}

func paces(m *room, name string, members, messages, rate int) (Values, error) {
	if err := m.fill(members); err != nil {
		return nil, err
	}
	cpu, err := m.rig.spent(name, func() error { return m.pace(messages, rate) })
	if err != nil {
		return nil, err
	}
	return Values{
		name + "_us":     per(cpu, m.book.Delivered()),
		name + "_p50_ms": milliseconds(measure.Percentile(m.latencies, 50)),
		name + "_p99_ms": milliseconds(measure.Percentile(m.latencies, 99)),
	}, m.verdict(m.err)
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
