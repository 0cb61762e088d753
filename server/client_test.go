package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// client is a raw Engine.IO client: what it sends and gets are the packets as
// they are on the wire.
type client interface {
	send(packet string)
	// next gives the next packet, or why the connection ended: "1" for
	// polling's close packet, the close code and reason of a WebSocket.
	next() string
	close()
	// session is the Engine.IO session id.
	session() string
}

var transports = []string{"polling", "websocket"}

// dial opens a session and reads its open packet.
func dial(t *testing.T, addr, transport string) client {
	t.Helper()
	if transport == "websocket" {
		c := dialWebSocket(t, addr)
		c.sid = hello(t, c.next())
		return c
	}
	p := &poller{t: t, url: "http://" + addr + "/socket.io/?EIO=4&transport=polling"}
	p.sid = hello(t, p.next())
	p.url += "&sid=" + url.QueryEscape(p.sid)
	return p
}

// hello takes the session id out of the open packet.
func hello(t *testing.T, packet string) string {
	t.Helper()
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(packet, "0")), &open); err != nil || open.SID == "" {
		t.Fatalf("no open packet: %q", packet)
	}
	return open.SID
}

// enter sends CONNECT with a token and returns the reply.
func enter(c client, namespace, token string) string {
	c.send("40" + namespace + `,{"token":"` + token + `"}`)
	return c.next()
}

type websocketClient struct {
	t        *testing.T
	sid      string
	conn     net.Conn
	in       io.ReadWriter // conn, and before it what came along with the upgrade
	protocol string        // the subprotocol that the server chose
}

func dialWebSocket(t *testing.T, addr string) *websocketClient {
	t.Helper()
	conn, early, _, err := ws.Dial(t.Context(), "ws://"+addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	c := &websocketClient{t: t, conn: conn, in: conn}
	if early != nil {
		c.in = bufio.NewReadWriter(early, bufio.NewWriter(conn))
	}
	t.Cleanup(c.close)
	return c
}

func (c *websocketClient) send(packet string) {
	c.t.Helper()
	if err := wsutil.WriteClientText(c.conn, []byte(packet)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *websocketClient) next() string {
	frame, err := ws.ReadFrame(c.in)
	if err != nil {
		return err.Error()
	}
	if frame.Header.OpCode == ws.OpClose {
		code, reason := ws.ParseCloseFrameData(frame.Payload)
		return fmt.Sprint("closed ", code, " ", reason)
	}
	return string(frame.Payload)
}

func (c *websocketClient) session() string { return c.sid }

func (c *websocketClient) close() { _ = c.conn.Close() }

type poller struct {
	t       *testing.T
	sid     string
	url     string
	waiting []string
}

func (p *poller) send(packet string) {
	p.t.Helper()
	if status, body := request(p.t, http.MethodPost, p.url, "text/plain", packet); status != http.StatusOK || body != "ok" {
		p.t.Fatalf("POST: %d %s", status, body)
	}
}

func (p *poller) next() string {
	p.t.Helper()
	if len(p.waiting) == 0 {
		status, body := request(p.t, http.MethodGet, p.url, "", "")
		if status != http.StatusOK {
			return http.StatusText(status) + " " + body
		}
		p.waiting = strings.Split(body, "\x1e")
	}
	first := p.waiting[0]
	p.waiting = p.waiting[1:]
	return first
}

func (p *poller) session() string { return p.sid }

func (p *poller) close() { p.send("1") }

// request makes one HTTP request on a connection of its own.
func request(t *testing.T, method, url, contentType, body string) (int, string) {
	t.Helper()
	return requestWith(t, method, url, body, http.Header{"Content-Type": {contentType}})
}

func requestWith(t *testing.T, method, url, body string, header http.Header) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Close = header, true
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
