package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
)

// crew is all members, and what they share.
type crew struct {
	kind   string
	seed   uint64
	rooms  []string
	tally  tally
	secure *tls.Config // of the members

	members []*member
	lines   []*wireline
	all     sync.WaitGroup

	naps      atomic.Int64
	phase     atomic.Int32
	restarted atomic.Int64 // until when the end of a connection may come from a restart, in nanoseconds since 1970

	mu     sync.Mutex // guards what follows
	faults []error
	wrong  int
}

// Phases of a run.
const (
	trouble int32 = iota
	settle        // no more faults and no new messages: everybody catches up
	home          // everybody leaves
)

func (c *crew) settling() bool   { return c.phase.Load() >= settle }
func (c *crew) going() bool      { return c.phase.Load() >= home }
func (c *crew) restarting() bool { return time.Now().UnixNano() < c.restarted.Load() }

// fault notes something that must not happen.
func (c *crew) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong++
	if len(c.faults) < shownFaults {
		c.faults = append(c.faults, err)
	}
}

// report notes err if there is one, and hands it on.
func (c *crew) report(err error) error {
	if err != nil {
		c.fault(err)
	}
	return err
}

// calmMembers are those on an undisturbed line, one for each transport; the
// first is in every room.
const calmMembers = 3

// gather makes the members, each with its rooms and its line to the server. The
// name is of their kind: crews of different kinds do not meet.
func gather(o options, kind, addr string, signer *handshake.Signer) (*crew, error) {
	c := &crew{kind: kind, seed: o.seed, secure: o.secure}
	c.tally.init()
	for i := range o.rooms {
		c.rooms = append(c.rooms, fmt.Sprintf("room %d of %ss", i, kind))
	}
	for n := range o.members {
		calm := n < calmMembers
		m := newMember(c, n, calm, "")
		if calm {
			m.transport = wiretest.Transports[n]
		}
		if n == 0 {
			for _, room := range c.rooms {
				m.enrol(room)
			}
		}
		m.enrol(c.rooms[n%len(c.rooms)])
		m.enrol(c.rooms[m.dice.IntN(len(c.rooms))])
		if err := c.equip(m, addr, o.duration, signer); err != nil {
			c.close()
			return nil, err
		}
		c.members = append(c.members, m)
	}
	return c, nil
}

// equip gives a member its token and its line.
func (c *crew) equip(m *member, addr string, duration time.Duration, signer *handshake.Signer) (err error) {
	m.token, _, err = signer.Sign(handshake.TokenSpec{Subject: m.name, TTL: duration + time.Hour})
	if err != nil {
		return err
	}
	m.addr = addr
	if m.calm {
		return nil
	}
	w, err := newWireline(addr)
	if err != nil {
		return err
	}
	c.lines = append(c.lines, w)
	m.addr = w.addr()
	return nil
}

// start starts all members; trouble lasts as long as the faults.
func (c *crew) start(ctx, troubled context.Context) {
	line := 0
	for n, m := range c.members {
		c.all.Go(func() { m.live(ctx) })
		if m.calm {
			continue
		}
		w := c.lines[line]
		line++
		dice := rand.New(rand.NewPCG(c.seed, 1<<32+uint64(n))) // repeatable, not secret
		c.all.Go(func() { m.suffer(troubled, w, dice) })
	}
}

// catchUp waits until every member has an acknowledgement for all its messages,
// and has seen the last message of each of its rooms.
func (c *crew) catchUp(ctx context.Context) error {
	c.phase.Store(settle)
	err := await(ctx, 90*time.Second, func() (bool, error) {
		for _, m := range c.members {
			if n := m.unanswered(); n > 0 {
				return false, fmt.Errorf("%s waits for %d acknowledgements", m.name, n)
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("messages without an acknowledgement: %w", err)
	}
	markers := make(map[string]id)
	for _, m := range c.members {
		m.mu.Lock()
		for _, l := range m.letters {
			markers[l.room] = max(markers[l.room], l.acked)
		}
		m.mu.Unlock()
	}
	err = await(ctx, 60*time.Second, func() (bool, error) {
		for _, m := range c.members {
			if what := m.lacks(markers); what != "" {
				return false, fmt.Errorf("%s %s", m.name, what)
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("not everybody has everything: %w", err)
	}
	return nil
}

// verdict compares everything that the members have seen and sent.
func (c *crew) verdict(life func(id) int) error {
	l := &ledger{life: life}
	var tracks []*track
	for _, m := range c.members {
		for _, room := range m.order {
			tracks = append(tracks, m.tracks[room])
		}
	}
	l.collect(tracks)
	for _, t := range tracks {
		l.check(t)
		c.tally.stays += len(t.stays)
	}
	for _, m := range c.members {
		l.checkLetters(m.name, m.letters)
		c.tally.sent += len(m.letters)
	}
	for _, order := range l.orders {
		c.tally.messages += len(order)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.faults)
	for _, text := range l.faults {
		all = append(all, errors.New(text))
	}
	if n := c.wrong + l.wrong; n > 0 {
		all = append(all, fmt.Errorf("%d faults in all", n))
	}
	return errors.Join(all...)
}

// close ends the lines and waits for everybody.
func (c *crew) close() {
	for _, w := range c.lines {
		w.close()
	}
	c.all.Wait()
}
