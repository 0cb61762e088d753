package namespacestest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse/handshake"
	"gatehouse/namespaces"
	"gatehouse/packet"
)

// patience is how long a client waits for something that must come.
const patience = 10 * time.Second

var errClosed = errors.New("the connection is closed")

// conn is the connection of a client, as the hub sees it, with the state that its clients share.
type conn struct {
	hub     *Hub
	request handshake.Request
	values  context.Context // of the connection
	client  *namespaces.Client

	say sync.Mutex // held while a message is handed over

	mu      sync.Mutex // guards what follows
	decoder packet.Decoder
	came    []packet.Packet
	closed  bool
	why     string        // of the end
	paused  bool          // the hub does not read
	news    chan struct{} // closed when the state changes
}

func newConn(h *Hub, v *visit) *conn {
	c := &conn{hub: h, request: v.request, values: v.values, news: make(chan struct{})}
	c.decoder = packet.NewDecoder(packet.Limits{})
	h.mu.Lock()
	c.request.SessionID = fmt.Sprintf("connection %d", len(h.who)+1)
	if c.request.Transport == "" {
		c.request.Transport = "websocket"
	}
	if v.identity != nil {
		h.who[c.request.SessionID] = *v.identity
	}
	h.mu.Unlock()
	c.client = h.Connect(c)
	return c
}

// enter sends CONNECT and waits for the answer.
func (c *conn) enter(namespace string, v *visit) (*Client, error) {
	c.hub.t.Helper()
	p := packet.Packet{Type: packet.Connect, Namespace: namespace}
	if v.auth != nil {
		payload, err := json.Marshal(v.auth)
		if err != nil {
			c.hub.t.Fatalf("encode the auth payload: %v", err)
		}
		p.Payload = payload
	}
	if err := c.send(&p); err != nil {
		return nil, err
	}
	reply, err := c.take(func(p *packet.Packet) bool {
		return p.Namespace == namespace && (p.Type == packet.Connect || p.Type == packet.ConnectError)
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the answer to CONNECT: %w", err)
	}
	if reply.Type == packet.ConnectError {
		return nil, refused(reply.Payload)
	}
	var granted struct{ SID string }
	if err := json.Unmarshal(reply.Payload, &granted); err != nil {
		return nil, fmt.Errorf("read the answer to CONNECT: %w", err)
	}
	return &Client{conn: c, namespace: namespace, id: granted.SID}, nil
}

func refused(payload []byte) *Refused {
	r := new(Refused)
	_ = json.Unmarshal(payload, r) // a message of the hub
	var data struct{ Code handshake.Code }
	_ = json.Unmarshal(r.Data, &data) // from the application: may be anything
	r.Code = data.Code
	return r
}

// send hands a packet to the hub, as soon as the hub reads.
func (c *conn) send(p *packet.Packet) error {
	if err := c.wait(func() bool { return !c.paused }); err != nil {
		return err
	}
	f := packet.Encode(p, packet.V5)
	c.say.Lock()
	defer c.say.Unlock()
	c.client.Message(false, f.Text)
	for _, a := range f.Attachments {
		c.client.Message(true, a)
	}
	return nil
}

// take waits for the first packet that fits, and takes it off the list.
func (c *conn) take(fits func(*packet.Packet) bool) (p packet.Packet, err error) {
	err = c.wait(func() bool {
		for i := range c.came {
			if fits(&c.came[i]) {
				p = c.came[i]
				c.came = append(c.came[:i], c.came[i+1:]...)
				return true
			}
		}
		return false
	})
	return p, err
}

// wait returns when done reports true; done is called with mu held. It returns an error when the connection has ended,
// or nothing comes in time.
func (c *conn) wait(done func() bool) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		c.mu.Lock()
		ok, closed, why, news := done(), c.closed, c.why, c.news
		c.mu.Unlock()
		switch {
		case ok:
			return nil
		case closed:
			return fmt.Errorf("%w: %s", errClosed, why)
		}
		select {
		case <-news:
		case <-limit.C:
			return fmt.Errorf("nothing came for %v", patience)
		}
	}
}

// change changes the state of the connection and wakes those who wait for a change.
func (c *conn) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.news)
	c.news = make(chan struct{})
}

// end tells the hub that the connection has ended.
func (c *conn) end(end namespaces.End) {
	first := false
	c.change(func() { first = !c.closed; c.closed, c.why = true, end.Reason })
	if first {
		c.say.Lock()
		defer c.say.Unlock()
		c.client.Closed(end)
	}
}

// Send implements namespaces.Conn.
func (c *conn) Send(f *packet.Frame) (err error) {
	c.change(func() {
		if c.closed {
			err = errClosed
			return
		}
		p, whole, fault := c.decoder.Text(f.Text)
		for _, a := range f.Attachments {
			p, whole, fault = c.decoder.Binary(a)
		}
		if fault != nil || !whole {
			panic(fmt.Sprintf("namespacestest: the hub sent %q: %v", f.Text, fault)) // cannot happen
		}
		c.came = append(c.came, p)
	})
	if f.Sent != nil {
		f.Sent(err == nil)
	}
	return err
}

// SendVolatile implements namespaces.Conn: the client is never behind.
func (c *conn) SendVolatile(f *packet.Frame) bool { return c.Send(f) == nil }

// Close implements namespaces.Conn.
func (c *conn) Close(_ int, reason string) {
	c.hub.tasks.Go(func() { c.end(namespaces.End{Reason: reason, Cut: true}) })
}

// Pause implements namespaces.Conn.
func (c *conn) Pause() { c.change(func() { c.paused = true }) }

// Resume implements namespaces.Conn.
func (c *conn) Resume() { c.change(func() { c.paused = false }) }

// Hold implements namespaces.Conn.
func (c *conn) Hold(int) bool { return true }

// Admitted implements namespaces.Conn.
func (c *conn) Admitted() {}

// Identified implements namespaces.Conn.
func (c *conn) Identified(*namespaces.Socket) {}

// ID implements namespaces.Conn.
func (c *conn) ID() string { return c.request.SessionID }

// Transport implements namespaces.Conn.
func (c *conn) Transport() string { return c.request.Transport }

// Context implements namespaces.Conn.
func (c *conn) Context() context.Context { return c.values }

// Request implements namespaces.Conn.
func (c *conn) Request() *handshake.Request { return &c.request }
