package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// puppet is a client that does whatever it is told. It returns packets in the form of polling, over every transport.
type puppet struct {
	t     *testing.T
	addr  string
	poll  *wiretest.Polling
	main  *wiretest.WebSocket // nil while polling
	probe *wiretest.WebSocket // nil without one
}

const overall = time.Minute // time limit of any step; nothing is measured by it

// finished is the result of next when the connection has ended.
const finished = "end"

func newPuppet(t *testing.T, addr, transport string) *puppet {
	t.Helper()
	p := &puppet{t: t, addr: addr}
	var err error
	if transport == "websocket" {
		p.main = p.upgrade("")
		if p.main == nil {
			t.Fatal("no WebSocket")
		}
		err = p.main.Open()
	}
	p.poll = p.polling(p.sid())
	if p.main == nil {
		err = p.poll.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// polling makes a client that polls for a session.
func (p *puppet) polling(sid string) *wiretest.Polling {
	return wiretest.NewPolling(p.t.Context(), p.addr, sid, wiretest.Options{Connect: briefly})
}

// sid is the session's id, empty when there is no session yet.
func (p *puppet) sid() string {
	switch {
	case p.main != nil:
		return p.main.SID()
	case p.poll != nil:
		return p.poll.SID()
	}
	return ""
}

// briefly dials so that the port is free again as soon as the connection is
// closed: fuzzing takes tens of thousands of them.
func briefly(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return c, c.(*net.TCPConn).SetLinger(0)
}

// release closes everything.
func (p *puppet) release() {
	for _, end := range []*wiretest.WebSocket{p.main, p.probe} {
		if end != nil {
			end.Drop()
		}
	}
	p.poll.Drop()
}

// upgrade opens a WebSocket, or gives nil when it is refused.
func (p *puppet) upgrade(sid string) *wiretest.WebSocket {
	p.t.Helper()
	end, err := wiretest.OpenWebSocket(p.t.Context(), p.addr, sid, wiretest.Options{Connect: briefly})
	var refused *wiretest.End
	if errors.As(err, &refused) {
		return nil
	}
	if err != nil {
		p.t.Fatal(err)
	}
	end.Pongs = true
	return end
}

// next returns the next packet but NOOPs; PINGs are answered.
func (p *puppet) next() string {
	p.t.Helper()
	if p.main != nil {
		return packetOf(p.main)
	}
	return packetOf(p.poll)
}

// packetOf returns the next packet of a connection, or finished.
func packetOf(c wiretest.Client) string {
	got, err := c.Next()
	switch {
	case err != nil:
		return finished
	case got.Binary:
		return "b" + base64.StdEncoding.EncodeToString([]byte(got.Text))
	}
	return got.Text
}

// send sends packets at once; binary ones begin with b. The session may have ended already.
func (p *puppet) send(packets ...string) {
	if p.main == nil {
		_ = p.poll.Send(packets...)
		return
	}
	var out []byte
	for _, text := range packets {
		if data, binary := strings.CutPrefix(text, "b"); binary {
			raw, _ := base64.StdEncoding.DecodeString(data)
			out = append(out, wiretest.Frame(ws.OpBinary, true, raw)...)
			continue
		}
		out = append(out, wiretest.Frame(ws.OpText, true, []byte(text))...)
	}
	_ = p.main.Write(out)
}

// switchOver makes the probe the transport. Packets of the last poll come first.
func (p *puppet) switchOver() {
	_ = p.poll.Switch(p.probe)
	p.main, p.probe = p.probe, nil
}

// String is for messages of failed tests.
func (p *puppet) String() string {
	switch {
	case p.main != nil:
		return "websocket"
	case p.probe != nil:
		return "polling with a probe"
	}
	return fmt.Sprint("polling ", p.poll.Pending())
}
