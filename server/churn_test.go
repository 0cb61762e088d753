package server_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/internal/wiretest"
	"gatehouse/namespaces"
	"gatehouse/namespaces/chat"
	"gatehouse/namespaces/echo"
	"gatehouse/server"
)

// churned is how many connections come and go; `make soak` uses 100,000.
var churned = flag.Int("churn", wiretest.Crowd(5000), "connections of TestConnectionsLeaveNothingBehind")

// comer is a connection that ends at any moment, from far too early to a proper
// end. It works on raw TCP, so that it can stop anywhere.
type comer struct {
	addr, token string
	conn        net.Conn
	in          *bufio.Reader
}

// phases are how far a connection comes before it goes.
var phases = []struct {
	name string
	come func(*comer) error
}{
	{"nothing said", func(*comer) error { return nil }},
	{"half a request", func(c *comer) error { return c.say("GET /socket.io/?EIO=4&tra") }},
	{"an upgrade, not awaited", func(c *comer) error { return c.say(wiretest.Opening("")) }},
	{"a WebSocket, not signed in", func(c *comer) error { return c.websocket() }},
	{"CONNECT, not awaited", func(c *comer) error { return c.sendConnect("/echo", c.token) }},
	{"CONNECT with half a frame", func(c *comer) error {
		if err := c.websocket(); err != nil {
			return err
		}
		return c.say(string(wiretest.Frame(ws.OpText, true, []byte("40/echo,{}"))[:8]))
	}},
	{"refused", func(c *comer) error { return c.admitted("/echo", "not a token", "44/echo,") }},
	{"admitted", func(c *comer) error { return c.admitted("/echo", c.token, "40/echo,") }},
	{"in a room", (*comer).inRoom},
	{"in a room, with events under way", func(c *comer) error {
		if err := c.inRoom(); err != nil {
			return err
		}
		return c.frames(`42/chat,2["message:send",{"room":"lobby","text":"bye"}]`, `42/chat,3["message:send",{"room":"lobby","text":"bye"}]`)
	}},
	{"DISCONNECT and a close frame", func(c *comer) error {
		if err := c.admitted("/echo", c.token, "40/echo,"); err != nil {
			return err
		}
		if err := c.frames("41/echo,"); err != nil {
			return err
		}
		return c.say(string(wiretest.Frame(ws.OpClose, true, []byte{3, 232})))
	}},
	{"a poll, not awaited", func(c *comer) error { return c.say(polling("GET", "", "")) }},
	{"polling, and then never again", func(c *comer) error { _, err := c.polls(); return err }},
	{"polling with a GET under way", func(c *comer) error { return c.then("GET", "") }},
	{"polling with half a POST", func(c *comer) error { return c.then("POST", "Content-Length: 9\r\n") }},
	{"polling and good-bye", func(c *comer) error {
		sid, err := c.polls()
		if err != nil {
			return err
		}
		return c.answered(polling("POST", sid, "Content-Length: 1\r\n")+"1", "ok")
	}},
	{"polling, admitted", (*comer).admittedPolling},
	{"a probe", func(c *comer) error { return c.probes() }},
	{"a probe that was answered", func(c *comer) error { return c.probes("2probe") }},
	{"an upgrade", func(c *comer) error { return c.probes("2probe", "5") }},
}

func polling(method, sid, more string) string {
	if sid != "" {
		sid = "&sid=" + sid
	}
	return method + " /socket.io/?EIO=4&transport=polling" + sid + " HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" + more + "\r\n"
}

func (c *comer) dial() (err error) {
	if c.conn, err = net.Dial("tcp", c.addr); err == nil {
		c.in = bufio.NewReader(c.conn)
		_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	}
	return err
}

func (c *comer) say(text string) error {
	_, err := io.WriteString(c.conn, text)
	return err
}

func (c *comer) frames(texts ...string) error {
	for _, text := range texts {
		if err := c.say(string(wiretest.Frame(ws.OpText, true, []byte(text)))); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next frame.
func (c *comer) next() (string, error) {
	f, err := ws.ReadFrame(c.in)
	return string(f.Payload), err
}

// awaits reads on until a packet begins with the prefix.
func (c *comer) awaits(prefix string) error {
	var last [2]string
	for range 10_000 {
		got, err := c.next()
		if err != nil {
			return fmt.Errorf("%.80q and no %q: %w", last, prefix, err)
		}
		last = [2]string{last[1], got}
		if len(got) >= len(prefix) && got[:len(prefix)] == prefix {
			return nil
		}
	}
	return fmt.Errorf("no %q", prefix)
}

// upgrades sends a handshake for a WebSocket and reads its answer.
func (c *comer) upgrades(request string) error {
	if err := c.say(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("upgrade: %s", resp.Status)
	}
	return err
}

func (c *comer) websocket() error {
	if err := c.upgrades(wiretest.Opening("")); err != nil {
		return err
	}
	return c.awaits("0{")
}

func (c *comer) sendConnect(namespace, token string) error {
	if err := c.websocket(); err != nil {
		return err
	}
	return c.frames("40" + namespace + `,{"token":"` + token + `"}`)
}

func (c *comer) admitted(namespace, token, want string) error {
	if err := c.sendConnect(namespace, token); err != nil {
		return err
	}
	return c.awaits(want)
}

func (c *comer) inRoom() error {
	if err := c.admitted("/chat", c.token, "40/chat,"); err != nil {
		return err
	}
	if err := c.frames(`42/chat,1["room:join",{"room":"lobby"}]`); err != nil {
		return err
	}
	return c.awaits("43/chat,1[")
}

// answered sends a request and expects its body to begin so.
func (c *comer) answered(request, want string) error {
	_, err := c.body(request, want)
	return err
}

func (c *comer) body(request, want string) (string, error) {
	if err := c.say(request); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && (len(text) < len(want) || string(text[:len(want)]) != want) {
		err = fmt.Errorf("answered %s %.200q, want %q", resp.Status, text, want)
	}
	return string(text), err
}

// polls opens a session.
func (c *comer) polls() (sid string, err error) {
	text, err := c.body(polling("GET", "", ""), `0{"sid":"`)
	if err != nil {
		return "", err
	}
	return text[len(`0{"sid":"`):][:22], nil
}

// then opens a session and leaves a request pending.
func (c *comer) then(method, more string) error {
	sid, err := c.polls()
	if err != nil {
		return err
	}
	return c.say(polling(method, sid, more))
}

func (c *comer) admittedPolling() error {
	sid, err := c.polls()
	if err != nil {
		return err
	}
	connect := `40/echo,{"token":"` + c.token + `"}`
	if err := c.answered(polling("POST", sid, "Content-Length: "+strconv.Itoa(len(connect))+"\r\n")+connect, "ok"); err != nil {
		return err
	}
	return c.answered(polling("GET", sid, ""), "40/echo,")
}

// probes opens a session, and an upgrade of it on a second connection.
func (c *comer) probes(texts ...string) error {
	sid, err := c.polls()
	if err != nil {
		return err
	}
	p := &comer{addr: c.addr}
	if err := p.dial(); err != nil {
		return err
	}
	defer p.conn.Close()
	if err := p.upgrades(wiretest.Opening("&sid=" + sid)); err != nil || len(texts) == 0 {
		return err
	}
	if err := p.frames(texts[0]); err != nil {
		return err
	}
	if err := p.awaits("3probe"); err != nil {
		return err
	}
	return p.frames(texts[1:]...)
}

// comes opens one connection, takes it as far as its phase, and ends it with
// a FIN or without.
func comes(addr, token string, n int) error {
	phase := phases[n%len(phases)]
	c := &comer{addr: addr, token: token}
	if err := c.dial(); err != nil {
		return err
	}
	err := phase.come(c)
	if n/len(phases)%2 == 0 {
		_ = c.conn.(*net.TCPConn).SetLinger(0)
	}
	_ = c.conn.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", phase.name, err)
	}
	return nil
}

// crowd lets connections come and go, a bounded number at a time.
func crowd(t *testing.T, addr string, count int) {
	t.Helper()
	const atOnce = 64
	pass := token(t, "ada")
	var next, failed atomic.Int64
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for n := next.Add(1) - 1; n < int64(count); n = next.Add(1) - 1 {
				if err := comes(addr, pass, int(n)); err != nil && failed.Add(1) < 10 {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// unlogged is serve without a log, which would be most of the memory.
func unlogged(t *testing.T, cfg server.Config, defs ...namespaces.Definition) *running {
	t.Helper()
	cfg.JWT = handshake.JWTConfig{HMACSecret: secret}
	s, err := server.New(cfg, defs...)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, addr: ln.Addr().String(), log: &journal{}, end: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// footprint is the memory of the whole process, the test included.
type footprint struct {
	goroutines int
	heap       uint64
}

func measure() (f footprint) {
	var mem runtime.MemStats
	for range 2 { // pools let go in two steps
		runtime.GC()
	}
	runtime.ReadMemStats(&mem)
	return footprint{runtime.NumGoroutine(), mem.HeapAlloc}
}

// After many clients have come and gone, in whatever way, a server holds no
// more memory than before.
func TestConnectionsLeaveNothingBehind(t *testing.T) {
	count := *churned
	const key = "operators of the tests come with this key"
	r := unlogged(t, server.Config{
		Engine:      server.Engine{Limits: engine.Limits{PingInterval: 3 * time.Second, PingTimeout: 3 * time.Second}},
		Handshake:   server.Handshake{ConnectLimits: namespaces.ConnectLimits{ConnectTimeout: 5 * time.Second, AdmitTimeout: 5 * time.Second}},
		HTTP:        server.HTTP{ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 5 * time.Second},
		Admin:       server.Admin{Key: key},
		Connections: server.ConnectionLimits{MaxPendingPerAddress: 100_000, AddressFailures: handshake.ThrottleConfig{Free: 1 << 30}}, // many are refused
	}, echo.New(), chat.New(chat.Config{}))
	operator := http.Header{"Authorization": {"Bearer " + key}}
	crowd(t, r.addr, 500) // by now one-time allocations are done, and the history of the room is full
	r.empties(t, r.addr, operator)
	before := measure()
	crowd(t, r.addr, count)
	r.empties(t, r.addr, operator)
	const slack, each = 4 << 20, 32 // bytes
	allowed := before.heap + slack + uint64(count*each)
	after := measure()
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); after = measure() {
		if after.goroutines <= before.goroutines && after.heap <= allowed {
			break // a client that has just gone may have a last step to do, and finalizers need time
		}
	}
	t.Logf("%d connections: %d goroutines before, %d after; heap %d KB before, %d KB after",
		count, before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.goroutines > before.goroutines {
		t.Errorf("%d goroutines, %d before", after.goroutines, before.goroutines)
	}
	if after.heap > allowed {
		t.Errorf("heap of %d bytes, %d before", after.heap, before.heap)
	}
	r.serves(t)
}
