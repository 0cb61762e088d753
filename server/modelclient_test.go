package server_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/internal/wiretest"
)

// puppet is a client that does whatever it is told, over raw connections. What
// it gets are packets as polling has them, over every transport.
type puppet struct {
	t       *testing.T
	addr    string
	sid     string
	http    *http.Client
	waiting []string // packets of the last poll
	main    *wsEnd   // nil while polling
	probe   *wsEnd   // nil without one
}

// wsEnd is the client's end of a WebSocket.
type wsEnd struct {
	conn net.Conn
	in   *bufio.Reader
}

const overall = time.Minute // for any step; nothing is measured by it

// finished is what next gives when the connection has ended.
const finished = "end"

func newPuppet(t *testing.T, addr, transport string) *puppet {
	p := &puppet{t: t, addr: addr, http: &http.Client{Timeout: overall, Transport: &http.Transport{DialContext: briefly}}}
	if transport == "websocket" {
		p.main = p.upgrade("")
		if p.main == nil {
			t.Fatal("no WebSocket")
		}
	}
	p.sid = hello(t, p.next())
	return p
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
	for _, end := range []*wsEnd{p.main, p.probe} {
		if end != nil {
			_ = end.conn.Close()
		}
	}
	p.http.CloseIdleConnections()
}

// upgrade opens a WebSocket, or gives nil when it is refused.
func (p *puppet) upgrade(sid string) *wsEnd {
	p.t.Helper()
	c, err := briefly(p.t.Context(), "tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(overall))
	request := handshaking
	if sid != "" {
		request = strings.Replace(request, "transport=websocket", "transport=websocket&sid="+sid, 1)
	}
	end := &wsEnd{c, bufio.NewReader(c)}
	_, _ = io.WriteString(c, request)
	resp, err := http.ReadResponse(end.in, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		_ = c.Close()
		return nil
	}
	return end
}

func (e *wsEnd) write(b []byte) { _, _ = e.conn.Write(b) }

// packet reads one frame as a packet.
func (e *wsEnd) packet() string {
	f, err := ws.ReadFrame(e.in)
	switch {
	case err != nil, f.Header.OpCode == ws.OpClose:
		return finished
	case f.Header.OpCode == ws.OpBinary:
		return "b" + base64.StdEncoding.EncodeToString(f.Payload)
	case f.Header.OpCode == ws.OpPong:
		return "pong " + string(f.Payload)
	}
	return string(f.Payload)
}

// next gives the next packet but NOOPs; PINGs are answered.
func (p *puppet) next() string {
	for {
		got := p.raw()
		switch got {
		case "2":
			p.send("3")
		case "6":
		case "1":
			return finished
		default:
			return got
		}
	}
}

func (p *puppet) raw() string {
	if len(p.waiting) == 0 && p.main != nil {
		return p.main.packet()
	}
	if len(p.waiting) == 0 {
		status, body := p.request(http.MethodGet, "")
		if status != http.StatusOK {
			return finished
		}
		p.waiting = strings.Split(body, "\x1e")
	}
	first := p.waiting[0]
	p.waiting = p.waiting[1:]
	return first
}

func (p *puppet) request(method, body string) (int, string) {
	url := "http://" + p.addr + "/socket.io/?EIO=4&transport=polling"
	if p.sid != "" {
		url += "&sid=" + p.sid
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain")
	}
	wiretest.Repeatable(req)
	resp, err := p.http.Do(req)
	if err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// send sends packets at once; binary ones begin with b.
func (p *puppet) send(packets ...string) {
	if p.main == nil {
		p.request(http.MethodPost, strings.Join(packets, "\x1e"))
		return
	}
	var out []byte
	for _, text := range packets {
		if data, binary := strings.CutPrefix(text, "b"); binary {
			raw, _ := base64.StdEncoding.DecodeString(data)
			out = append(out, masked(ws.OpBinary, true, raw)...)
			continue
		}
		out = append(out, masked(ws.OpText, true, []byte(text))...)
	}
	p.main.write(out)
}

// switchOver makes the probe the transport. What a poll brought comes first.
func (p *puppet) switchOver() {
	p.main, p.probe = p.probe, nil
}

// describe is for messages of failed tests.
func (p *puppet) String() string {
	switch {
	case p.main != nil:
		return "websocket"
	case p.probe != nil:
		return "polling with a probe"
	}
	return fmt.Sprint("polling ", len(p.waiting))
}
