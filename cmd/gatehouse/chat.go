package main

import (
	"fmt"
	"time"

	"gatehouse/namespaces/chat"
)

// chatSettings configure the built-in chat.
type chatSettings struct {
	// Enabled mounts /chat. Default true.
	Enabled bool `koanf:"enabled"`
	// MaxText is the longest text of a message, in characters. Default 4,000.
	MaxText int `koanf:"max_text"`
	// QuietAbove is up to how many users a room announces who joins and
	// leaves. Default 500.
	QuietAbove int `koanf:"quiet_above"`
	// HistoryMessages and HistoryBytes are how much a room remembers. Default
	// 200 and 256 KiB.
	HistoryMessages int `koanf:"history_messages"`
	HistoryBytes    int `koanf:"history_bytes" unit:"bytes"`
	// HistoryTotal is how many bytes all rooms remember together, nonces
	// included. Default 64 MiB.
	HistoryTotal int `koanf:"history_total" unit:"bytes"`
	// Nonces is how many answers a room remembers for repeated nonces. Default
	// 1,024.
	Nonces int `koanf:"nonces"`
	// MaxRooms is how many rooms there may be. Default 10,000.
	MaxRooms int `koanf:"max_rooms"`
	// EmptyRooms is how many rooms without members keep their history, and
	// EmptyFor for how long. Default 1,000 and 10m.
	EmptyRooms int           `koanf:"empty_rooms"`
	EmptyFor   time.Duration `koanf:"empty_for"`
}

func defaultChat() chatSettings {
	return chatSettings{
		Enabled:         true,
		MaxText:         4000,
		QuietAbove:      500,
		HistoryMessages: 200,
		HistoryBytes:    256 << 10,
		HistoryTotal:    64 << 20,
		Nonces:          1024,
		MaxRooms:        10_000,
		EmptyRooms:      1000,
		EmptyFor:        10 * time.Minute,
	}
}

// check refuses what the chat would take for "the default".
func (c chatSettings) check() error {
	for _, limit := range []struct {
		key   string
		value int64
	}{
		{"chat.max_text", int64(c.MaxText)}, {"chat.quiet_above", int64(c.QuietAbove)},
		{"chat.history_messages", int64(c.HistoryMessages)}, {"chat.history_bytes", int64(c.HistoryBytes)},
		{"chat.history_total", int64(c.HistoryTotal)}, {"chat.nonces", int64(c.Nonces)},
		{"chat.max_rooms", int64(c.MaxRooms)}, {"chat.empty_rooms", int64(c.EmptyRooms)},
		{"chat.empty_for", int64(c.EmptyFor)},
	} {
		if limit.value < 1 {
			return fmt.Errorf("%s: must be above 0; leave it out for the default", limit.key)
		}
	}
	return nil
}

// config is the chat's. The users of the home issuer are known by their subject
// alone.
func (c chatSettings) config(home string) chat.Config {
	return chat.Config{
		Home:            home,
		MaxText:         c.MaxText,
		QuietAbove:      c.QuietAbove,
		HistoryMessages: c.HistoryMessages,
		HistoryBytes:    c.HistoryBytes,
		HistoryTotal:    c.HistoryTotal,
		Nonces:          c.Nonces,
		MaxRooms:        c.MaxRooms,
		EmptyRooms:      c.EmptyRooms,
		EmptyFor:        c.EmptyFor,
	}
}
