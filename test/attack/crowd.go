package main

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"

	"gatehouse/internal/wiretest"
)

// connecting is how many attackers connect at once.
const connecting = 64

// crowd runs n attackers and waits for them. Errors of an attacker are
// ignored: they are the server's answer to the attack.
func crowd(ctx context.Context, n int, one func(ctx context.Context, i int)) {
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { one(ctx, i) })
	}
	group.Wait()
}

// door limits how many connect at once, so that the attackers' own machine is not
// the bottleneck.
var door = make(chan struct{}, connecting)

func through[T any](open func() (T, error)) (T, error) {
	door <- struct{}{}
	defer func() { <-door }()
	return open()
}

// stranger opens a WebSocket and says nothing. It is closed when ctx ends.
func (t *target) stranger(ctx context.Context, o wiretest.Options) (*wiretest.WebSocket, error) {
	o.TLS, o.From = t.secure, t.from
	return through(func() (*wiretest.WebSocket, error) {
		c, err := wiretest.Dial(ctx, t.addr, "websocket", o)
		if err != nil {
			return nil, err
		}
		w := c.(*wiretest.WebSocket)
		context.AfterFunc(ctx, w.Drop)
		return w, nil
	})
}

// member opens a connection of an admitted user. It is closed when ctx ends.
func (t *target) member(ctx context.Context, transport, namespace, user string) (wiretest.Client, error) {
	return through(func() (wiretest.Client, error) {
		c, err := t.session(ctx, transport, namespace, user)
		if err == nil {
			context.AfterFunc(ctx, c.Drop)
		}
		return c, err
	})
}

// tcp opens a bare connection, under TLS one with its handshake done. It is closed
// when ctx ends.
func (t *target) tcp(ctx context.Context) (net.Conn, error) {
	return through(func() (net.Conn, error) {
		plain := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(t.from)}}
		dial := plain.DialContext
		if t.secure != nil {
			dial = (&tls.Dialer{NetDialer: plain, Config: t.secure}).DialContext
		}
		c, err := dial(ctx, "tcp", t.addr)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = c.Close() })
		}
		return c, err
	})
}

// swallow reads everything until the connection ends.
func swallow(c wiretest.Client) {
	for {
		if _, err := c.Next(); err != nil {
			return
		}
	}
}

// repeat calls f at a rate until it fails or ctx ends.
func repeat(ctx context.Context, perSecond float64, f func() error) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer tick.Stop()
	for f() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
