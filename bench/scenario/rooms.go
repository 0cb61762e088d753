package scenario

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/bench/ledger"
	"gatehouse/bench/measure"
)

// perRoom is how far the numbers of two rooms' messages lie apart.
const perRoom = 1000

// rooms are many rooms of one crowd: each client is in several of them, at the
// same place of each.
type rooms struct {
	*crowd
	names     []string
	size      int // members of a room
	books     []*ledger.Ledger
	sent      []int // messages of each room
	sentAt    map[int]time.Time
	missing   int // deliveries that have not come yet
	latencies []int64
}

// rooms measures many rooms in which somebody says something each second.
func (s Sizes) rooms(r *Rig) (Values, error) {
	m, err := s.enterRooms(r)
	if err != nil {
		return nil, err
	}
	if err := m.talk(1); err != nil {
		return nil, fmt.Errorf("rehearsal: %w", err)
	}
	cpu, err := r.spent("rooms", func() error { return m.talk(s.RoomsSeconds) })
	if err != nil {
		return nil, err
	}
	return Values{
		"rooms_us":     per(cpu, s.RoomsSeconds*len(m.names)*m.size),
		"rooms_p50_ms": milliseconds(measure.Percentile(m.latencies, 50)),
		"rooms_p99_ms": milliseconds(measure.Percentile(m.latencies, 99)),
	}, m.verdict()
}

// enterRooms brings every client into its rooms.
func (s Sizes) enterRooms(r *Rig) (*rooms, error) {
	m := &rooms{crowd: newCrowd(r, "/chat"), size: s.RoomsMembers}
	m.message = m.deliver
	for i := range s.Rooms {
		m.names = append(m.names, fmt.Sprint("room-", i))
	}
	if err := m.connect(s.RoomsClients); err != nil {
		return nil, err
	}
	for i, name := range m.names {
		for place := range m.size {
			m.conns[m.client(i, place)].Join(0, name, "")
		}
		if err := m.answered((i + 1) * m.size); err != nil {
			return nil, fmt.Errorf("join: %w", err)
		}
	}
	return m, nil
}

// client returns who has a place in a room.
func (m *rooms) client(room, place int) int { return (room*m.size + place) % len(m.conns) }

// talk has one message sent in each room a second, the rooms one after the other.
func (m *rooms) talk(seconds int) error {
	m.acked, m.missing, m.latencies = 0, seconds*len(m.names)*m.size, nil
	m.sent, m.sentAt, m.books = make([]int, len(m.names)), map[int]time.Time{}, nil
	for range m.names {
		m.books = append(m.books, ledger.New(seconds, m.size, senders))
	}
	start, every := time.Now(), time.Second/time.Duration(len(m.names))
	for i := range seconds * len(m.names) {
		if err := m.rig.Loop.For(time.Until(start.Add(time.Duration(i) * every))); err != nil {
			return err
		}
		m.say(i % len(m.names))
	}
	err := m.until(func() bool { return m.missing <= 0 && m.acked == seconds*len(m.names) })
	if broken := m.verdict(); broken != nil {
		return broken
	}
	return err
}

func (m *rooms) say(room int) {
	n := m.sent[room]
	m.sent[room]++
	number := fmt.Sprintf("%07d", room*perRoom+n)
	m.sentAt[room*perRoom+n] = time.Now()
	nonce := fmt.Sprintf("%s-%d", number, time.Now().UnixNano())
	m.conns[m.client(room, n%senders)].Say(0, m.names[room], "#"+number+text, nonce)
}

func (m *rooms) deliver(client int, data []byte) {
	number, err := numberOf(data)
	if err != nil {
		m.fail(err)
		return
	}
	room, place := number/perRoom, client%m.size
	if room >= len(m.books) || m.client(room, place) != client {
		m.fail(fmt.Errorf("%w: client %d is in no such room: %.200s", errForeign, client, data))
		return
	}
	m.latencies = append(m.latencies, int64(m.rig.Loop.Now().Sub(m.sentAt[number])))
	m.missing--
	m.books[room].Deliver(place, number%perRoom)
}

func (m *rooms) verdict() error {
	for i, book := range m.books {
		if broken := book.Err(); broken != nil {
			return errors.Join(fmt.Errorf("%s: %w", m.names[i], broken), m.err)
		}
	}
	return m.err
}
