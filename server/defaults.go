package server

import (
	"gatehouse/history"
	"gatehouse/internal/settings"
)

// WithDefaults returns the configuration with every zero value replaced by its
// default, as `gatehouse config print` shows it.
func (c Config) WithDefaults() Config {
	if c.Dev {
		setDefault(&c.Addr, "127.0.0.1:3000")
	}
	setDefault(&c.Addr, ":3000")
	setDefault(&c.Path, defaultPath)
	settings.Fill(&c)
	c.Connections.setDefaults()
	c.AdminUI.setDefaults()
	c.setGate(c.gate().WithDefaults())
	// Defaults that follow from other sections.
	c.Handshake.DeriveFrom(c.Engine.Limits)
	if c.History.Path != "" {
		setDefault(&c.History.Bytes, history.DefaultDiskBytes)
	}
	setDefault(&c.History.Bytes, history.DefaultBytes)
	return c
}

// setDefault fills a field that was left at its zero value.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
