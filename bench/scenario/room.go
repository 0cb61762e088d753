package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"gatehouse/bench/ledger"
)

const (
	senders  = 4  // members that send in turn
	inFlight = 4  // messages of a burst that have not reached everybody yet
	rehearse = 24 // messages before those that are measured

	// text makes a message about 60 bytes long. It follows the message's number.
	text = " the quick brown fox jumps over the lazy dog, twice"
	long = 2000 // characters of a long text
)

var (
	errForeign = errors.New("message not sent by us")
	numbered   = []byte(`"#`) // begins the text of our messages; seven digits follow
)

// room is a crowd in one room of the chat, all of whose messages are accounted for.
type room struct {
	*crowd
	name string
	text string // of its messages, after the number
	next int    // number of the next message; numbers of earlier runs are not used again
	last string // id of the newest message that reached everybody

	// State of the present run.
	first     int
	book      *ledger.Ledger
	completed int
	sentAt    []time.Time
	latencies []int64 // of each delivery, in nanoseconds
}

func newRoom(r *Rig, name string) *room {
	m := &room{crowd: newCrowd(r, "/chat"), name: name, text: text, book: ledger.New(0, 0, 1)}
	m.message = m.deliver
	return m
}

// begin opens the account of a run.
func (m *room) begin(count int) {
	m.first, m.completed, m.acked = m.next, 0, 0
	m.book = ledger.New(count, len(m.conns), senders)
	m.sentAt = make([]time.Time, 0, count)
	m.latencies = make([]int64, 0, count*len(m.conns))
}

// send sends the next message, the senders taking turns.
func (m *room) send() {
	member := (m.next - m.first) % senders
	number := fmt.Sprintf("%07d", m.next)
	m.sentAt = append(m.sentAt, time.Now())
	m.conns[member].Say(uint64(m.next), m.name, "#"+number+m.text, "n"+number)
	m.next++
}

func (m *room) deliver(member int, data []byte) {
	number, err := numberOf(data)
	if err != nil {
		m.fail(err)
		return
	}
	if i := number - m.first; i >= 0 && i < len(m.sentAt) {
		m.latencies = append(m.latencies, int64(m.rig.Loop.Now().Sub(m.sentAt[i])))
	}
	if m.book.Deliver(member, number-m.first) {
		m.completed++
		m.last = m.rig.Protocol.IDOf(data)
	}
}

func numberOf(data []byte) (int, error) {
	at := bytes.Index(data, numbered) + len(numbered)
	if at < len(numbered) || len(data) < at+7 {
		return 0, fmt.Errorf("%w: %.200s", errForeign, data)
	}
	return strconv.Atoi(string(data[at : at+7]))
}

// burst sends count messages, the next whenever fewer than inFlight are on their way.
func (m *room) burst(count int) error {
	m.begin(count)
	err := m.until(func() bool {
		for len(m.sentAt) < count && len(m.sentAt)-m.completed < inFlight {
			m.send()
		}
		return m.finished(count)
	})
	return m.verdict(err)
}

// pace sends count messages at the rate given per second.
func (m *room) pace(count, rate int) error {
	m.begin(count)
	start := time.Now()
	for i := range count {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		if err := m.rig.Loop.For(time.Until(due)); err != nil {
			return err
		}
		m.send()
	}
	return m.verdict(m.until(func() bool { return m.finished(count) }))
}

func (m *room) finished(count int) bool { return m.completed == count && m.acked == count }

// verdict returns the ledger's findings in preference to a timeout, which they
// explain.
func (m *room) verdict(err error) error {
	if broken := m.book.Err(); broken != nil {
		return errors.Join(broken, m.err)
	}
	return err
}

// fill brings n members into the room and has a few messages go round.
func (m *room) fill(n int) error {
	if err := m.connect(n); err != nil {
		return err
	}
	if err := m.join(m.name, 0, ""); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if err := m.burst(rehearse); err != nil {
		return fmt.Errorf("rehearsal: %w", err)
	}
	return nil
}
