// Package wiretest is a raw Engine.IO 4 client for tests and for tools that
// misbehave on purpose. It sends and receives packets as they are on the wire,
// over long-polling, over a WebSocket, and over an upgrade from one to the
// other. It does not check packets, so that a test can send wrong ones.
package wiretest

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Transports are the ways to connect.
var Transports = []string{"polling", "websocket", "upgrade"}

// patience is how long a client waits for any one answer by default. It only ends a
// test that would hang.
const patience = time.Minute

// Client is one Engine.IO session. One goroutine sends and one receives.
type Client interface {
	// Send sends packets, each with its type in front: "40", "42[…]", "3".
	Send(packets ...string) error
	// SendBinary sends one binary message.
	SendBinary(data []byte) error
	// Next returns the next packet. PINGs are answered and skipped unless
	// Options.Mute is set; NOOPs are skipped. When the session has ended the
	// error is an [*End], or says how the connection broke.
	Next() (Packet, error)
	// Leave ends the session with the packet CLOSE, as a client does.
	Leave() error
	// Drop ends the connection, and sends nothing.
	Drop()
	// SID is the Engine.IO session id.
	SID() string
}

// Packet is one Engine.IO packet as the client sees it.
type Packet struct {
	Binary bool
	Text   string // with the packet's type in front; the bytes of a binary message without
}

// End says that the server ended the session, or refused it.
type End struct {
	Code   int // the WebSocket's close code; the HTTP status of a refusal, or 0 for the packet CLOSE
	Reason string
}

// Error implements error.
func (e *End) Error() string { return fmt.Sprintf("ended: %d %s", e.Code, e.Reason) }

// Options say how to connect. The zero value does what a default client does.
type Options struct {
	Path   string      // "/socket.io/" when empty
	Query  string      // more of the query, such as "ticket=…"
	Header http.Header // of every request
	TLS    *tls.Config // nil: no TLS
	From   string      // the client's own IP address; empty: any
	Mute   bool        // PINGs stay unanswered and are returned by Next

	// Patience is how long the client waits for any one answer, or for the next frame
	// of a WebSocket. Zero: a minute.
	Patience time.Duration

	// Connect makes the connections of the session. Nil: as net.Dialer does.
	Connect func(ctx context.Context, network, addr string) (net.Conn, error)
}

func (o Options) patience() time.Duration { return cmp.Or(o.Patience, patience) }

func (o Options) url(scheme, addr, query string) string {
	path := o.Path
	if path == "" {
		path = "/socket.io/"
	}
	if o.TLS != nil {
		scheme += "s"
	}
	if o.Query != "" {
		query += "&" + o.Query
	}
	return scheme + "://" + addr + path + "?EIO=4&" + query
}

// connect makes one connection, from the client's own address.
func (o Options) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	if o.Connect != nil {
		return o.Connect(ctx, network, addr)
	}
	d := &net.Dialer{Timeout: o.patience()}
	if o.From != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(o.From)}
	}
	return d.DialContext(ctx, network, addr)
}

// Dial opens a session at addr, a host and a port, over "polling", "websocket" or
// "upgrade", and reads its open packet.
func Dial(ctx context.Context, addr, transport string, o Options) (Client, error) {
	if transport == "websocket" {
		c, err := OpenWebSocket(ctx, addr, "", o)
		if err == nil {
			err = c.Open()
		}
		return asClient(c, err)
	}
	p := NewPolling(ctx, addr, "", o)
	if err := p.Open(); err != nil || transport == "polling" {
		return asClient(p, err)
	}
	return asClient(p.Upgrade(ctx))
}

// asClient gives no client beside an error.
func asClient(c Client, err error) (Client, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Enter sends CONNECT for a namespace with a JSON payload, which may be empty, and
// returns the reply: a packet that begins with "40" or "44".
func Enter(c Client, namespace, auth string) (string, error) {
	if namespace != "/" {
		auth = namespace + "," + auth
	}
	if err := c.Send("40" + auth); err != nil {
		return "", err
	}
	p, err := c.Next()
	return p.Text, err
}

// sessionID reads the open packet.
func sessionID(p Packet) (string, error) {
	var open struct{ SID string }
	body, ok := strings.CutPrefix(p.Text, "0")
	if !ok || p.Binary {
		return "", fmt.Errorf("the first packet is %.80q", p.Text)
	}
	if err := json.Unmarshal([]byte(body), &open); err != nil {
		return "", fmt.Errorf("open packet %.80q: %w", p.Text, err)
	}
	if open.SID == "" {
		return "", errors.New("the open packet names no session")
	}
	return open.SID, nil
}

const (
	noop = "6"
	ping = "2"
	pong = "3"
)
