package scenario

import (
	"errors"
	"fmt"
	"strconv"

	"gatehouse/bench/client"
)

// dialling is how many connections, or joins, of a crowd are on their way at once.
const dialling = 32

var (
	errLost   = errors.New("connection lost")
	errDenied = errors.New("request denied")
)

// crowd is many clients of one namespace. It is the handler of their connections.
type crowd struct {
	rig       *Rig
	namespace string
	polling   bool // long-polling instead of WebSockets
	first     int  // number of the first user, for crowds that share a server
	dialling  int  // connections that are on their way in at once
	conns     []*client.Conn
	admitted  int
	acked     int // acknowledgements with ok
	closing   bool
	closed    int
	err       error // the first thing that went wrong

	message func(member int, data []byte)            // nil: messages are ignored
	ack     func(member int, id uint64, data []byte) // of what was granted; nil: it is counted
	asked   bool                                     // ack judges by itself whether a request was granted
	room    func(member int)                         // nil: nobody waits for it
}

func newCrowd(r *Rig, namespace string) *crowd {
	return &crowd{rig: r, namespace: namespace, dialling: dialling}
}

// connect brings in n clients with a token each and returns when all are admitted.
func (c *crowd) connect(n int) error {
	for len(c.conns) < n {
		if err := c.dial(); err != nil {
			return err
		}
		if err := c.enter(len(c.conns) - c.dialling + 1); err != nil {
			return err
		}
	}
	return c.enter(n)
}

// enter waits until n clients are admitted.
func (c *crowd) enter(n int) error {
	if err := c.until(func() bool { return c.admitted >= n }); err != nil {
		return fmt.Errorf("%d of %d clients admitted: %w", c.admitted, len(c.conns), err)
	}
	return nil
}

func (c *crowd) dial() error {
	id := len(c.conns)
	cfg := c.rig.config(c.namespace, "user-"+strconv.Itoa(c.first+id))
	cfg.Addr, cfg.Polling = c.rig.addrOf(id), c.polling
	conn, err := c.rig.Loop.Dial(id, cfg, c)
	if err != nil {
		return err
	}
	c.conns = append(c.conns, conn)
	return nil
}

// until runs the clients until done says so or something goes wrong.
func (c *crowd) until(done func() bool) error {
	err := c.rig.Loop.Until(func() bool { return c.err != nil || done() }, c.rig.Patience)
	if c.err != nil {
		return c.err
	}
	return err
}

// join brings the clients from one member on into a room of the chat. They ask
// for its history after the message with the id since; "" for all.
func (c *crowd) join(room string, from int, since string) error {
	c.acked = 0
	for i := from; i < len(c.conns); i++ {
		c.conns[i].Join(0, room, since)
		if err := c.answered(i - from + 1 - dialling); err != nil {
			return err
		}
	}
	return c.answered(len(c.conns) - from)
}

// answered waits until n requests are acknowledged.
func (c *crowd) answered(n int) error {
	if err := c.until(func() bool { return c.acked >= n }); err != nil {
		return fmt.Errorf("%d requests acknowledged: %w", c.acked, err)
	}
	return nil
}

// leave closes all connections and returns when the server has let them go.
func (c *crowd) leave() error {
	c.closing = true
	for _, conn := range c.conns {
		conn.Close()
	}
	if err := c.until(func() bool { return c.closed == len(c.conns) }); err != nil {
		return fmt.Errorf("%d of %d connections closed: %w", c.closed, len(c.conns), err)
	}
	return nil
}

func (c *crowd) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// Admitted counts.
func (c *crowd) Admitted(*client.Conn) { c.admitted++ }

// Message hands on.
func (c *crowd) Message(conn *client.Conn, data []byte) {
	if c.message != nil {
		c.message(conn.ID, data)
	}
}

// Ack hands on, or counts what was granted.
func (c *crowd) Ack(conn *client.Conn, id uint64, granted bool, data []byte) {
	switch {
	case !granted && !c.asked:
		c.fail(fmt.Errorf("%w: %.200s", errDenied, data))
	case c.ack != nil:
		c.ack(conn.ID, id, data)
	default:
		c.acked++
	}
}

// Room hands on.
func (c *crowd) Room(conn *client.Conn) {
	if c.room != nil {
		c.room(conn.ID)
	}
}

// Closed counts while the crowd leaves; before that it is a loss.
func (c *crowd) Closed(conn *client.Conn, err error) {
	c.closed++
	if !c.closing {
		c.fail(fmt.Errorf("%w: client %d: %w", errLost, conn.ID, err))
	}
}
