package server_test

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/handshake"
	"gatehouse/server"
)

func TestWrongCompressionIsNamed(t *testing.T) {
	for want, c := range map[string]server.Compression{
		"compression.websocket":        {WebSocket: "yes"},
		"compression.polling":          {Polling: "maybe"},
		"compression.threshold":        {Threshold: -1},
		"compression.context_takeover": {ContextTakeover: "all"},
		"compression.level":            {Level: 10},
		"compression.window":           {Window: 8},
	} {
		err := server.Config{Compression: c}.WithDefaults().Check()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want it to begin with %s", c, err, want)
		}
	}
	good := server.Compression{WebSocket: "on", Polling: "off", ContextTakeover: "both", Level: 9, Window: 15}
	if err := (server.Config{Compression: good}).WithDefaults().Check(); !errors.Is(err, handshake.ErrNoVerifier) {
		t.Errorf("good values: %v", err)
	}
}
