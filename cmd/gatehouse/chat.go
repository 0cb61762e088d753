package main

import (
	limits "gatehouse/internal/settings"
	"gatehouse/namespaces/chat"
)

// chatSettings configure the built-in chat.
type chatSettings struct {
	Enabled bool `koanf:"enabled" doc:"mounts /chat, see [chat.md](chat.md)"`

	chat.Limits `koanf:",squash"`
}

// defaultChat holds the defaults, which the file changes: a limit of 0 in the file is refused,
// not taken for the default.
func defaultChat() chatSettings {
	c := chatSettings{Enabled: true}
	limits.Fill(&c)
	return c
}

// check refuses what is out of bounds.
func (c chatSettings) check() error {
	return limits.Check(struct {
		Chat chatSettings `koanf:"chat"`
	}{c}, limits.Keys)
}

// config returns the configuration of the chat. The users of the home issuer are known by their
// subject alone.
func (c chatSettings) config(home string) chat.Config {
	return chat.Config{Home: home, Limits: c.Limits}
}
