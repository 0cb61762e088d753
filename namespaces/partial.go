package namespaces

import (
	"log/slog"
	"time"
)

// partial is the state of a client that sends packets with attachments. It is owned by the client's reader.
type partial struct {
	bytes int         // bytes of the packet whose attachments are awaited; they count in the connection's budget
	timer *time.Timer // ends the connection when the next attachment takes too long
}

// begun counts a message of a packet that is not complete. It refuses one of a stranger, because a stranger cannot send
// events.
func (c *Client) begun(size int) {
	c.mu.Lock()
	stranger := !c.admitted
	c.mu.Unlock()
	if stranger {
		c.decoder.Forget()
		c.hub.log.Debug("packet refused", slog.String("reason", "attachments before admission"))
		c.shut(closePolicy, "attachments before admission", ReasonParseError)
		return
	}
	if c.partial == nil {
		c.partial = &partial{timer: time.AfterFunc(c.hub.limits().AttachmentTimeout, c.tooSlow)}
	} else {
		c.partial.timer.Reset(c.hub.limits().AttachmentTimeout)
	}
	c.partial.bytes += size
	c.conn.Hold(size)
}

// completed takes back what begun counted for a packet, and returns the size of the packet, of which last is that of its last
// message.
func (c *Client) completed(last int) (size int) {
	p := c.partial
	if p == nil || p.bytes == 0 {
		return last
	}
	p.timer.Stop()
	size = p.bytes + last
	c.conn.Hold(-p.bytes)
	p.bytes = 0
	return size
}

// abandonPartial forgets a packet whose attachments will not come any more.
func (c *Client) abandonPartial() {
	c.completed(0)
	c.decoder.Forget()
}

// tooSlow ends a connection whose client does not complete its packet in time.
func (c *Client) tooSlow() {
	c.shut(closePolicy, "attachments did not come in time", ReasonForcedServer)
}
