package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// act acts as a member: it signs in, joins its rooms, sends unacknowledged
// messages again, and then sends, leaves rooms and comes back, until it has had
// enough. It reports whether the member ended the connection itself.
func (v *visit) act(ctx context.Context) (planned bool) {
	ctx, cancel := context.WithCancel(ctx)
	var acks sync.WaitGroup
	defer acks.Wait()
	defer cancel()
	if err := v.enter(ctx, &acks); err != nil {
		return false
	}
	for {
		switch {
		case v.m.crew.going():
			v.goodbye()
			return true
		case v.m.crew.settling(): // no more of one's own
		case !v.m.calm && v.m.dice.IntN(60) == 0:
			v.goodbye()
			return true
		default:
			if v.step(ctx, &acks) != nil {
				return false
			}
		}
		if !v.pause(ctx) {
			return false
		}
	}
}

// goodbye leaves in one of the ways in which clients leave.
func (v *visit) goodbye() {
	switch v.m.dice.IntN(3) {
	case 0:
		_ = v.wire.send("1" + prefix)
		v.wire.leave()
	case 1:
		v.wire.leave()
	default:
		v.wire.drop()
	}
}

// pause waits for the time until the next step; false when the connection is
// over meanwhile.
func (v *visit) pause(ctx context.Context) bool {
	t := time.NewTimer(200*time.Millisecond + time.Duration(v.m.dice.Int64N(int64(1200*time.Millisecond))))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-v.over:
	case <-ctx.Done():
	}
	return false
}

func (v *visit) enter(ctx context.Context, acks *sync.WaitGroup) error {
	if err := v.wire.send("0" + prefix + `{"token":"` + v.m.token + `"}`); err != nil {
		return err
	}
	select {
	case <-v.admitted:
	case <-v.over:
		return errOver
	}
	for _, room := range v.m.order {
		if err := v.join(room); err != nil {
			return err
		}
	}
	v.m.mu.Lock()
	v.m.stays++
	v.m.present = true
	var again []*letter
	for _, l := range v.m.letters {
		if l.acked == 0 {
			again = append(again, l)
		}
	}
	v.m.mu.Unlock()
	for _, l := range again {
		v.m.crew.tally.resent.Add(1)
		if err := v.post(ctx, l, acks); err != nil {
			return err
		}
	}
	return nil
}

// step is one action of a member.
func (v *visit) step(ctx context.Context, acks *sync.WaitGroup) error {
	dice := v.m.dice
	room := v.m.order[dice.IntN(len(v.m.order))]
	if !v.m.calm && dice.IntN(25) == 0 {
		if err := v.leaveRoom(room); err != nil {
			return err
		}
		return v.join(room)
	}
	for range 1 + dice.IntN(3) {
		if err := v.post(ctx, v.m.write(room), acks); err != nil {
			return err
		}
	}
	return nil
}

// write makes a new letter. Some are long, in the first room most.
func (m *member) write(room string) *letter {
	size := 20 + m.dice.IntN(180)
	if m.dice.IntN(50) == 0 || room == m.crew.rooms[0] {
		size = 3000
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &letter{room: room, seq: len(m.letters), text: strings.Repeat("x", size)}
	l.nonce = fmt.Sprintf("%s-%d", m.name, l.seq)
	m.letters = append(m.letters, l)
	m.byNonce[l.nonce] = l
	return l
}

// nap stops reading now and then, as a slow client does. Meanwhile it says that
// the client lives.
func (m *member) nap(w *wire) {
	if m.calm || m.crew.settling() || m.crew.naps.Add(1)%4000 != 0 {
		return
	}
	m.crew.tally.count("stopped reading")
	for range 8 {
		time.Sleep(500 * time.Millisecond)
		if w.pong() != nil {
			return
		}
	}
}
