package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Misfits returns what of Redis does not fit the mode, as sentences that say what to do; nothing when all is well. The error is
// Redis that cannot be asked.
func (n *Node) Misfits(ctx context.Context) ([]string, error) {
	client, err := n.cfg.Client()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	text, err := client.Do(ctx, client.B().Info().Build()).ToString()
	if err != nil {
		return nil, fmt.Errorf("ask redis what it is: %w", err)
	}
	return misfits(n.cfg.Mode, factsOf(text), client.Mode() == rueidis.ClientModeCluster), nil
}

// factsOf reads the answer to INFO.
func factsOf(text string) map[string]string {
	facts := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[key] = value
		}
	}
	return facts
}

const leastRedis = 7

func misfits(mode Mode, facts map[string]string, isCluster bool) (list []string) {
	version := facts["redis_version"]
	major, _, _ := strings.Cut(version, ".")
	if v, err := strconv.Atoi(major); err == nil && v < leastRedis {
		list = append(list, fmt.Sprintf("redis is version %s; at least %d is needed", version, leastRedis))
	}
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" && facts["maxmemory"] != "0" {
		list = append(list, fmt.Sprintf("maxmemory-policy of redis is %s: it may evict streams, rooms and tickets; set noeviction", policy))
	}
	if isCluster && mode == ModePubSub {
		list = append(list, "cluster.mode pubsub sends every operation to every server of the redis cluster; sharded spreads them")
	}
	return list
}

// measure notes how far the reading is behind the end of the stream, by the clock of Redis.
func (l *lane) measure(ctx context.Context) {
	client, err := l.node.cfg.Client()
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	last, err := client.Do(ctx, client.B().Xrevrange().Key(l.stream).End("+").Start("-").Count(1).Build()).AsXRange()
	if err != nil || len(last) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	end, _ := streamID(last[0].ID)
	at, _ := streamID(l.at)
	if l.lag = 0; l.at != "" && end > at {
		l.lag = time.Duration(end-at) * time.Millisecond //nolint:gosec // milliseconds of a day or less
	}
}
