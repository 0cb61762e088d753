package server_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gatehouse/cluster"
	"gatehouse/handshake"
	"gatehouse/server"
)

func TestAClusterThatCannotWorkIsRefused(t *testing.T) {
	for _, c := range []struct {
		cluster server.Cluster
		redis   string
		says    string
	}{
		{server.Cluster{Mode: "streams"}, "", "cluster.mode: nodes need a Redis that they share; set redis.url"},
		{server.Cluster{Mode: "sharded?"}, "redis://localhost", "cluster.mode"},
		{server.Cluster{Mode: "streams", Secret: "short"}, "redis://localhost", "cluster.secret: 5 bytes, at least 32"},
		{server.Cluster{Mode: "streams", Settings: cluster.Settings{Streams: 65}}, "redis://localhost", "cluster.streams: 65 is out of range; write a number from 1 to 64"},
		{server.Cluster{Mode: "streams", Settings: cluster.Settings{MaxLen: 5}}, "redis://localhost", "cluster.max_len: 5"},
		{server.Cluster{Mode: "streams", Settings: cluster.Settings{BacklogBytes: 5}}, "redis://localhost", "cluster.backlog_bytes: 5"},
		{server.Cluster{Mode: "streams", Settings: cluster.Settings{Patience: time.Millisecond}}, "redis://localhost", "cluster.patience"},
		{server.Cluster{Mode: "streams", Settings: cluster.Settings{Patience: time.Minute, BacklogAge: time.Second}}, "redis://localhost", "cluster.backlog_age"},
		{server.Cluster{Mode: "off", Settings: cluster.Settings{Streams: 65}}, "", "cluster.streams: 65"},
		{server.Cluster{Mode: "streams", Secret: "0123456789012345678901234567890123"}, "redis://localhost", ""},
	} {
		cfg := server.Config{Addr: ":0", Cluster: c.cluster}
		cfg.Redis.URL = ""
		if c.redis != "" {
			cfg.Redis.URL = "redis://localhost"
		}
		cfg = cfg.WithDefaults()
		err := cfg.Check()
		if c.says == "" && !errors.Is(err, handshake.ErrNoVerifier) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.cluster, err, c.says)
		}
		warned := strings.Contains(strings.Join(cfg.Warnings(), "\n"), "cluster.secret")
		if want := cfg.Cluster.Mode == "streams" && cfg.Cluster.Secret == ""; c.says == "" && warned != want {
			t.Errorf("%+v: warned %t, want %t", c.cluster, warned, want)
		}
	}
}
