package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// poller is a long-polling session, which may move to a WebSocket.
type poller struct {
	addr    string
	secure  *tls.Config
	url     string
	sid     string
	gets    *http.Client
	posts   *http.Client
	waiting []string // packets of the last answer
	context context.Context
	cancel  context.CancelFunc

	probed chan *socket // a probe that was answered
	probes sync.WaitGroup

	post sync.Mutex // held while a POST is under way, and for the switch
	left bool       // guarded by post: no switch any more
	over atomic.Pointer[socket]
}

func dialPolling(ctx context.Context, addr string, upgrade bool, secure *tls.Config) (*poller, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &poller{
		addr: addr, secure: secure, url: scheme("http", secure) + "://" + addr + "/socket.io/?EIO=4&transport=polling",
		gets: newHTTP(secure), posts: newHTTP(secure),
		context: ctx, cancel: cancel, probed: make(chan *socket, 1),
	}
	text, err := p.poll()
	if err == nil {
		p.sid, err = sessionID(text)
	}
	if err != nil {
		p.drop()
		return nil, err
	}
	p.url += "&sid=" + p.sid
	if upgrade {
		p.probes.Go(p.probe)
	}
	return p, nil
}

// newHTTP gives a client with connections of its own, which it closes before the
// server does: a POST on one that is just closing could not tell whether it came.
func newHTTP(secure *tls.Config) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{IdleConnTimeout: 3 * time.Second, TLSClientConfig: secure}}
}

// probe asks for the upgrade while polling goes on.
func (p *poller) probe() {
	c, err := openSocket(p.context, p.addr, p.sid, p.secure)
	if err != nil {
		return
	}
	if err := c.frame(1, "2probe"); err != nil {
		c.drop()
		return
	}
	if text, err := c.read(); err != nil || text != "3probe" {
		c.drop()
		return
	}
	p.probed <- c
}

// upgraded moves to the WebSocket when its probe is through: no GET is under way,
// and no POST.
func (p *poller) upgraded() (*socket, error) {
	if c := p.over.Load(); c != nil {
		return c, nil
	}
	select {
	case c := <-p.probed:
		p.post.Lock()
		defer p.post.Unlock()
		err := c.frame(1, "5")
		if p.left {
			err = context.Canceled
		}
		if err != nil {
			c.drop()
			return nil, err
		}
		p.over.Store(c)
		p.closeIdle()
		return c, nil
	default:
		return nil, nil
	}
}

func (p *poller) next() (string, error) {
	for {
		text, err := p.packet()
		switch {
		case err != nil:
			return "", err
		case text == "1":
			return "", ended{"closed by a packet"}
		case text == "2":
			if err := p.pong(); err != nil {
				return "", err
			}
		case text != "" && text[0] == '4':
			return text[1:], nil
		}
	}
}

// packet gives the next packet of whatever transport there is. All that a GET
// brought comes before what the WebSocket brings.
func (p *poller) packet() (string, error) {
	if len(p.waiting) == 0 {
		c, err := p.upgraded()
		if err != nil {
			return "", err
		}
		if c != nil {
			return c.read()
		}
	}
	return p.poll()
}

func (p *poller) poll() (string, error) {
	if len(p.waiting) == 0 {
		body, err := p.request(http.MethodGet, "")
		if err != nil {
			return "", err
		}
		p.waiting = strings.Split(body, "\x1e")
	}
	first := p.waiting[0]
	p.waiting = p.waiting[1:]
	return first, nil
}

func (p *poller) send(message string) error { return p.say("4" + message) }
func (p *poller) pong() error               { return p.say("3") }

func (p *poller) say(packet string) error {
	p.post.Lock()
	defer p.post.Unlock()
	if c := p.over.Load(); c != nil {
		return c.frame(1, packet)
	}
	_, err := p.request(http.MethodPost, packet)
	return err
}

func (p *poller) request(method, body string) (string, error) {
	ctx, client := p.context, p.posts
	if method == http.MethodGet {
		var cancel context.CancelFunc
		ctx, cancel = once(ctx)
		defer cancel()
		client = p.gets
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", ended{fmt.Sprintf("HTTP %d", resp.StatusCode)}
	}
	return string(text), nil
}

// once lets a GET fail that net/http would repeat by itself when its connection
// broke: what the server had answered to the first would be missing unseen.
func once(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	tries := 0
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if tries++; tries > 1 {
			cancel()
		}
	}}), cancel
}

func (p *poller) leave() {
	if c := p.over.Load(); c != nil {
		c.leave()
	} else {
		_ = p.say("1")
	}
	p.release()
}

func (p *poller) drop() {
	p.release()
}

// release waits for what the session started.
func (p *poller) release() {
	p.cancel()
	p.probes.Wait()
	p.post.Lock()
	p.left = true
	p.post.Unlock()
	if c := p.over.Load(); c != nil {
		c.drop()
	}
	select {
	case c := <-p.probed:
		c.drop()
	default:
	}
	p.closeIdle()
}

func (p *poller) closeIdle() {
	p.gets.CloseIdleConnections()
	p.posts.CloseIdleConnections()
}

// await runs f until it says that it is done or the limit has passed.
func await(ctx context.Context, limit time.Duration, f func() (done bool, missing error)) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		done, missing := f()
		if done {
			return nil
		}
		select {
		case <-again.C:
		case <-deadline.C:
			return errors.Join(fmt.Errorf("not within %v", limit), missing)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
