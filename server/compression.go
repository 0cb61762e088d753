package server

import "gatehouse/engine"

const (
	switchOn  = "on"
	switchOff = "off"
)

// above is the size from which polling answers are compressed.
func (c *Compression) above() int {
	if c.Polling == switchOff {
		return -1
	}
	return c.Threshold
}

func (c *Compression) deflate() engine.Deflate {
	d := c.Deflate
	d.Enabled = c.WebSocket == switchOn
	return d
}
