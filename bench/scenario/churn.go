package scenario

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"gatehouse/bench/client"
)

const (
	comers     = 40 // clients that come and go at once
	churnRooms = 20
)

var (
	errGhost = errors.New("a client that is gone is still in its room")
	alone    = regexp.MustCompile(`"count":1[,}]`)
)

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
	cfg := client.Config{Addr: t.rig.Addr, Namespace: "/chat", Token: t.rig.Sign("comer-" + strconv.Itoa(id))}
	if _, err := t.rig.Loop.Dial(id, cfg, t); err != nil {
		t.fail(err)
	}
}

func (t *turnstile) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// Admitted joins a room.
func (t *turnstile) Admitted(c *client.Conn) { t.ask(c, 0, "room:join") }

// Ack of the join leads to the leave, or at once to the end; that of the leave to the end.
func (t *turnstile) Ack(c *client.Conn, id uint64, data []byte) {
	switch {
	case !ok(data):
		t.fail(fmt.Errorf("%w: %.200s", errDenied, data))
	case id == 0 && c.ID%2 == 0:
		t.ask(c, 1, "room:leave")
	default:
		c.Close()
	}
}

func (t *turnstile) ask(c *client.Conn, id int, event string) {
	c.Send(client.AppendText(nil, "42/chat,", strconv.Itoa(id), `["`, event, `",{"room":"`, roomOf(c.ID), `"}]`))
}

// Event is somebody else's coming or going.
func (t *turnstile) Event(*client.Conn, []byte) {}

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
		if !alone.Match(data) {
			c.fail(fmt.Errorf("%w: %s: %.200s", errGhost, roomOf(int(id)), data))
		}
	}
	if err := c.connect(1); err != nil {
		return err
	}
	for i := range churnRooms {
		c.request(0, uint64(i), "room:join", `{"room":"`+roomOf(i)+`"}`)
	}
	return c.until(func() bool { return answers == churnRooms })
}
