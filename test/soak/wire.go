package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/wiretest"
)

// patience is how long a client waits for the next PING before it takes the
// connection for dead, as the JavaScript client does.
const patience = pingInterval + pingTimeout + time.Second

// wire is one Engine.IO session. One goroutine calls next; another may send.
type wire struct {
	polling *wiretest.Polling // nil when the session began over a WebSocket
	probed  chan *wiretest.WebSocket
	probes  sync.WaitGroup
	cancel  context.CancelFunc // ends the probe

	mu     sync.Mutex // held while a packet is sent, and for the switch
	left   bool       // guarded by mu: no switch any more
	socket atomic.Pointer[wiretest.WebSocket]
}

func dial(ctx context.Context, addr, transport string, secure *tls.Config) (*wire, error) {
	o := wiretest.Options{TLS: secure, Patience: patience, Mute: true}
	w := &wire{probed: make(chan *wiretest.WebSocket, 1)}
	if transport == "websocket" {
		c, err := wiretest.OpenWebSocket(ctx, addr, "", o)
		if err == nil {
			err = c.Open()
		}
		w.socket.Store(c)
		return w, err
	}
	w.polling = wiretest.NewPolling(ctx, addr, "", o)
	w.polling.HTTP = newHTTP(secure)
	ctx, w.cancel = context.WithCancel(ctx)
	err := w.polling.Open()
	if err == nil && transport == "upgrade" {
		w.probes.Go(func() {
			if c, err := w.polling.Probe(ctx); err == nil {
				w.probed <- c
			}
		})
	}
	if err != nil {
		w.cancel()
	}
	return w, err
}

// newHTTP returns a client with connections of its own, which it closes before the
// server does: a POST on one that is just closing could not tell whether it came.
func newHTTP(secure *tls.Config) *http.Client {
	return &http.Client{Timeout: patience, Transport: once{&http.Transport{IdleConnTimeout: 3 * time.Second, TLSClientConfig: secure}}}
}

// once lets a request fail that net/http would repeat by itself when its connection
// broke: nobody would see that the answer to the first GET is missing, or that a POST
// came twice.
type once struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (o once) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	tries := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if tries++; tries > 1 {
			cancel()
		}
	}})
	res, err := o.Transport.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &body{res.Body, cancel}
	return res, nil
}

// body ends the context of its request when it is closed.
type body struct {
	io.ReadCloser
	done context.CancelFunc
}

// Close implements io.Closer.
func (b *body) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// next returns the next message. Its error says how the connection ended.
func (w *wire) next() (string, error) {
	for {
		p, err := w.packet()
		switch {
		case err != nil:
			return "", err
		case p.Text == "2":
			if err := w.pong(); err != nil {
				return "", err
			}
		case p.Text != "" && p.Text[0] == '4':
			return p.Text[1:], nil
		}
	}
}

// packet returns the next packet of the transport in use. The packets of a GET come
// before those of the WebSocket.
func (w *wire) packet() (wiretest.Packet, error) {
	for {
		c, err := w.upgraded()
		if err != nil {
			return wiretest.Packet{}, err
		}
		if c != nil {
			return c.Next()
		}
		if w.polling.Pending() > 0 {
			return w.polling.Next()
		}
		if err := w.polling.Poll(); err != nil {
			return wiretest.Packet{}, err
		}
	}
}

// upgraded moves to the WebSocket when its probe has been answered: no GET is under
// way, and no POST.
func (w *wire) upgraded() (*wiretest.WebSocket, error) {
	if c := w.socket.Load(); c != nil {
		return c, nil
	}
	select {
	case c := <-w.probed:
		w.mu.Lock()
		defer w.mu.Unlock()
		err := context.Canceled
		if !w.left {
			err = w.polling.Switch(c)
		}
		if err != nil {
			abort(c.Conn)
			return nil, err
		}
		w.socket.Store(c)
		w.polling.HTTP.CloseIdleConnections()
		return c, nil
	default:
		return nil, nil
	}
}

func (w *wire) send(message string) error { return w.say("4" + message) }

// pong says that the client lives, unasked.
func (w *wire) pong() error { return w.say("3") }

func (w *wire) say(packet string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c := w.socket.Load(); c != nil {
		return c.Send(packet)
	}
	return w.polling.Send(packet)
}

// leave ends the session as clients do that close.
func (w *wire) leave() {
	if c := w.socket.Load(); c != nil {
		_ = c.Leave()
	} else {
		_ = w.say("1")
	}
	w.drop()
}

// drop ends the session as clients do that crash. It waits for what the session
// started.
func (w *wire) drop() {
	if w.polling != nil {
		w.cancel()
		w.polling.Drop()
	}
	w.probes.Wait()
	w.mu.Lock()
	w.left = true
	w.mu.Unlock()
	if c := w.socket.Load(); c != nil {
		abort(c.Conn)
	}
	select {
	case c := <-w.probed:
		abort(c.Conn)
	default:
	}
}

// how names the end that err tells of, without what differs each time.
func how(err error) string {
	var end *wiretest.End
	var timeout net.Error
	switch {
	case errors.As(err, &end) && end.Code == 0:
		return "closed by a packet"
	case errors.As(err, &end):
		return fmt.Sprintf("%d %s", end.Code, end.Reason)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no sign of life"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "end of stream"
	}
	return "connection error"
}
