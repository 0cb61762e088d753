package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"gatehouse/internal/wiretest"
)

// client is a raw client that fails its test. PINGs are shown and left unanswered.
type client struct {
	t    *testing.T
	poll *wiretest.Polling   // nil over a WebSocket
	ws   *wiretest.WebSocket // nil while polling
}

var transports = []string{"polling", "websocket"}

// dial opens a session, which must succeed.
func dial(t *testing.T, addr, transport string) client {
	t.Helper()
	return come(t, addr, way{transport: transport})
}

// enter sends CONNECT with a token and returns the reply.
func enter(c client, namespace, token string) string {
	c.send("40" + namespace + `,{"token":"` + token + `"}`)
	return c.next()
}

func (c client) wire() wiretest.Client {
	if c.ws != nil {
		return c.ws
	}
	return c.poll
}

func (c client) send(packets ...string) {
	c.t.Helper()
	if err := c.wire().Send(packets...); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next packet, or how the connection ended: "1" for polling's close packet, the status and the body of a refused
// poll, "closed" with the code and reason of a WebSocket.
func (c client) next() string {
	p, err := c.wire().Next()
	var end *wiretest.End
	switch {
	case errors.As(err, &end) && end.Code == 0:
		return "1"
	case end != nil && c.ws == nil:
		return fmt.Sprint(end.Code, " ", end.Reason)
	case end != nil:
		return fmt.Sprint("closed ", end.Code, " ", end.Reason)
	case err != nil:
		return err.Error()
	case p.Binary && c.ws == nil:
		return "b" + base64.StdEncoding.EncodeToString([]byte(p.Text))
	}
	return p.Text
}

// session is the Engine.IO session id.
func (c client) session() string { return c.wire().SID() }

// close ends the session, or only the connection of a WebSocket.
func (c client) close() {
	if c.ws != nil {
		c.ws.Drop()
	} else {
		_ = c.poll.Leave()
	}
}

// do makes one request of a session that polls, with a header of its own.
func (c client) do(method, body string, header http.Header) (int, string) {
	c.t.Helper()
	if header = header.Clone(); header == nil {
		header = http.Header{}
	}
	if method == http.MethodPost {
		header.Set("Content-Type", "text/plain")
	}
	status, answer, err := c.poll.Request(method, header, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	return status, answer
}

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
