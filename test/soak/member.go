package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gatehouse/internal/wiretest"
)

// member is a user of the chat with one connection at a time.
type member struct {
	// Fixed.
	name      string
	token     string
	addr      string // of its line, or of the server
	calm      bool   // no faults, no churn: it stays as long as the server does
	transport string // of a calm one; others choose
	crew      *crew
	dice      *rand.Rand // for the goroutine that acts

	mu      sync.Mutex // guards what follows
	tracks  map[string]*track
	order   []string // of the rooms
	letters []*letter
	byNonce map[string]*letter
	stays   int  // connections that were admitted
	present bool // is admitted now, and in all rooms
}

func newMember(c *crew, n int, calm bool, transport string) *member {
	m := &member{
		name: fmt.Sprintf("%s %d", c.kind, n), calm: calm, transport: transport, crew: c,
		dice:   rand.New(rand.NewPCG(c.seed, uint64(n))), // repeatable, not secret
		tracks: make(map[string]*track), byNonce: make(map[string]*letter),
	}
	return m
}

// enrol lets the member be in a room.
func (m *member) enrol(room string) {
	if m.tracks[room] == nil {
		m.tracks[room] = &track{member: m.name, room: room}
		m.order = append(m.order, room)
	}
}

// live connects again and again until the crew goes home.
func (m *member) live(ctx context.Context) {
	for ctx.Err() == nil && !m.crew.going() {
		transport := m.transport
		if transport == "" {
			transport = wiretest.Transports[m.dice.IntN(len(wiretest.Transports))]
		}
		w, err := dial(ctx, m.addr, transport, m.crew.secure)
		if err != nil {
			m.crew.tally.count("refused: " + how(err))
			m.rest(ctx, 100*time.Millisecond, 500*time.Millisecond)
			continue
		}
		m.visit(ctx, w, transport)
		m.rest(ctx, 0, 300*time.Millisecond)
	}
}

// visit is one connection from its opening to its end.
func (m *member) visit(ctx context.Context, w *wire, transport string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &visit{m: m, wire: w, asked: make(map[uint64]chan answer), admitted: make(chan struct{}), over: make(chan struct{})}
	stop := context.AfterFunc(ctx, w.drop)
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.read()
	}()
	planned := v.act(ctx)
	if !planned {
		w.drop()
	}
	<-done
	m.gone()
	if planned {
		m.crew.tally.count("left, " + transport)
		return
	}
	m.crew.tally.count("ended: " + how(v.err))
	if m.calm && !m.crew.restarting() {
		m.crew.fault(fmt.Errorf("%s over %s, on an undisturbed line, was cut: %w", m.name, transport, v.err))
	}
}

// gone ends all stays.
func (m *member) gone() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.present = false
	for _, t := range m.tracks {
		t.end()
	}
}

// rest waits for a while.
func (m *member) rest(ctx context.Context, least, most time.Duration) {
	t := time.NewTimer(least + time.Duration(m.dice.Int64N(int64(most-least)+1)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// suffer lets things happen to the member's line until the trouble is over.
func (m *member) suffer(trouble context.Context, w *wireline, dice *rand.Rand) {
	for {
		t := time.NewTimer(2*time.Second + time.Duration(dice.Int64N(int64(10*time.Second))))
		select {
		case <-t.C:
		case <-trouble.Done():
			t.Stop()
			w.heal()
			return
		}
		f := well + 1 + fault(dice.IntN(int(faults-1)))
		lasts := time.Second + time.Duration(dice.Int64N(int64(6*time.Second)))
		if w.strike(f, lasts, 1+dice.Int64N(2000)) {
			m.crew.tally.count("fault: " + f.String())
		}
	}
}

// unanswered returns how many messages of the member have no acknowledgement.
func (m *member) unanswered() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.acked == 0 {
			n++
		}
	}
	return n
}

// lacks names a room in which the member has not seen a message, or is not.
func (m *member) lacks(markers map[string]id) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.present {
		return "is not there"
	}
	for room, t := range m.tracks {
		if t.now == nil || t.seen() < markers[room] {
			return "lacks the last message of " + room
		}
	}
	return ""
}
