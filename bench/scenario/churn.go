package scenario

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"syscall"
	"time"

	"gatehouse/bench/client"
)

const (
	comers     = 40 // clients that come and go at once
	churnRooms = 20
)

var errGhost = errors.New("a client that is gone is still in its room")

// churn measures clients that connect, join a room and go. Half of them leave the
// room first, the others go while they are in it.
func (s Sizes) churn(r *Rig) (Values, error) {
	if err := warm(r); err != nil {
		return nil, err
	}
	t := &turnstile{rig: r, cycles: s.ChurnCycles}
	cpu, err := r.spent("churn", t.run)
	if err != nil {
		return nil, err
	}
	return Values{"churn_us": per(cpu, s.ChurnCycles)}, ghosts(r)
}

// turnstile runs the cycles. It is the handler of the connections.
type turnstile struct {
	rig     *Rig
	cycles  int
	started int
	ended   int
	err     error
}

func (t *turnstile) run() error {
	for range min(comers, t.cycles) {
		t.start()
	}
	err := t.rig.Loop.Until(func() bool { return t.err != nil || t.ended == t.cycles }, t.rig.Patience)
	if t.err != nil {
		return t.err
	}
	if err != nil {
		return fmt.Errorf("%d of %d clients came and went: %w", t.ended, t.started, err)
	}
	return nil
}

func (t *turnstile) start() {
	id := t.started
	t.started++
	if _, err := t.rig.Loop.Dial(id, t.rig.config("/chat", "comer-"+strconv.Itoa(id)), t); err != nil {
		t.fail(err)
	}
}

func (t *turnstile) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// Admitted joins a room.
func (t *turnstile) Admitted(c *client.Conn) { c.Join(0, roomOf(c.ID), "") }

// Ack of the join leads to the leave, or at once to the end; that of the leave to the end.
func (t *turnstile) Ack(c *client.Conn, id uint64, granted bool, data []byte) {
	switch {
	case !granted:
		t.fail(fmt.Errorf("%w: %.200s", errDenied, data))
	case id == 0 && c.ID%2 == 0:
		c.Leave(1, roomOf(c.ID))
	default:
		c.Close()
	}
}

// Message does not come: nobody sends any.
func (t *turnstile) Message(*client.Conn, []byte) {}

// Room is not awaited: the requests are small.
func (t *turnstile) Room(*client.Conn) {}

// Closed ends a cycle and starts the next.
func (t *turnstile) Closed(_ *client.Conn, err error) {
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.fail(err)
	}
	t.ended++
	if t.started < t.cycles {
		t.start()
	}
}

func roomOf(cycle int) string { return "room-" + strconv.Itoa(cycle%churnRooms) }

// ghosts fails when somebody is left in a room although everybody has gone.
func ghosts(r *Rig) error {
	if err := r.Loop.For(time.Second); err != nil {
		return err
	}
	c := newCrowd(r, "/chat")
	answers := 0
	c.ack = func(_ int, id uint64, data []byte) {
		answers++
		if !r.Protocol.Alone(data) {
			c.fail(fmt.Errorf("%w: %s: %.200s", errGhost, roomOf(int(id)), data))
		}
	}
	if err := c.connect(1); err != nil {
		return err
	}
	for i := range churnRooms {
		c.conns[0].Count(uint64(i), roomOf(i))
	}
	return c.until(func() bool { return answers == churnRooms })
}
