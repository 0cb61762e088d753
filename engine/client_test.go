package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// client is a raw Engine.IO client. Its methods are for one goroutine to send
// and one to receive.
type client interface {
	send(texts ...string) error // messages
	sendBinary(data []byte) error
	next() (packet, error) // returns the next packet; answers PINGs and skips NOOPs
	leave() error          // says good-bye in the transport's way
}

// packet is what a client sees.
type packet struct {
	kind byte // as on the wire; typeBinary for binary messages, kindEnd for the end of a WebSocket
	data string
	code int // of kindEnd
}

const (
	kindEnd  = 'X'
	kindPong = 'P' // a frame, not a packet
)

func (p packet) String() string { return fmt.Sprintf("%c %.200s %d", p.kind, p.data, p.code) }

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// packetOf turns a packet of wiretest's client into a packet of these tests, in which the end of a WebSocket and CLOSE
// are packets too.
func packetOf(p wiretest.Packet, err error) (packet, error) {
	var end *wiretest.End
	switch {
	case errors.As(err, &end) && end.Code == 0:
		return packet{kind: typeClose}, nil
	case end != nil && end.Code >= 1000:
		return packet{kind: kindEnd, code: end.Code, data: end.Reason}, nil
	case err != nil:
		return packet{}, err
	case p.Binary:
		return packet{kind: typeBinary, data: p.Text}, nil
	}
	if pong, ok := strings.CutPrefix(p.Text, "pong "); ok {
		return packet{kind: kindPong, data: pong}, nil
	}
	return packet{kind: p.Text[0], data: p.Text[1:]}, nil
}

// messages are texts as packets.
func messages(texts []string) []string {
	packets := make([]string, len(texts))
	for i, text := range texts {
		packets[i] = "4" + text
	}
	return packets
}

// options are for clients of the rig.
func (r *rig) options(query string) wiretest.Options {
	o := wiretest.Options{Query: query}
	if r.web.TLS != nil {
		o.TLS = r.web.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	return o
}

func (r *rig) addr() string { return r.web.Listener.Addr().String() }

// dial connects over "polling", "websocket", or polling and then an upgrade.
func (r *rig) dial(t testing.TB, transport string) client {
	t.Helper()
	if transport == "websocket" {
		c := r.dialWS(t, "")
		c.expectOpen(t)
		return c
	}
	p := r.dialPolling(t)
	if transport == "polling" {
		return p
	}
	c := r.dialWS(t, p.SID())
	check(t, p.upgrade(c))
	return c
}

// wsClient is the client's end of a WebSocket.
type wsClient struct{ *wiretest.WebSocket }

// dialWS opens a WebSocket, for the session sid if that is not empty.
func (r *rig) dialWS(t testing.TB, sid string) wsClient {
	t.Helper()
	query := ""
	if sid != "" {
		query = "sid=" + sid
	}
	c := must[wsClient](t)(r.tryWS(query))
	t.Cleanup(c.Drop)
	return c
}

// tryWS opens a WebSocket with more in its query.
func (r *rig) tryWS(query string) (wsClient, error) {
	c, err := wiretest.OpenWebSocket(context.Background(), r.addr(), "", r.options(query))
	if err != nil {
		return wsClient{}, err
	}
	c.Pongs = true
	return wsClient{c}, nil
}

// byHand makes a client of a connection whose handshake the test has made itself.
func byHand(conn net.Conn, in *bufio.Reader) wsClient {
	c := wiretest.NewWebSocket(conn, in)
	c.Pongs = true
	return wsClient{c}
}

func (c wsClient) expectOpen(t testing.TB) string {
	t.Helper()
	check(t, c.Open())
	return c.SID()
}

// frame writes one masked frame.
func (c wsClient) frame(op ws.OpCode, data []byte) error { return c.Write(clientFrame(op, data)) }

func clientFrame(op ws.OpCode, data []byte) []byte { return wiretest.Frame(op, true, data) }

func (c wsClient) send(texts ...string) error   { return c.Send(messages(texts)...) }
func (c wsClient) sendBinary(data []byte) error { return c.SendBinary(data) }
func (c wsClient) leave() error                 { return c.frame(ws.OpClose, []byte{3, 232}) }
func (c wsClient) next() (packet, error)        { return packetOf(c.Next()) }

// pollClient is a client that polls.
type pollClient struct{ *wiretest.Polling }

func (r *rig) newPoller(t testing.TB) pollClient {
	c := pollClient{wiretest.NewPolling(context.Background(), r.addr(), "", r.options(""))}
	t.Cleanup(c.Drop)
	return c
}

func (r *rig) dialPolling(t testing.TB) pollClient {
	t.Helper()
	c := r.newPoller(t)
	check(t, c.Open())
	return c
}

// get polls once.
func (c pollClient) get() (status int, body string, err error) {
	return c.Do(http.MethodGet, "", nil)
}

func (c pollClient) post(body string) (status int, answer string, err error) {
	return c.Do(http.MethodPost, "text/plain;charset=UTF-8", strings.NewReader(body))
}

func (c pollClient) send(texts ...string) error   { return c.Send(messages(texts)...) }
func (c pollClient) sendBinary(data []byte) error { return c.SendBinary(data) }
func (c pollClient) leave() error                 { return c.Send("1") }
func (c pollClient) next() (packet, error)        { return packetOf(c.Next()) }

// upgrade moves the session to w, as the JavaScript client does: probe, let the
// pending GET come back, then switch. The packets of the GET come first.
func (c pollClient) upgrade(w wsClient) error {
	if err := w.Probe(); err != nil {
		return err
	}
	if err := c.Poll(); err != nil {
		return err
	}
	return c.Switch(w.WebSocket)
}

// goes runs f beside the test.
func goes(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// dialMany opens WebSockets whose clients do not read beyond the open packet.
func (r *rig) dialMany(t *testing.T, n int, d net.Dialer) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < n; i += 4 {
				c, err := d.Dial("tcp", r.web.Listener.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = c.Close() })
				_, _ = io.WriteString(c, wiretest.Opening(""))
				readOpen(c)
				conns[i] = c
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return conns
}
