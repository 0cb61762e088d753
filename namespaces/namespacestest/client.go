package namespacestest

import (
	"slices"

	"gatehouse/namespaces"
	"gatehouse/packet"
)

// Client is a client in one namespace.
type Client struct {
	conn      *conn
	namespace string
	id        string
	asked     uint64
}

// ID returns the id of its socket.
func (c *Client) ID() string { return c.id }

// Socket returns its socket, whose rooms and data a test may look at. It fails the test when the socket has ended.
func (c *Client) Socket() *namespaces.Socket {
	c.conn.hub.t.Helper()
	if ns, ok := c.conn.hub.Namespace(c.namespace); ok {
		if s, ok := ns.Socket(c.id); ok {
			return s
		}
	}
	c.conn.hub.t.Fatalf("the socket in %s has ended", c.namespace)
	return nil
}

// Enter lets the same connection enter another namespace, with the same identity. Of the options only [Auth] counts. It
// fails the test when the client is refused.
func (c *Client) Enter(namespace string, opts ...Option) *Client {
	c.conn.hub.t.Helper()
	v := new(visit)
	for _, opt := range opts {
		opt(v)
	}
	other, err := c.conn.enter(namespace, v)
	if err != nil {
		c.conn.hub.t.Fatalf("enter %s: %v", namespace, err)
	}
	return other
}

// Emit sends an event that asks for no acknowledgement. Its handler may not have run when Emit returns.
func (c *Client) Emit(event string, args ...any) {
	c.conn.hub.t.Helper()
	c.send(&packet.Packet{Type: packet.Event, Event: event, Args: c.encode(args)})
}

// Ask sends an event and returns its acknowledgement. Events that the handler emitted have come by then, at this client and
// at all others.
func (c *Client) Ask(event string, args ...any) packet.Args {
	c.conn.hub.t.Helper()
	id := c.asked
	c.asked++
	c.send(&packet.Packet{Type: packet.Event, Event: event, ID: id, HasID: true, Args: c.encode(args)})
	answer, err := c.conn.take(func(p *packet.Packet) bool {
		return p.Type == packet.Ack && p.Namespace == c.namespace && p.ID == id
	})
	if err != nil {
		c.conn.hub.t.Fatalf("ask %q: %v", event, err)
	}
	return answer.Args
}

// Ask is [Client.Ask] for an acknowledgement of one value.
func Ask[T any](c *Client, event string, args ...any) T {
	c.conn.hub.t.Helper()
	answer := c.Ask(event, args...)
	var v T
	if err := answer.Decode(0, &v); err != nil {
		c.conn.hub.t.Fatalf("the answer to %q: %v in %s", event, err, answer.AppendJSON(nil))
	}
	return v
}

// Event is an event that the namespace has sent.
type Event struct {
	Name string
	Args packet.Args

	client *Client
	id     uint64
	asked  bool
}

// Expect returns the next event, which must have this name.
func (c *Client) Expect(event string) Event {
	c.conn.hub.t.Helper()
	e := c.Next()
	if e.Name != event {
		c.conn.hub.t.Fatalf("got %q %s, want %q", e.Name, e.Args.AppendJSON(nil), event)
	}
	return e
}

// Next returns the next event.
func (c *Client) Next() Event {
	c.conn.hub.t.Helper()
	p, err := c.conn.take(c.isEvent)
	if err != nil {
		c.conn.hub.t.Fatalf("wait for an event: %v", err)
	}
	return Event{Name: p.Event, Args: p.Args, client: c, id: p.ID, asked: p.HasID}
}

func (c *Client) isEvent(p *packet.Packet) bool {
	return p.Type == packet.Event && p.Namespace == c.namespace
}

// Nothing fails the test when there is an event that has come and was not taken. It does not see events that are still
// on their way: call it when an [Client.Ask] has returned, or in a bubble after synctest.Wait.
func (c *Client) Nothing() {
	c.conn.hub.t.Helper()
	c.conn.mu.Lock()
	i := slices.IndexFunc(c.conn.came, func(p packet.Packet) bool { return c.isEvent(&p) })
	var p packet.Packet
	if i >= 0 {
		p = c.conn.came[i]
	}
	c.conn.mu.Unlock()
	if i >= 0 {
		c.conn.hub.t.Fatalf("got %q %s, want nothing", p.Event, p.Args.AppendJSON(nil))
	}
}

// Decode decodes the arguments, as those of a handler are. It fails the test when there are fewer.
func (e Event) Decode(args ...any) {
	e.client.conn.hub.t.Helper()
	for i, v := range args {
		if err := e.Args.Decode(i, v); err != nil {
			e.client.conn.hub.t.Fatalf("argument %d of %q: %v", i+1, e.Name, err)
		}
	}
}

// Answer acknowledges the event. It fails the test when nobody asked for that.
func (e Event) Answer(values ...any) {
	e.client.conn.hub.t.Helper()
	if !e.asked {
		e.client.conn.hub.t.Fatalf("%q asks for no acknowledgement", e.Name)
	}
	e.client.send(&packet.Packet{Type: packet.Ack, ID: e.id, HasID: true, Args: e.client.encode(values)})
}

// Leave lets the client leave the namespace (DISCONNECT). Disconnect handlers may not have run when it returns.
func (c *Client) Leave() {
	c.conn.hub.t.Helper()
	c.send(&packet.Packet{Type: packet.Disconnect})
}

// Drop breaks the connection, and with it all its namespaces.
func (c *Client) Drop() {
	c.conn.end(namespaces.End{Reason: namespaces.ReasonTransportClose, Lost: true})
}

// ExpectEnd waits until the server ends the client's stay in the namespace: by DISCONNECT, or with its connection.
func (c *Client) ExpectEnd() {
	c.conn.hub.t.Helper()
	_, err := c.conn.take(func(p *packet.Packet) bool {
		return p.Type == packet.Disconnect && p.Namespace == c.namespace
	})
	c.conn.mu.Lock()
	closed := c.conn.closed
	c.conn.mu.Unlock()
	if err != nil && !closed {
		c.conn.hub.t.Fatalf("wait for the end: %v", err)
	}
}

func (c *Client) send(p *packet.Packet) {
	c.conn.hub.t.Helper()
	p.Namespace = c.namespace
	if err := c.conn.send(p); err != nil {
		c.conn.hub.t.Fatalf("send %s: %v", p.Type, err)
	}
}

func (c *Client) encode(values []any) packet.Args {
	c.conn.hub.t.Helper()
	args, err := packet.NewArgs(values...)
	if err != nil {
		c.conn.hub.t.Fatal(err)
	}
	return args
}
