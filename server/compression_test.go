package server_test

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/engine"
	"gatehouse/handshake"
	"gatehouse/server"
)

func TestWrongCompressionIsNamed(t *testing.T) {
	for want, c := range map[string]server.Compression{
		"compression.websocket":        {WebSocket: "yes"},
		"compression.polling":          {Polling: "maybe"},
		"compression.threshold":        {Deflate: engine.Deflate{Threshold: -1}},
		"compression.context_takeover": {Deflate: engine.Deflate{Takeover: "all"}},
		"compression.level":            {Deflate: engine.Deflate{Level: 10}},
		"compression.window":           {Deflate: engine.Deflate{Window: 8}},
	} {
		err := server.Config{Compression: c}.WithDefaults().Check()
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want it to begin with %s", c, err, want)
		}
	}
	good := server.Compression{WebSocket: "on", Polling: "off", Deflate: engine.Deflate{Takeover: "both", Level: 9, Window: 15}}
	if err := (server.Config{Compression: good}).WithDefaults().Check(); !errors.Is(err, handshake.ErrNoVerifier) {
		t.Errorf("good values: %v", err)
	}
}
