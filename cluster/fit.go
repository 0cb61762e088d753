package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Misfits is [Misfits] for the node's own Redis.
func (n *Node) Misfits(ctx context.Context) ([]string, error) {
	client, err := n.cfg.Client()
	if err != nil {
		return nil, err
	}
	return Misfits(ctx, client, n.cfg)
}

// Misfits returns the settings of a Redis that do not fit the mode and the streams of a configuration, as sentences
// that say what to do; none when all is well. It takes at most 2 s. It fails when Redis cannot be reached.
func Misfits(ctx context.Context, client rueidis.Client, cfg NodeConfig) ([]string, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	text, err := client.Do(ctx, client.B().Info().Build()).ToString()
	if err != nil {
		return nil, fmt.Errorf("ask redis what it is: %w", err)
	}
	list := misfits(cfg.Mode, factsOf(text), client.Mode() == rueidis.ClientModeCluster)
	if cfg.Mode != ModeStreams {
		return list, nil
	}
	for i := range cfg.Streams {
		short, err := shortStream(ctx, client, cfg.streamName(i), cfg.BacklogAge)
		if err != nil {
			return list, err
		}
		list = append(list, short...)
	}
	return list, nil
}

// shortStream reports whether a stream has been trimmed so far that a node could have been away for longer than it
// reaches back.
func shortStream(ctx context.Context, client rueidis.Client, stream string, least time.Duration) ([]string, error) {
	exists, err := client.Do(ctx, client.B().Exists().Key(stream).Build()).AsBool()
	if err != nil || !exists {
		return nil, err
	}
	info, err := client.Do(ctx, client.B().XinfoStream().Key(stream).Build()).AsMap()
	if err != nil {
		return nil, fmt.Errorf("ask redis for the stream %s: %w", stream, err)
	}
	length, last, first := info["length"], info["last-generated-id"], info["first-entry"]
	added := info["entries-added"]
	n, err1 := length.AsInt64()
	all, err2 := added.AsInt64()
	end, err3 := last.ToString()
	entry, err4 := first.ToArray()
	if known := errors.Join(err1, err2, err3, err4) == nil; !known || len(entry) == 0 || all <= n {
		return nil, nil // the stream is empty, was never trimmed, or Redis does not tell
	}
	begin, err := entry[0].ToString()
	if err != nil {
		return nil, err
	}
	from, _ := streamID(begin)
	to, _ := streamID(end)
	span := time.Duration(to-min(from, to)) * time.Millisecond // milliseconds that a stream has lived
	if span >= least {
		return nil, nil
	}
	return []string{fmt.Sprintf("the stream %s reaches back %s, less than cluster.backlog_age (%s): a node that is away for longer misses operations; raise cluster.max_len", stream, span, least)}, nil
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
		l.lag = time.Duration(end-at) * time.Millisecond // milliseconds of a day or less
	}
}
