package client

import (
	"bytes"
	"fmt"
)

// Centrifugo is the JSON protocol of Centrifugo's clients: a room is a channel. A
// subscription gives no history, and there is no echo.
type Centrifugo struct{}

// Ids of commands. A request with the id n has the command 2n+firstRequest; one
// command more in the same packet has the even id after it, whose answer is only
// read for an error.
const (
	connecting   = 1
	firstRequest = 3
)

func (Centrifugo) path() string { return "/connection/websocket" }

func (Centrifugo) opened(c *Conn) {
	c.send(fmt.Appendf(c.scratch[:0], `{"id":%d,"connect":{"token":"%s"}}`, connecting, c.cfg.Token))
}

// packet handles the replies and pushes of one message.
func (Centrifugo) packet(c *Conn, p []byte) error {
	for line := range bytes.SplitSeq(p, []byte{'\n'}) {
		if err := reply(c, bytes.TrimSpace(line)); err != nil {
			return err
		}
	}
	return nil
}

func reply(c *Conn, p []byte) error {
	switch {
	case len(p) == 0:
		return nil
	case string(p) == "{}": // a ping, answered with a pong of the same form
		c.send(append(c.scratch[:0], "{}"...))
		return nil
	case bytes.HasPrefix(p, []byte(`{"push":`)):
		c.loop.moved = c.loop.now
		return push(c, p)
	}
	after, found := bytes.CutPrefix(p, []byte(`{"id":`))
	if !found {
		return fmt.Errorf("%w: %.80q", errPacket, p)
	}
	c.loop.moved = c.loop.now
	id, data := number(after)
	granted := !bytes.HasPrefix(data, []byte(`,"error":`))
	switch {
	case id == connecting && !granted:
		return fmt.Errorf("%w: %.200s", errRefused, data)
	case id == connecting:
		c.handler.Admitted(c)
	case id%2 == 1 || !granted:
		c.handler.Ack(c, (id-firstRequest)/2, granted, data)
	}
	return nil
}

func push(c *Conn, p []byte) error {
	switch {
	case bytes.Contains(p, []byte(`"pub":`)):
		c.handler.Message(c, p)
	case bytes.Contains(p, []byte(`"disconnect":`)), bytes.Contains(p, []byte(`"unsubscribe":`)):
		return fmt.Errorf("%w: %.200s", errLeft, p)
	}
	return nil
}

func command(id uint64) uint64 { return 2*id + firstRequest }

func (Centrifugo) join(c *Conn, id uint64, room, _ string) []byte {
	return fmt.Appendf(c.scratch[:0], `{"id":%d,"subscribe":{"channel":"%s"}}`, command(id), room)
}

func (Centrifugo) count(c *Conn, id uint64, room string) []byte {
	return fmt.Appendf(c.scratch[:0], `{"id":%d,"subscribe":{"channel":"%s"}}`+"\n"+`{"id":%d,"presence_stats":{"channel":"%s"}}`,
		command(id)+1, room, command(id), room)
}

func (Centrifugo) leave(c *Conn, id uint64, room string) []byte {
	return fmt.Appendf(c.scratch[:0], `{"id":%d,"unsubscribe":{"channel":"%s"}}`, command(id), room)
}

func (Centrifugo) say(c *Conn, id uint64, room, text, nonce string) []byte {
	return fmt.Appendf(c.scratch[:0], `{"id":%d,"publish":{"channel":"%s","data":{"text":"%s","nonce":"%s"}}}`,
		command(id), room, text, nonce)
}

func (Centrifugo) echo(*Conn, uint64, string) []byte { panic("Centrifugo has no echo of its own") }

func (Centrifugo) bye(*Conn) []byte { return nil }

// Alone reads the answer of presence_stats.
func (Centrifugo) Alone(data []byte) bool {
	return bytes.Contains(data, []byte(`"num_clients":1,`)) || bytes.Contains(data, []byte(`"num_clients":1}`))
}

// IDOf returns nothing: a subscription brings no history anyway.
func (Centrifugo) IDOf([]byte) string { return "" }
