package scenario

import (
	"time"

	"gatehouse/bench/measure"
)

// Hall is a room of the chat that stays for several runs, for whoever measures
// something beside them. The first lost, repeated or reordered message makes all
// further runs fail.
type Hall struct{ room *room }

// Run is what one run of a hall took.
type Run struct {
	CPU                  time.Duration // of the server, all its nodes
	Messages, Deliveries int
	P50, P99, Max        time.Duration // from sending to reading
}

// OpenHall brings so many members into a room and has a few messages go round.
func OpenHall(r *Rig, members int) (*Hall, error) {
	m := newRoom(r, "hall")
	return &Hall{room: m}, m.fill(members)
}

// Burst sends so many messages, a few of them on their way at once.
func (h *Hall) Burst(messages int) (Run, error) {
	return h.run("burst", func() error { return h.room.burst(messages) })
}

// Pace sends so many messages at a rate a second.
func (h *Hall) Pace(messages, rate int) (Run, error) {
	return h.run("paced", func() error { return h.room.pace(messages, rate) })
}

func (h *Hall) run(section string, work func() error) (Run, error) {
	m := h.room
	cpu, err := m.rig.spent(section, work)
	if err := m.verdict(err); err != nil {
		return Run{}, err
	}
	return Run{
		CPU: cpu, Messages: len(m.sentAt), Deliveries: m.book.Delivered(),
		P50: time.Duration(measure.Percentile(m.latencies, 50)), P99: time.Duration(measure.Percentile(m.latencies, 99)),
		Max: time.Duration(measure.Percentile(m.latencies, 100)),
	}, m.err
}
