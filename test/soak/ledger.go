package main

import (
	"fmt"
	"slices"
)

// ledger compares what the members have seen.
type ledger struct {
	life   func(id) int // which process made a message
	faults []string     // the first ones
	wrong  int

	orders map[string][]id // for each room: everything that anybody saw
}

const shownFaults = 40

func (l *ledger) fault(format string, args ...any) {
	l.wrong++
	if len(l.faults) < shownFaults {
		l.faults = append(l.faults, fmt.Sprintf(format, args...))
	}
}

// collect learns the orders of the rooms.
func (l *ledger) collect(tracks []*track) {
	l.orders = make(map[string][]id)
	for _, t := range tracks {
		for _, s := range t.stays {
			l.orders[t.room] = append(l.orders[t.room], s.ids...)
		}
		if len(l.orders[t.room]) > 1<<20 {
			l.tidy(t.room)
		}
	}
	for room := range l.orders {
		l.tidy(room)
	}
}

func (l *ledger) tidy(room string) {
	slices.Sort(l.orders[room])
	l.orders[room] = slices.Compact(l.orders[room])
}

// place returns the place of a message in the order of its room.
func (l *ledger) place(room string, n id) int {
	i, found := slices.BinarySearch(l.orders[room], n)
	if !found {
		return -1
	}
	return i
}

// check compares one member's stays with the order of the room.
func (l *ledger) check(t *track) {
	for _, s := range t.stays {
		if len(s.ids) == 0 {
			continue
		}
		at := l.place(t.room, s.ids[0])
		if s.complete && s.since > 0 && l.place(t.room, s.since) != at-1 {
			l.fault("%s in %s: back since %s with a complete history, which begins at %s and lacks %d",
				t.member, t.room, formatID(s.since), formatID(s.ids[0]), at-1-l.place(t.room, s.since))
		}
		l.piece(t, s, at)
	}
}

// piece checks that a stay is one piece of the order.
func (l *ledger) piece(t *track, s *stay, at int) {
	order := l.orders[t.room]
	for i, n := range s.ids {
		if at+i < len(order) && order[at+i] == n {
			continue
		}
		missing := l.place(t.room, n) - (at + i)
		l.fault("%s in %s: %d missing between %s and %s (%d of the stay's %d, %d of them history)",
			t.member, t.room, missing, formatID(s.ids[i-1]), formatID(n), i, len(s.ids), s.history)
		at += missing
	}
}

// letter is a message as its sender knows it.
type letter struct {
	room  string
	seq   int
	nonce string
	text  string
	acked id
	ids   []id // under which its sender saw it
}

// checkLetters compares a member's messages with the orders of the rooms.
func (l *ledger) checkLetters(member string, letters []*letter) {
	type place struct {
		room string
		life int
	}
	last := make(map[place]id)
	for _, m := range letters {
		lives := make(map[int]id)
		for _, n := range m.ids {
			life := l.life(n)
			if other, ok := lives[life]; ok && other != n {
				l.fault("%s: %s was sent twice, as %s and %s", member, m.nonce, formatID(other), formatID(n))
			}
			lives[life] = n
			p := place{m.room, life}
			if n < last[p] {
				l.fault("%s: %s stands before what was sent before it in %s", member, m.nonce, m.room)
			}
			last[p] = max(last[p], n)
		}
		if m.acked != 0 && l.place(m.room, m.acked) < 0 {
			l.fault("%s: %s was acknowledged as %s, which nobody saw", member, m.nonce, formatID(m.acked))
		}
	}
}
