package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// raw is a WebSocket for frames that no client sends.
type raw struct{ net.Conn }

const socketPath = "/socket.io/?EIO=4&transport=websocket"

// dial opens a session.
func dial(ctx context.Context, addr string) (raw, error) {
	conn, buffered, _, err := ws.Dial(ctx, "ws://"+addr+socketPath)
	if err != nil {
		return raw{}, fmt.Errorf("open a WebSocket: %w", err)
	}
	if buffered != nil { // the open packet came with the answer
		conn = &behind{Conn: conn, first: buffered}
	}
	return raw{conn}, nil
}

// behind is a connection whose first bytes were read already.
type behind struct {
	net.Conn
	first interface{ Read([]byte) (int, error) }
}

// Read implements net.Conn.
func (b *behind) Read(p []byte) (int, error) {
	if b.first != nil {
		if n, err := b.first.Read(p); n > 0 && err == nil {
			return n, nil
		}
		b.first = nil
	}
	return b.Conn.Read(p)
}

// join opens a session and enters the namespace "/". Where the server loses the
// CONNECT it tries again with another session.
func join(ctx context.Context, addr string) (raw, error) {
	for try := 1; ; try++ {
		r, err := dial(ctx, addr)
		if err != nil {
			return raw{}, err
		}
		err = r.enter()
		if err == nil {
			return r, nil
		}
		_ = r.Close()
		if try == joinTries {
			return raw{}, err
		}
	}
}

const (
	joinTries = 5
	joinLimit = time.Second
)

// enter sends CONNECT as soon as the session is open, as clients do.
func (r raw) enter() error {
	if _, err := r.until("0{", joinLimit); err != nil {
		return err
	}
	if err := r.send("40"); err != nil {
		return err
	}
	_, err := r.until("40{", joinLimit)
	return err
}

func (r raw) send(text string) error {
	return wsutil.WriteClientMessage(r.Conn, ws.OpText, []byte(text))
}

// until reads on to a message with the given beginning.
func (r raw) until(prefix string, limit time.Duration) (string, error) {
	if err := r.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	for {
		message, _, err := wsutil.ReadServerData(r.Conn)
		if err != nil {
			return "", fmt.Errorf("wait for %q: %w", prefix, err)
		}
		if strings.HasPrefix(string(message), prefix) {
			return string(message), r.SetReadDeadline(time.Time{})
		}
	}
}

// earlyPong sends PONGs as soon as the WebSocket is there, which is before the
// session is: at a moment that the client chooses, one of them falls into it.
func earlyPong(ctx context.Context, addr string, pongs []byte) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", socketPath, addr)
	if err != nil {
		return err
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // the first byte of the answer
		return err
	}
	_, _ = conn.Write(pongs)
	return nil
}

// manyPongs are frames enough to be arriving while a session opens.
func manyPongs() []byte {
	const count = 1000
	pong := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("3"))))
	return bytes.Repeat(pong, count)
}
