package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/internal/wiretest"
)

// honest are the clients that use the server while it is attacked. Each does
// one thing at a fixed pace and waits for the answer before the next, so that a
// server that stalls does not get more and more requests. Beats that were
// missed meanwhile count as having waited (no coordinated omission).
type honest struct {
	probes []*probe
	group  sync.WaitGroup
	stop   context.CancelFunc
}

// probe is one honest client.
type probe struct {
	name  string
	every time.Duration
	// open connects and returns the function for each beat.
	open func(ctx context.Context, p *probe) (beat func() error, leave func(), err error)

	series // of the phase that runs
	cut    atomic.Int64
	cause  atomic.Pointer[string] // of the first cut
}

const (
	echoOverWebSocket = "echo"
	echoOverPolling   = "polling"
	chatMessage       = "chat"
	signIn            = "sign-in"
	control           = "control"
)

// begin starts the honest clients and the control. They are connected when it
// returns.
func begin(ctx context.Context, t *target) (*honest, error) {
	ctx, stop := context.WithCancel(ctx)
	h := &honest{stop: stop}
	tcp, err := listenControl(ctx)
	if err != nil {
		stop()
		return nil, err
	}
	h.probes = []*probe{
		{name: echoOverWebSocket, every: 20 * time.Millisecond, open: t.echo("websocket")},
		{name: echoOverPolling, every: 50 * time.Millisecond, open: t.echo("polling")},
		{name: chatMessage, every: 50 * time.Millisecond, open: t.chat},
		{name: signIn, every: 250 * time.Millisecond, open: t.signIn},
		{name: control, every: 20 * time.Millisecond, open: askControl(tcp)},
	}
	connected := make(chan error, len(h.probes))
	for _, p := range h.probes {
		h.group.Go(func() { p.run(ctx, connected) })
	}
	for range h.probes {
		if err := <-connected; err != nil {
			h.end()
			return nil, err
		}
	}
	return h, nil
}

// end stops the clients and waits for them.
func (h *honest) end() {
	h.stop()
	h.group.Wait()
}

// phase returns the measurements since the last call.
func (h *honest) phase() map[string]figures {
	all := make(map[string]figures, len(h.probes))
	for _, p := range h.probes {
		all[p.name] = p.take()
	}
	return all
}

// cuts says how often an honest client lost its connection or was refused, and
// why the first time.
func (h *honest) cuts() (n int64, why string) {
	for _, p := range h.probes {
		n += p.cut.Load()
		if c := p.cause.Load(); c != nil {
			why = strings.TrimSpace(why + " " + p.name + ": " + *c)
		}
	}
	return n, why
}

// run beats until ctx ends. A client that is cut connects again.
func (p *probe) run(ctx context.Context, connected chan<- error) {
	beat, leave, err := p.open(ctx, p)
	connected <- err
	if err != nil {
		return
	}
	due := time.Now()
	for ctx.Err() == nil {
		if err := beat(); err != nil {
			if ctx.Err() != nil {
				break
			}
			p.lost(err)
			leave()
			if beat, leave, err = p.again(ctx); err != nil {
				return
			}
		}
		p.add(time.Since(due))
		due = due.Add(p.every)
		if wait := time.Until(due); wait > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(wait):
			}
		}
	}
	leave()
}

// again connects until it succeeds. The time it takes counts as waiting.
func (p *probe) again(ctx context.Context) (beat func() error, leave func(), err error) {
	for {
		if beat, leave, err = p.open(ctx, p); err == nil || ctx.Err() != nil {
			return beat, leave, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (p *probe) lost(err error) {
	p.cut.Add(1)
	text := err.Error()
	p.cause.CompareAndSwap(nil, &text)
}

// session is an honest client that is in a namespace.
func (t *target) session(ctx context.Context, transport, namespace, user string) (wiretest.Client, error) {
	c, err := wiretest.Dial(ctx, t.addr, transport, wiretest.Options{TLS: t.secure, From: t.from})
	if err != nil {
		return nil, err
	}
	reply, err := wiretest.Enter(c, namespace, `{"token":"`+t.token(user)+`"}`)
	if err == nil && !strings.HasPrefix(reply, "40") {
		err = errors.New(reply)
	}
	if err != nil {
		c.Drop()
		return nil, err
	}
	return c, nil
}

// until reads packets until one begins with prefix.
func until(c wiretest.Client, prefix string) (string, error) {
	for {
		p, err := c.Next()
		if err != nil || strings.HasPrefix(p.Text, prefix) {
			return p.Text, err
		}
	}
}

type opener = func(ctx context.Context, p *probe) (func() error, func(), error)

func (t *target) echo(transport string) opener {
	return func(ctx context.Context, p *probe) (func() error, func(), error) {
		c, err := t.session(ctx, transport, "/echo", "honest-"+p.name)
		if err != nil {
			return nil, nil, err
		}
		n := 0
		return func() error {
			n++
			if err := c.Send(fmt.Sprintf(`42/echo,%d["echo","hello"]`, n)); err != nil {
				return err
			}
			_, err := until(c, fmt.Sprintf("43/echo,%d[", n))
			return err
		}, c.Drop, nil
	}
}

// chat sends a message into a room of its own and waits until it comes back.
func (t *target) chat(ctx context.Context, p *probe) (func() error, func(), error) {
	c, err := t.session(ctx, "websocket", "/chat", "honest-"+p.name)
	if err != nil {
		return nil, nil, err
	}
	if err := joinRoom(c, "honest"); err != nil {
		c.Drop()
		return nil, nil, err
	}
	n := 0
	return func() error {
		n++
		if err := c.Send(fmt.Sprintf(`42/chat,%d["message:send",{"room":"honest","text":"hello"}]`, n)); err != nil {
			return err
		}
		answer, err := until(c, fmt.Sprintf("43/chat,%d[", n))
		if err == nil && !strings.Contains(answer, `"ok":true`) {
			err = errors.New(answer)
		}
		return err
	}, c.Drop, nil
}

// joinRoom joins a room of the chat.
func joinRoom(c wiretest.Client, room string) error {
	name, _ := json.Marshal(room)
	return send(c, "/chat", 0, `["room:join",{"room":`+string(name)+`}]`)
}

// signIn opens a new connection at each beat.
func (t *target) signIn(ctx context.Context, _ *probe) (func() error, func(), error) {
	return func() error {
		c, err := t.session(ctx, "websocket", "/echo", "honest-newcomer")
		if err != nil {
			return err
		}
		_ = c.Leave()
		return nil
	}, func() {}, nil
}

// listenControl is a server that answers each byte with the same byte.
func listenControl(ctx context.Context) (addr string, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = c.Close() })
			go func() { _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String(), nil
}

func askControl(addr string) opener {
	return func(ctx context.Context, _ *probe) (func() error, func(), error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		b := make([]byte, 1)
		return func() error {
			if _, err := c.Write(b); err != nil {
				return err
			}
			_, err := io.ReadFull(c, b)
			return err
		}, func() { _ = c.Close() }, nil
	}
}
