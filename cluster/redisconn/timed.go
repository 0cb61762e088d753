package redisconn

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// timed is a client that tells how long its commands took.
type timed struct {
	rueidis.Client
	asked func(took time.Duration, err error)
}

// Do implements rueidis.Client.
func (t *timed) Do(ctx context.Context, cmd rueidis.Completed) rueidis.RedisResult {
	blocks, began := cmd.IsBlock(), time.Now() // the command is taken apart by Do
	result := t.Client.Do(ctx, cmd)
	if !blocks {
		t.asked(time.Since(began), result.NonRedisError())
	}
	return result
}

// DoMulti implements rueidis.Client. Its commands count as one.
func (t *timed) DoMulti(ctx context.Context, cmds ...rueidis.Completed) []rueidis.RedisResult {
	began := time.Now()
	results := t.Client.DoMulti(ctx, cmds...)
	var err error
	for _, r := range results {
		if err == nil {
			err = r.NonRedisError()
		}
	}
	t.asked(time.Since(began), err)
	return results
}
