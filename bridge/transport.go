package bridge

import (
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"
)

// transport is the result of Socket.Conn().Transport() for an application. It
// stays the same across the upgrade and carries nothing.
type transport struct {
	transports.Transport
	c *conn
}

// Transport implements engine.Socket.
func (c *conn) Transport() transports.Transport {
	t := &c.transport
	t.once.Do(func() { t.value = &transport{Transport: transports.MakeTransport(), c: c} })
	return t.value
}

// Name returns "polling" or "websocket", the transport that the connection
// uses now.
func (t *transport) Name() string { return t.c.session.Transport() }

// Protocol returns the revision of Engine.IO.
func (t *transport) Protocol() int { return 4 }

// ReadyState returns the ready state of the connection.
func (t *transport) ReadyState() string { return t.c.ReadyState() }

// HandlesUpgrades reports whether there is something to upgrade to.
func (t *transport) HandlesUpgrades() bool { return !t.c.srv.cfg.Engine.NoUpgrades }

// Writable reports whether the client keeps up. For a client that does not, the
// library drops volatile messages.
func (t *transport) Writable() bool {
	if t.c.ReadyState() != stateOpen {
		return false
	}
	session, ok := any(t.c.session).(interface{ Writable() bool })
	return !ok || session.Writable()
}

// Close closes the connection.
func (t *transport) Close(...types.Callable) { t.c.Close(true) }
