package server

import (
	"errors"
	"fmt"

	"gatehouse/engine"
)

const (
	switchOn  = "on"
	switchOff = "off"
)

func (c *Compression) setDefaults() {
	setDefault(&c.WebSocket, switchOff)
	setDefault(&c.Polling, switchOn)
	setDefault(&c.Threshold, engine.DefaultCompressAbove)
	setDefault(&c.ContextTakeover, string(engine.TakeoverNone))
	setDefault(&c.Level, engine.DefaultDeflateLevel)
	setDefault(&c.Window, engine.DefaultDeflateWindow)
}

func (c *Compression) check() error {
	return errors.Join(
		oneOf("compression.websocket", c.WebSocket, switchOn, switchOff),
		oneOf("compression.polling", c.Polling, switchOn, switchOff),
		oneOf("compression.context_takeover", c.ContextTakeover, string(engine.TakeoverNone),
			string(engine.TakeoverServer), string(engine.TakeoverClient), string(engine.TakeoverBoth)),
		within("compression.threshold", c.Threshold, 1, most),
		within("compression.level", c.Level, 1, 9),
		within("compression.window", c.Window, 9, 15),
	)
}

func within(key string, value, lowest, highest int) error {
	if value < lowest || value > highest {
		return fmt.Errorf("%s: %d is out of range; write a number from %d to %d", key, value, lowest, highest)
	}
	return nil
}

// above is the size from which polling answers are compressed.
func (c *Compression) above() int {
	if c.Polling == switchOff {
		return -1
	}
	return c.Threshold
}

func (c *Compression) deflate() engine.Deflate {
	return engine.Deflate{
		Enabled:   c.WebSocket == switchOn,
		Threshold: c.Threshold,
		Takeover:  engine.Takeover(c.ContextTakeover),
		Level:     c.Level,
		Window:    c.Window,
	}
}
