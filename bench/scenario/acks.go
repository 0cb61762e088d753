package scenario

import (
	"fmt"
	"strconv"
	"time"

	"gatehouse/bench/measure"
)

const (
	askers = 20  // clients who are alone in a room each
	asks   = 400 // messages of theirs a second
)

// asking are clients that send messages to nobody but themselves, for the sake of
// the answers.
type asking struct {
	*crowd
	askedAt   []time.Time
	answered  []bool
	heard     int // messages that came back
	latencies []int64
}

// acks measures how long answers take while a room hears a paced fan-out.
func (s Sizes) acks(r *Rig) (Values, error) {
	m := newRoom(r, "hall")
	if err := m.fill(s.PacedMembers); err != nil {
		return nil, err
	}
	a := &asking{crowd: newCrowd(r, "/chat")}
	a.first = s.PacedMembers
	a.ack, a.message = a.answer, func(int, []byte) { a.heard++ }
	if err := a.enterAlone(); err != nil {
		return nil, err
	}
	if err := a.beside(m, s.AcksMessages, s.PacedRate); err != nil {
		return nil, err
	}
	return Values{
		"acks_p50_ms": milliseconds(measure.Percentile(a.latencies, 50)),
		"acks_p99_ms": milliseconds(measure.Percentile(a.latencies, 99)),
	}, m.verdict(m.err)
}

func (a *asking) enterAlone() error {
	if err := a.connect(askers); err != nil {
		return err
	}
	joined := 0
	answer := a.ack
	a.ack = func(int, uint64, []byte) { joined++ }
	for i, c := range a.conns {
		c.Join(0, aloneIn(i), "")
	}
	err := a.until(func() bool { return joined == askers })
	a.ack = answer
	return err
}

// beside asks while the room's messages are sent at the rate, and goes on until
// all has come back. Asking goes on whether or not answers come.
func (a *asking) beside(m *room, messages, rate int) error {
	m.begin(messages)
	start := time.Now()
	for i := range messages * asks / rate {
		if err := m.rig.Loop.For(time.Until(start.Add(time.Duration(i) * time.Second / asks))); err != nil {
			return err
		}
		if i%(asks/rate) == 0 {
			m.send()
		}
		a.askedAt, a.answered = append(a.askedAt, time.Now()), append(a.answered, false)
		a.conns[i%askers].Say(uint64(i), aloneIn(i%askers), "#"+fmt.Sprintf("%07d", i)+text, "a"+strconv.Itoa(i))
	}
	err := m.until(func() bool {
		return a.err != nil || m.finished(messages) && len(a.latencies) == len(a.askedAt) && a.heard == len(a.askedAt)
	})
	if a.err != nil {
		return a.err
	}
	if err != nil {
		err = fmt.Errorf("%d of %d requests answered, %d heard: %w", len(a.latencies), len(a.askedAt), a.heard, err)
	}
	return m.verdict(err)
}

func (a *asking) answer(_ int, id uint64, data []byte) {
	if id >= uint64(len(a.askedAt)) || a.answered[id] {
		a.fail(fmt.Errorf("%w: nobody asked %d: %.200s", errForeign, id, data))
		return
	}
	a.answered[id] = true
	a.latencies = append(a.latencies, int64(a.rig.Loop.Now().Sub(a.askedAt[id])))
}

func aloneIn(asker int) string { return "alone-" + strconv.Itoa(asker) }
