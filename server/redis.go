package server

import (
	"errors"
	"log/slog"

	"github.com/redis/rueidis"

	"gatehouse/cluster/redisconn"
)

// connectRedis connects to what nodes share.
func connectRedis(cfg Redis, log *slog.Logger, m *metrics, traced bool) (*redisconn.Conn, error) {
	option, err := rueidis.ParseURL(cfg.URL.Reveal())
	if err != nil {
		return nil, errors.New("redis.url: cannot be read") // Check has said more
	}
	return redisconn.New(redisconn.Config{Option: option, Prefix: cfg.Prefix, Logger: log, Asked: m.askedRedis(), Traced: traced}), nil
}
